import { LRUCache } from 'lru-cache';
import { ExpiringStore } from './expiring-store.js';

/**
 * In the memory of this process. When it is full, the entry goes that was not used for the longest time. Values are
 * kept as they are, not copied.
 */
export class ExpiringMap<Value> extends ExpiringStore<Value> {
  readonly #entries: LRUCache<string, { readonly value: Value; readonly until: number }>;

  constructor(
    /** Most entries that are kept at a time. */
    maxEntries: number,
    /** Milliseconds since the epoch. */
    private readonly now: () => number,
  ) {
    super();
    this.#entries = new LRUCache({ max: maxEntries });
  }

  override async get(key: string): Promise<Value | undefined> {
    return this.recall(key);
  }

  /** What `get` promises, at once. */
  recall(key: string): Value | undefined {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    if (this.now() < entry.until) return entry.value;
    this.#entries.delete(key);
    return undefined;
  }

  override async set(key: string, value: Value, until: number): Promise<void> {
    this.#entries.set(key, { value, until });
  }

  override async delete(key: string): Promise<void> {
    this.forget(key);
  }

  /** What `delete` promises, at once. */
  forget(key: string): void {
    this.#entries.delete(key);
  }
}
