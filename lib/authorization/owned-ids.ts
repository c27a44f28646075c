import { hash } from 'node:crypto';
import { UseOrder, type Link } from './use-order.js';

/** In characters. Of a longer id its SHA-256 is kept, so that what is remembered has a limit in bytes, too. */
const MAX_LENGTH = 256;

function keyOf(id: string): string {
  return id.length > MAX_LENGTH ? `${hash('sha256', id, 'base64url')} of ${id.length}` : id;
}

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

interface Kept<Value> extends OwnedId<Value> {
  readonly amongAll: Link<string>;
  readonly amongOwn: Link<string>;
}

/**
 * Remembers to whom ids belong, in memory. Both limits are kept by forgetting the id that was not used for longest: of
 * the owner who adds one, as long as that owner has any. So an owner pushes out ids of others only where the store is
 * full and the owner has none in it: one id, then.
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
    this.#ids.set(id, { owner, value, amongAll: this.#all.add(id), amongOwn: own.add(id) });
  }

  get(id: string): OwnedId<Value> | undefined {
    return this.#ids.get(keyOf(id));
  }

  /** The same for whoever wants to use the id. Counts as a use if it is the owner; undefined where nothing is remembered. */
  use(id: string, owner: string): OwnedId<Value> | 'of another' | undefined {
    const kept = this.#ids.get(keyOf(id));
    if (!kept) return undefined;
    if (kept.owner !== owner) return 'of another';
    this.#all.use(kept.amongAll);
    this.#owners.get(owner)?.use(kept.amongOwn);
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
    const own = this.#owners.get(kept.owner);
    own?.remove(kept.amongOwn);
    if (own?.size === 0) this.#owners.delete(kept.owner);
  }
}
