/** The time limit of one piece of work. */
export interface TimeLimit {
  /** Longest time, in milliseconds. */
  readonly timeoutMs: number;
  /** Aborts when the application closes: ends work that is under way, and prevents new work. */
  readonly closing?: AbortSignal;
}

/**
 * Aborts one request, headers or body, when its time is over or the application is closing. Also ends the wait for a fetch that
 * ignores signals.
 */
export class Deadline {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #closing: AbortSignal | undefined;
  readonly #close = (): void => this.#controller.abort(new DOMException('The application is closing', 'AbortError'));
  /** Rejects at the deadline, and never resolves. */
  readonly passed: Promise<never>;

  constructor({ timeoutMs, closing }: TimeLimit) {
    const { signal } = this.#controller;
    this.passed = new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    });
    this.passed.catch(() => undefined);
    const expire = (): void => this.#controller.abort(new DOMException('The time is over', 'TimeoutError'));
    this.#timer = setTimeout(expire, timeoutMs).unref();
    this.#closing = closing;
    closing?.addEventListener('abort', this.#close);
    if (closing?.aborted) this.#close();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#closing?.removeEventListener('abort', this.#close);
  }
}

/**
 * Runs a function of the application within the time limit of a request: tokens wait for both alike.
 *
 * @throws what the function throws, or a `DOMException` when the time is over.
 */
export async function withinTime<T>(work: () => T | Promise<T>, limit: TimeLimit): Promise<T> {
  const deadline = new Deadline(limit);
  try {
    return await Promise.race([work(), deadline.passed]);
  } finally {
    deadline.clear();
  }
}
