import { LRUCache } from 'lru-cache';

/** How much may be written to the log about what any request can bring about. */
export interface LogLimits {
  /** Shortest time between two lines that say the same, in milliseconds. */
  readonly quietMs: number;
  /** Most lines in one second, whatever they say. */
  readonly linesPerSecond: number;
  /** Most things that are remembered to have been said. */
  readonly maxKeys: number;
}

/** What was left out since the last line. */
export interface LeftOut {
  /** Of the same. */
  readonly same: number;
  /** Of others, of which there were too many. */
  readonly others: number;
}

interface Said {
  readonly at: number;
  readonly leftOut: number;
}

/** Says which lines may be written. Memory and output are bounded, however many things there are to be said. */
export class LogLimit {
  readonly #said: LRUCache<string, Said>;
  #second = -Infinity;
  #linesInSecond = 0;
  #others = 0;

  constructor(
    private readonly limits: LogLimits,
    /** Milliseconds since the epoch. */
    private readonly now: () => number,
  ) {
    this.#said = new LRUCache({ max: limits.maxKeys });
  }

  /**
   * @param key the same for lines that say the same
   * @returns what to add to the line; undefined if it must not be written.
   */
  admit(key: string): LeftOut | undefined {
    const now = this.now();
    const said = this.#said.get(key);
    // A clock that was set back is no reason to be quiet for long.
    if (said && now >= said.at && now - said.at < this.limits.quietMs) {
      this.#said.set(key, { at: said.at, leftOut: said.leftOut + 1 });
      return undefined;
    }
    if (!this.#takesLine(now)) {
      this.#others += 1;
      return undefined;
    }
    this.#said.set(key, { at: now, leftOut: 0 });
    const others = this.#others;
    this.#others = 0;
    return { same: said?.leftOut ?? 0, others };
  }

  #takesLine(now: number): boolean {
    if (now < this.#second || now - this.#second >= 1_000) {
      this.#second = now;
      this.#linesInSecond = 0;
    }
    this.#linesInSecond += 1;
    return this.#linesInSecond <= this.limits.linesPerSecond;
  }
}
