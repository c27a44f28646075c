import { ExpiringGenerations } from './expiring-generations.js';
import type { ReplayStore } from './replay-store.js';

/** The store is full: it cannot remember another key, so it cannot decide about one. */
export class ReplayStoreFullError extends Error {
  override readonly name = 'ReplayStoreFullError';
}

/**
 * Remembers keys in the memory of this process. Replicas do NOT share it: each accepts the same proof once.
 *
 * When it is full, it throws rather than forgets: a forgotten key could be used again. A key takes about 110 bytes.
 */
export class MemoryReplayStore implements ReplayStore {
  readonly #generations: ExpiringGenerations<Set<string>>;

  constructor(
    /** Most keys that are kept at a time. */
    private readonly maxEntries: number,
    /** Milliseconds since the epoch. */
    now: () => number,
  ) {
    this.#generations = new ExpiringGenerations(() => new Set<string>(), now);
  }

  insertOnce(key: string, until: number): boolean {
    for (const [, keys] of this.#generations) if (keys.has(key)) return false;
    if (!this.#generations.hasRoom(this.maxEntries)) {
      throw new ReplayStoreFullError(`the store holds ${this.#generations.size} proofs`);
    }
    this.#generations.of(until).add(key);
    return true;
  }
}
