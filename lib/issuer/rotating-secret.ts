import { withinTime } from '../core/deadline.js';

/** The longest wait for the function of the application: that for an answer of an authorization server. */
const LIMIT = { timeoutMs: 5_000 };

/** Longest secret, in characters. It may be sent in a header field. */
const MAX_LENGTH = 4_096;

/** The function of the application gave no secret. The message contains nothing of what it returned or threw. */
export class ClientSecretError extends Error {
  override readonly name = 'ClientSecretError';

  constructor(
    message: string,
    /** `failed`: it threw, or took too long; `unsuitable`: it returned what is no secret. */
    readonly kind: 'failed' | 'unsuitable',
  ) {
    super(message);
  }
}

/** One state of the secret. */
interface Known {
  readonly text: string;
  /** Counts the secrets that differed. */
  readonly version: number;
}

/**
 * The secret of a client, which a function of the application returns and may change at any time. The function is asked once, and
 * again after an authorization server has refused what it returned; once for all concurrent requests.
 */
export class RotatingSecret {
  #known: Known | undefined;
  #asking: Promise<Known> | undefined;

  constructor(
    /** Returns a value of any shape, or a promise of it. */
    private readonly source: () => unknown,
  ) {}

  /** @throws {ClientSecretError} */
  async current(): Promise<Known> {
    return this.#known ?? this.#ask();
  }

  /**
   * Whether there is another secret than the one that was refused.
   *
   * @throws {ClientSecretError}
   */
  async isOtherThan(refused: Known): Promise<boolean> {
    if (this.#known && this.#known.version !== refused.version) return true;
    const { version } = await this.#ask();
    return version !== refused.version;
  }

  #ask(): Promise<Known> {
    this.#asking ??= this.#load().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async #load(): Promise<Known> {
    const text = await this.#textOfSource();
    const known = this.#known;
    if (known?.text === text) return known;
    this.#known = { text, version: (known?.version ?? 0) + 1 };
    return this.#known;
  }

  async #textOfSource(): Promise<string> {
    let value: unknown;
    try {
      value = await withinTime(() => this.source(), LIMIT);
    } catch {
      // What it throws may quote the secret.
      throw new ClientSecretError(`the function clientSecret threw, or took ${LIMIT.timeoutMs} ms`, 'failed');
    }
    if (typeof value === 'string' && value !== '' && value.length <= MAX_LENGTH) return value;
    const must = `must return a text of 1 to ${MAX_LENGTH} characters`;
    throw new ClientSecretError(`the function clientSecret ${must}, and returned another value`, 'unsuitable');
  }
}

/**
 * Sends a request, and once more if the server refuses the secret while the application has another one.
 *
 * @param secret undefined if it never changes
 * @param isRefusal whether an error of the request says that the secret was refused
 */
export async function withPresentSecret<T>(
  secret: RotatingSecret | undefined,
  send: () => Promise<T>,
  isRefusal: (error: unknown) => boolean,
): Promise<T> {
  if (!secret) return send();
  const used = await secret.current();
  try {
    return await send();
  } catch (error) {
    if (!isRefusal(error) || !(await secret.isOtherThan(used))) throw error;
    return send();
  }
}
