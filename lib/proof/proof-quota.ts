import { McpAuthError } from '../core/error.js';
import { ExpiringGenerations } from '../shared-state/expiring-generations.js';

/**
 * Counts the proofs of each key that are remembered, so that a client that sends too many is refused alone, before it fills the store
 * that all clients share. Counts in this process only: each replica allows as many.
 *
 * Another key needs another token of the authorization server. Whoever gets enough of them can still fill the store.
 */
export class ProofQuota {
  /** How many proofs are remembered, by key. */
  readonly #generations: ExpiringGenerations<Map<string, number>>;

  constructor(
    /** Most proofs of one key that are remembered at a time. */
    private readonly limit: number,
    /** Most entries that are kept. Further keys are not counted. */
    private readonly maxEntries: number,
    /** Milliseconds since the epoch. */
    private readonly now: () => number,
  ) {
    this.#generations = new ExpiringGenerations(() => new Map<string, number>(), now);
  }

  /**
   * Refuses a key of which so many proofs are remembered. Does not count: nobody else can use up what a key may send.
   *
   * @throws {McpAuthError} `too_many_requests`, until the oldest of them are forgotten
   * @see RFC 6585 §4
   */
  check(thumbprint: string): void {
    const now = this.now();
    let count = 0;
    let oldest = Infinity;
    for (const [end, counts] of this.#generations) {
      const counted = end < now ? 0 : (counts.get(thumbprint) ?? 0);
      if (counted > 0) oldest = Math.min(oldest, end);
      count += counted;
    }
    if (count < this.limit) return;
    // In the millisecond of its end, a generation still counts.
    const retryAfterSeconds = Math.floor((oldest - now) / 1000) + 1;
    throw new McpAuthError('too_many_requests', 'too_many_proofs', { retryAfterSeconds });
  }

  /** Counts a proof that is remembered until then, in milliseconds since the epoch. */
  add(thumbprint: string, until: number): void {
    const counts = this.#generations.of(until);
    const count = counts.get(thumbprint) ?? 0;
    if (count === 0 && !this.#generations.hasRoom(this.maxEntries)) return;
    counts.set(thumbprint, count + 1);
  }
}
