import { timeBetween } from '../core/clock.js';

/** Most fetches in a row that found nothing. */
const BURST = 3;

/** Time in which one more fetch is allowed, in milliseconds. */
const REFILL_MS = 30_000;

/**
 * How often the keys of an issuer may be fetched because of tokens that nobody has verified. A fetch that finds nothing uses
 * up one of three, and one is added every 30 seconds; there is a pause after it besides. A fetch that finds the key costs
 * nothing: only the issuer can bring that about, so that two rotations in a row delay nobody.
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

  /** Milliseconds until the next fetch is allowed; 0: it is. */
  get waitMs(): number {
    const pause = this.pauseMs - timeBetween(this.now(), this.#lastDraw);
    const refill = (1 - this.#balance()) * REFILL_MS;
    return Math.max(0, pause, refill);
  }

  /** Takes one fetch, if one is allowed. */
  draw(): boolean {
    if (this.waitMs > 0) return false;
    this.#count(this.#balance() - 1);
    this.#lastDraw = this.now();
    return true;
  }

  /** The last fetch has found what it was for. */
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
