import { timeBetween } from '../core/clock.js';
import { NotAskedError } from '../core/not-asked-error.js';

/** So many requests are under way already that one more would be too many. */
export class BusyError extends NotAskedError {
  constructor(underWay: number) {
    super(`${underWay} requests are under way already`, BUSY_SECONDS);
  }
}

/** Seconds after which a server that was busy may be tried again. */
const BUSY_SECONDS = 1;

/** Leaves a server alone for a short while after it has failed. */
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

  /** @throws {NotAskedError} while it lasts. */
  check(): void {
    if (!this.#current) return;
    const { cause, from, ms } = this.#current;
    const left = ms - timeBetween(this.now(), from);
    if (left > 0)
      throw new NotAskedError('it failed a moment ago, and is not asked yet', Math.ceil(left / 1000), { cause });
  }
}

/** Most requests to one server, or calls of one function of the application, that are under way at a time. */
export class UnderWayLimit {
  #underWay = 0;

  constructor(private readonly most: number) {}

  /** @throws {BusyError} when so many are under way, without doing the work. */
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
