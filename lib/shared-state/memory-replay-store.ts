import type { ReplayStore } from './replay-store.js';

/** The store is full: it cannot remember another key, so it cannot decide about one. */
export class ReplayStoreFullError extends Error {
  override readonly name = 'ReplayStoreFullError';
}

/** For how long keys are kept together, in milliseconds. They are forgotten together, too, up to this much late. */
const GENERATION_MS = 60_000;

/**
 * Remembers keys in the memory of this process. Replicas do NOT share it: each accepts the same proof once.
 *
 * When it is full, it throws rather than forgets: a forgotten key could be used again. A key takes about 110 bytes.
 */
export class MemoryReplayStore implements ReplayStore {
  /** The keys by the end of the generation in which the last of them may be forgotten. */
  readonly #generations = new Map<number, Set<string>>();
  #size = 0;

  constructor(
    /** Most keys that are kept at a time. */
    private readonly maxEntries: number,
    /** Milliseconds since the epoch. */
    private readonly now: () => number,
  ) {}

  insertOnce(key: string, until: number): boolean {
    for (const keys of this.#generations.values()) if (keys.has(key)) return false;
    if (this.#size >= this.maxEntries) this.#forget();
    if (this.#size >= this.maxEntries) throw new ReplayStoreFullError(`the store holds ${this.#size} proofs`);
    this.#generationOf(until).add(key);
    this.#size += 1;
    return true;
  }

  #generationOf(until: number): Set<string> {
    const end = Math.ceil(until / GENERATION_MS) * GENERATION_MS;
    const known = this.#generations.get(end);
    if (known) return known;
    this.#forget();
    const created = new Set<string>();
    this.#generations.set(end, created);
    return created;
  }

  #forget(): void {
    const now = this.now();
    for (const [end, keys] of this.#generations) {
      if (end >= now) continue;
      this.#generations.delete(end);
      this.#size -= keys.size;
    }
  }
}
