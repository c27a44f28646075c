import { timeBetween } from '../core/clock.js';

/** Most fetches in a row that find nothing. */
const BURST = 3;

/** Milliseconds after which one more fetch is allowed. */
const REFILL_MS = 30_000;

/**
 * Limits how often unverified tokens cause a fetch of the keys of an issuer. A fetch that finds nothing uses up one of three,
 * and is followed by a pause; one more is allowed every 30 seconds. A fetch that finds the key costs nothing: only the issuer
 * can cause it, so two rotations in a row delay no token.
 */
export class RefreshBudget {
  #left = BURST;
  #countedAt = 0;
  #lastDraw = -Infinity;

  constructor(
    /** Shortest time between two fetches that find nothing, in milliseconds. */
    private readonly pauseMs: number,
    /** Milliseconds since the epoch. */
    private readonly now: () => number,
  ) {}

  /** Milliseconds until the next fetch is allowed; 0 if it is allowed now. */
  get waitMs(): number {
    const pause = this.pauseMs - timeBetween(this.now(), this.#lastDraw);
    const refill = (1 - this.#balance()) * REFILL_MS;
    return Math.max(0, pause, refill);
  }

  /** Takes one fetch from the budget; false if none is allowed. */
  draw(): boolean {
    if (this.waitMs > 0) return false;
    this.#count(this.#balance() - 1);
    this.#lastDraw = this.now();
    return true;
  }

  /** Gives the last fetch back to the budget, since it found the key. */
  refund(): void {
    if (this.#lastDraw === -Infinity) return;
    this.#count(this.#balance() + 1);
    this.#lastDraw = -Infinity;
  }

  #balance(): number {
    return Math.min(BURST, this.#left + timeBetween(this.now(), this.#countedAt) / REFILL_MS);
  }

  #count(left: number): void {
    this.#left = left;
    this.#countedAt = this.now();
  }
}
