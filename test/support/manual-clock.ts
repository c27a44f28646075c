import { Clock } from '../../lib/core/clock.js';

/** A clock that a test moves: `clock.now += 60_000` runs everything that was scheduled for that minute. */
export class ManualClock {
  #now = Date.now();
  readonly #scheduled = new Set<{ readonly at: number; readonly run: () => void }>();

  /** Milliseconds since the epoch. */
  get now(): number {
    return this.#now;
  }

  set now(time: number) {
    this.#now = time;
    for (const entry of this.#scheduled) {
      if (entry.at > time) continue;
      this.#scheduled.delete(entry);
      entry.run();
    }
  }

  /** The provider that replaces the clock of the library. */
  readonly provider: Clock = {
    now: () => this.#now,
    monotonic: () => this.#now,
    schedule: (at, run) => {
      const entry = { at, run };
      this.#scheduled.add(entry);
      return () => this.#scheduled.delete(entry);
    },
  };
}
