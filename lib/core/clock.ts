/** The time for the whole library. A provider, which tests replace to advance the time. */
export abstract class Clock {
  /** Milliseconds since the epoch. */
  abstract now(): number;

  /** Milliseconds since an unspecified moment, for durations: it never goes back when the time of the system is set. */
  abstract monotonic(): number;

  /**
   * Runs the function at that time, or soon after it. Does NOT keep the process alive.
   *
   * @param at milliseconds since the epoch
   * @returns a function that cancels it
   */
  abstract schedule(at: number, run: () => void): () => void;
}

/**
 * The time between two moments, in either order. If the clock is set back, a pause or a lifetime must not grow by as
 * much.
 */
export function timeBetween(one: number, other: number): number {
  return Math.abs(one - other);
}

/** The longest delay that Node's timers accept, in milliseconds; with a longer one they fire at once. */
const MAX_DELAY = 2_147_483_647;

export class SystemClock extends Clock {
  override now(): number {
    return Date.now();
  }

  override monotonic(): number {
    return performance.now();
  }

  override schedule(at: number, run: () => void): () => void {
    const timer = setTimeout(run, Math.min(Math.max(at - this.now(), 0), MAX_DELAY));
    timer.unref();
    return () => clearTimeout(timer);
  }
}
