import { LRUCache } from 'lru-cache';

/** Limits for log lines that any request can cause. */
export interface LogLimits {
  /** Shortest time between two lines with the same key, in milliseconds. */
  readonly quietMs: number;
  /** Greatest number of lines in one second, whatever their keys. */
  readonly linesPerSecond: number;
  /** Greatest number of remembered keys. */
  readonly maxKeys: number;
}

/** The lines that were left out since the last one. */
export interface LeftOut {
  /** Number of lines with the same key. */
  readonly same: number;
  /** Number of lines with other keys, left out by `linesPerSecond`. */
  readonly others: number;
}

interface Said {
  readonly at: number;
  readonly leftOut: number;
}

/** Decides which lines may be written. Memory and output are bounded, however many keys there are. */
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
   * @param key equal for lines that say the same
   * @returns the lines left out before this one; undefined if it must not be written.
   */
  admit(key: string): LeftOut | undefined {
    const now = this.now();
    const said = this.#said.get(key);
    // If the clock was set back, do not stay quiet for long.
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
