import { KeyObject } from 'node:crypto';
import type { CryptoKey, JWK, JSONWebKeySet } from 'jose';
import * as errors from 'jose/errors';
import { createLocalJWKSet } from 'jose/jwks/local';
import { isRecord } from '../core/record.js';
import type { KeyHint } from './key-set.js';

/** The keys of one fetch, or of the options. Imports each key when it is first needed. */
export class PublishedKeys {
  readonly #text: string;
  readonly #kids: ReadonlySet<unknown>;
  readonly #find: ReturnType<typeof createLocalJWKSet>;
  readonly #handedOut = new WeakSet<CryptoKey>();
  /** Selections that found a key, by algorithm and `kid`. There are at most as many as keys. */
  readonly #selections = new Map<string, Map<string | undefined, readonly CryptoKey[]>>();

  /** @throws {errors.JWKSInvalid} when the value is not a key set. A single malformed key does not affect the others. */
  constructor(jwks: JSONWebKeySet) {
    this.#text = JSON.stringify(jwks.keys);
    // jose refuses the whole set if one member is not an object.
    const keys = jwks.keys.filter(isRecord);
    this.#kids = new Set(keys.map(({ kid }) => kid));
    this.#find = createLocalJWKSet({ keys: keys.map(forVerification) });
  }

  /** Whether a key set has the same content as this one. */
  isOf({ keys }: JSONWebKeySet): boolean {
    return JSON.stringify(keys) === this.#text;
  }

  has(key: CryptoKey): boolean {
    return this.#handedOut.has(key);
  }

  /** Whether some key has that `kid`, usable or not. */
  names(kid: string): boolean {
    return this.#kids.has(kid);
  }

  /** The keys that {@link select} found before for such a header; undefined if it found none yet. */
  cachedSelection({ alg, kid }: KeyHint): readonly CryptoKey[] | undefined {
    return this.#selections.get(alg)?.get(kid);
  }

  async select(hint: KeyHint): Promise<readonly CryptoKey[]> {
    const keys = await this.#candidates(hint);
    for (const key of keys) this.#handedOut.add(key);
    if (keys.length > 0) this.#remember(hint, keys);
    return keys;
  }

  #remember({ alg, kid }: KeyHint, keys: readonly CryptoKey[]): void {
    const ofAlgorithm = this.#selections.get(alg) ?? new Map<string | undefined, readonly CryptoKey[]>();
    this.#selections.set(alg, ofAlgorithm.set(kid, keys));
  }

  async #candidates({ alg, kid }: KeyHint): Promise<readonly CryptoKey[]> {
    try {
      return [await this.#find({ alg, ...(kid !== undefined && { kid }) })];
    } catch (error) {
      if (!(error instanceof errors.JWKSMultipleMatchingKeys)) return [];
      const keys: CryptoKey[] = [];
      for await (const key of error) keys.push(key);
      return keys;
    }
  }
}

/**
 * Reduces `key_ops` to `verify`. Vaults also list the operations of the private key, and Web Crypto then refuses the public
 * key.
 */
function forVerification(jwk: JWK): JWK {
  const verifies = Array.isArray(jwk.key_ops) && jwk.key_ops.includes('verify');
  return verifies ? { ...jwk, key_ops: ['verify'] } : jwk;
}

/** Whether two keys have the same material: after a change of any key, all keys of the set are imported again. */
export function isSameKey(one: CryptoKey, other: CryptoKey): boolean {
  return one === other || KeyObject.from(one as never).equals(KeyObject.from(other as never));
}
