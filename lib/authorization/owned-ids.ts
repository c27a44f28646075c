import { hash } from 'node:crypto';
import { UseOrder, type Link } from './use-order.js';

/** In characters. A longer id is stored as its SHA-256, which also limits the bytes in memory. */
const MAX_LENGTH = 256;

function keyOf(id: string): string {
  return id.length > MAX_LENGTH ? `${hash('sha256', id, 'base64url')} of ${id.length}` : id;
}

/** How many ids are remembered at most. */
export interface OwnedIdLimits {
  /** For one owner. */
  readonly perOwner: number;
  /** For all owners together. */
  readonly inAll: number;
}

/** An id that is remembered. */
export interface OwnedId<Value> {
  readonly owner: string;
  readonly value: Value;
}

interface Kept<Value> extends OwnedId<Value> {
  readonly amongAll: Link<string>;
  /** The ids of the owner. */
  readonly own: UseOrder<string>;
  readonly amongOwn: Link<string>;
}

/**
 * Remembers the owner of each id, in memory. When a limit is reached, the least recently used id of the owner who adds one
 * is forgotten. An owner displaces an id of others only if the store is full and the owner has no id in it.
 */
export class OwnedIds<Value> {
  readonly #ids = new Map<string, Kept<Value>>();
  readonly #all = new UseOrder<string>();
  readonly #owners = new Map<string, UseOrder<string>>();

  constructor(private readonly limits: OwnedIdLimits) {}

  /** @param perOwner another limit for this owner. */
  add(given: string, owner: string, value: Value, perOwner = this.limits.perOwner): void {
    const id = keyOf(given);
    this.#delete(id);
    const own = this.#owners.get(owner) ?? new UseOrder();
    const isFull = this.#all.size >= this.limits.inAll;
    const outgoing =
      own.size >= perOwner || (isFull && own.size > 0) ? own.first : isFull ? this.#all.first : undefined;
    if (outgoing !== undefined) this.#delete(outgoing);
    this.#owners.set(owner, own);
    this.#ids.set(id, { owner, value, amongAll: this.#all.add(id), own, amongOwn: own.add(id) });
  }

  get(id: string): OwnedId<Value> | undefined {
    return this.#ids.get(keyOf(id));
  }

  /** The id, for a caller who wants to use it. Counts as a use if the caller owns it; undefined if the id is unknown. */
  use(id: string, owner: string): OwnedId<Value> | 'of another' | undefined {
    const kept = this.#ids.get(keyOf(id));
    if (!kept) return undefined;
    if (kept.owner !== owner) return 'of another';
    this.#all.use(kept.amongAll);
    kept.own.use(kept.amongOwn);
    return kept;
  }

  delete(id: string): void {
    this.#delete(keyOf(id));
  }

  #delete(id: string): void {
    const kept = this.#ids.get(id);
    if (!kept) return;
    this.#ids.delete(id);
    this.#all.remove(kept.amongAll);
    kept.own.remove(kept.amongOwn);
    if (kept.own.size === 0) this.#owners.delete(kept.owner);
  }
}
