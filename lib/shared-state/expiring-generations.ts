/** For how long entries are kept together, in milliseconds. */
const GENERATION_MS = 60_000;

/**
 * Keeps entries by the minute in which they expire, and forgets those of a minute together, up to a minute late. So an entry takes no
 * memory for its own time, and forgetting costs nothing for each entry.
 */
export class ExpiringGenerations<Entries extends { readonly size: number }> {
  /** By the end of the minute, in milliseconds since the epoch. In the millisecond of its end, a generation still counts. */
  readonly #generations = new Map<number, Entries>();

  constructor(
    private readonly create: () => Entries,
    /** Milliseconds since the epoch. */
    private readonly now: () => number,
  ) {}

  /** How many entries there are, those included that ended and are not forgotten yet. */
  get size(): number {
    let size = 0;
    for (const entries of this.#generations.values()) size += entries.size;
    return size;
  }

  /** All that are not forgotten yet, with the end of each. */
  [Symbol.iterator](): IterableIterator<[end: number, entries: Entries]> {
    return this.#generations.entries();
  }

  /** The generation for entries that expire then, in milliseconds since the epoch. A new one makes the ended ones forgotten. */
  of(until: number): Entries {
    const end = Math.ceil(until / GENERATION_MS) * GENERATION_MS;
    const known = this.#generations.get(end);
    if (known) return known;
    this.#forgetEnded();
    const created = this.create();
    this.#generations.set(end, created);
    return created;
  }

  /** Whether there are fewer entries than that, if need be once the ended ones are forgotten. */
  hasRoom(maxEntries: number): boolean {
    if (this.size < maxEntries) return true;
    this.#forgetEnded();
    return this.size < maxEntries;
  }

  #forgetEnded(): void {
    const now = this.now();
    for (const end of this.#generations.keys()) if (end < now) this.#generations.delete(end);
  }
}
