import { timeBetween } from '../core/clock.js';
import { NotAskedError } from '../core/not-asked-error.js';
import { OutboundError } from './outbound-error.js';

/** Thrown if too many requests are under way already. */
export class BusyError extends NotAskedError {
  constructor(underWay: number) {
    super(`${underWay} requests are under way already`, BUSY_SECONDS);
  }
}

/** Seconds after which a busy server may be asked again. */
const BUSY_SECONDS = 1;

/** Pauses requests to a server for a short while after it failed. */
export class CoolDown {
  #current: { readonly cause: unknown; readonly from: number; readonly ms: number } | undefined;

  constructor(
    /** Milliseconds since the epoch. */
    private readonly now: () => number,
  ) {}

  begin(cause: unknown, ms: number): void {
    this.#current = { cause, from: this.now(), ms };
  }

  end(): void {
    this.#current = undefined;
  }

  get isOn(): boolean {
    return this.#leftMs > 0;
  }

  /** @throws {NotAskedError} during the pause. */
  check(): void {
    const left = this.#leftMs;
    if (left <= 0) return;
    const cause = this.#current?.cause;
    throw new NotAskedError('it failed a moment ago, and is not asked again yet', Math.ceil(left / 1000), { cause });
  }

  get #leftMs(): number {
    return this.#current ? this.#current.ms - timeBetween(this.now(), this.#current.from) : 0;
  }
}

/** Shortest pause after a failure, in milliseconds. */
export const FAILURE_COOL_DOWN_MS = 2_000;

/** Longest pause that a server can ask for (`Retry-After`), in milliseconds. */
const MAX_COOL_DOWN_MS = 60_000;

/** How long to pause after this failure, in milliseconds. A server may ask for more time. */
export function pauseAfter(error: unknown): number {
  const asked = error instanceof OutboundError ? (error.retryAfterSeconds ?? 0) * 1000 : 0;
  return Math.min(Math.max(asked, FAILURE_COOL_DOWN_MS), MAX_COOL_DOWN_MS);
}

/** Limits how many requests to one server, or calls of one function of the application, are under way at a time. */
export class UnderWayLimit {
  #underWay = 0;

  constructor(private readonly most: number) {}

  /** @throws {BusyError} without doing the work, when the limit is reached. */
  async run<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#underWay >= this.most) throw new BusyError(this.most);
    this.#underWay += 1;
    try {
      return await work();
    } finally {
      this.#underWay -= 1;
    }
  }
}
