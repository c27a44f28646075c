/** How many ids are remembered at most. */
export interface OwnedIdLimits {
  /** Of one owner. */
  readonly perOwner: number;
  /** Of all owners together. */
  readonly inAll: number;
}

/** An id that is remembered. */
export interface OwnedId<Value> {
  readonly owner: string;
  readonly value: Value;
}

/**
 * Remembers to whom ids belong, in memory. Both limits are kept by forgetting the id that was not used for longest: of
 * the owner who adds one, as long as that owner has any. So an owner pushes out ids of others only where the store is
 * full and the owner has none in it: one id, then.
 */
export class OwnedIds<Value> {
  /** In the order of their last use, the oldest first. */
  readonly #ids = new Map<string, OwnedId<Value>>();
  readonly #byOwner = new Map<string, Set<string>>();

  constructor(private readonly limits: OwnedIdLimits) {}

  /** @param perOwner another limit for this owner. */
  add(id: string, owner: string, value: Value, perOwner = this.limits.perOwner): void {
    this.delete(id);
    const own = this.#byOwner.get(owner) ?? new Set();
    if (own.size >= perOwner || (own.size > 0 && this.#ids.size >= this.limits.inAll)) this.#deleteFirst(own);
    else if (this.#ids.size >= this.limits.inAll) this.#deleteFirst(this.#ids);
    this.#ids.set(id, { owner, value });
    this.#byOwner.set(owner, own.add(id));
  }

  get(id: string): OwnedId<Value> | undefined {
    return this.#ids.get(id);
  }

  /** Counts as a use of the id, where it is remembered. */
  touch(id: string): void {
    const kept = this.#ids.get(id);
    if (!kept) return;
    this.#ids.delete(id);
    this.#ids.set(id, kept);
    const own = this.#byOwner.get(kept.owner);
    own?.delete(id);
    own?.add(id);
  }

  delete(id: string): void {
    const kept = this.#ids.get(id);
    if (!kept) return;
    this.#ids.delete(id);
    const own = this.#byOwner.get(kept.owner);
    own?.delete(id);
    if (own?.size === 0) this.#byOwner.delete(kept.owner);
  }

  #deleteFirst(ids: ReadonlyMap<string, unknown> | ReadonlySet<string>): void {
    for (const id of ids.keys()) {
      this.delete(id);
      return;
    }
  }
}
