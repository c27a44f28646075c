import { LRUCache } from 'lru-cache';

/**
 * Remembers values for a limited time, in the memory of this process. When it is full, it drops the entry that was not used
 * for the longest time: callers must be able to do without any of them. It never returns a value late.
 *
 * Keys hold no secret: what is remembered about a token is kept under its hash. Values are kept as they are, not copied.
 */
export class ExpiringMap<Value> {
  readonly #entries: LRUCache<string, { readonly value: Value; readonly until: number }>;

  constructor(
    /** Most entries that are kept at a time. */
    maxEntries: number,
    /** Milliseconds since the epoch. */
    private readonly now: () => number,
  ) {
    this.#entries = new LRUCache({ max: maxEntries });
  }

  /** Undefined if there is no value, or its time is over. */
  get(key: string): Value | undefined {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    if (this.now() < entry.until) return entry.value;
    this.#entries.delete(key);
    return undefined;
  }

  /**
   * Replaces the value that is there, and its time.
   *
   * @param until from when on the value is gone, in milliseconds since the epoch
   */
  set(key: string, value: Value, until: number): void {
    this.#entries.set(key, { value, until });
  }

  /** Does nothing if there is no value. */
  delete(key: string): void {
    this.#entries.delete(key);
  }
}
