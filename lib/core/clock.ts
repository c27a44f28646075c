/** The time, as everything here sees it; a provider of its own, so that tests can move it. */
export abstract class Clock {
  /** Milliseconds since the epoch. */
  abstract now(): number;

  /**
   * Runs the function at that time, or soon after it. Does not keep the process alive.
   *
   * @param at milliseconds since the epoch
   * @returns a function that calls it off
   */
  abstract schedule(at: number, run: () => void): () => void;
}

/**
 * The time between two moments, whichever of them is the earlier one. A clock that was set back must not make a pause, or a
 * life, longer by as much.
 */
export function timeBetween(one: number, other: number): number {
  return Math.abs(one - other);
}

/** The longest delay Node's timers take, in milliseconds; with a longer one they would fire at once. */
const MAX_DELAY = 2_147_483_647;

export class SystemClock extends Clock {
  override now(): number {
    return Date.now();
  }

  override schedule(at: number, run: () => void): () => void {
    const timer = setTimeout(run, Math.min(Math.max(at - this.now(), 0), MAX_DELAY));
    timer.unref();
    return () => clearTimeout(timer);
  }
}
