import { LRUCache } from 'lru-cache';

/** Where values are remembered for a limited time. */
export interface ExpiringStore<Value> {
  /** Returns undefined if there is no value, or if it has expired. */
  get(key: string): Value | undefined;
  /** @param until when the value expires, in milliseconds since the epoch */
  set(key: string, value: Value, until: number): void;
  delete(key: string): void;
}

/** A part of a store: its keys are never those of another part. All parts share the limit of the store. */
export class StorePart<Value> implements ExpiringStore<Value> {
  constructor(
    private readonly store: ExpiringStore<Value>,
    /** A name that no other part has, without spaces. */
    private readonly name: string,
  ) {}

  get(key: string): Value | undefined {
    return this.store.get(`${this.name} ${key}`);
  }

  set(key: string, value: Value, until: number): void {
    this.store.set(`${this.name} ${key}`, value, until);
  }

  delete(key: string): void {
    this.store.delete(`${this.name} ${key}`);
  }
}

/**
 * Remembers values for a limited time, in the memory of this process. When it is full, it drops the least recently used entry:
 * callers must not depend on any entry. It never returns an expired value.
 *
 * Keys hold no secret: what is remembered about a token is stored under its hash. Values are stored as they are, not copied.
 */
export class ExpiringMap<Value> implements ExpiringStore<Value> {
  readonly #entries: LRUCache<string, { readonly value: Value; readonly until: number }>;

  constructor(
    /** Most entries that are kept at a time. */
    maxEntries: number,
    /** Milliseconds since the epoch. */
    private readonly now: () => number,
  ) {
    this.#entries = new LRUCache({ max: maxEntries });
  }

  /** Returns undefined if there is no value, or if it has expired. */
  get(key: string): Value | undefined {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    if (this.now() < entry.until) return entry.value;
    this.#entries.delete(key);
    return undefined;
  }

  /**
   * Replaces the value and its expiry.
   *
   * @param until when the value expires, in milliseconds since the epoch
   */
  set(key: string, value: Value, until: number): void {
    this.#entries.set(key, { value, until });
  }

  /** Does nothing if there is no value. */
  delete(key: string): void {
    this.#entries.delete(key);
  }
}
