import type { CryptoKey, JSONWebKeySet } from 'jose';
import type { MaybePromise } from '../core/maybe-promise.js';
import { KeySet, type KeyHint } from './key-set.js';
import { PublishedKeys } from './published-keys.js';

/** Keys from the options. Opens no connection. */
export class StaticKeySet extends KeySet {
  readonly #keys: PublishedKeys;

  constructor(jwks: JSONWebKeySet) {
    super();
    this.#keys = new PublishedKeys(jwks);
  }

  override candidates(hint: KeyHint): MaybePromise<readonly CryptoKey[]> {
    return this.#keys.cachedSelection(hint) ?? this.#keys.select(hint);
  }

  override async replacements(): Promise<readonly CryptoKey[]> {
    return [];
  }

  override async warmUp(): Promise<void> {}

  override isPublished(key: CryptoKey): boolean {
    return this.#keys.has(key);
  }
}
