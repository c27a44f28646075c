import { deepFreeze } from '../core/deep-freeze.js';
import type { MaybePromise } from '../core/maybe-promise.js';
import type { ExpiringStore } from './expiring-map.js';
import { SingleFlight } from './single-flight.js';
import { tokenHash } from '../issuer/token-hash.js';
import type { CacheableVerifier, Verification } from './verification.js';
import type { VerifiedToken } from '../core/token-verifier.js';

/** A remembered verification. Kept in this process only: a writer to this cache could decide who the caller is. */
export interface RememberedVerification extends Verification {
  /** When the verification began, in milliseconds since the epoch. */
  readonly since: number;
}

/**
 * Verifies the tokens for one resource. Remembers a verified token for as long as its verification may be reused, which may be
 * not at all, and verifies a token once for all concurrent requests. Refusals are not remembered.
 *
 * A remembered token is used only before its `exp`. In the clock tolerance after `exp`, it is verified each time, so every time
 * rule stays in the verifier. It is not used either once its issuer no longer publishes the key that verified it, or if the
 * clock was set back to before its verification.
 */
export class CachedVerifier {
  readonly #flights = new SingleFlight<VerifiedToken>();

  constructor(
    private readonly verifier: CacheableVerifier,
    private readonly store: ExpiringStore<RememberedVerification>,
    /** Milliseconds since the epoch. */
    private readonly now: () => number,
  ) {}

  /**
   * Returns without a promise if the token is remembered. Throws, or rejects with, what `TokenVerifier` throws.
   *
   * @param credential the object with the token, if several requests share it. The token is hashed once for each.
   */
  verify(token: string, credential?: object): MaybePromise<VerifiedToken> {
    const key = credential ? hashIn(credential, token) : tokenHash(token);
    const known = this.store.get(key);
    if (known && this.now() >= known.since && known.isCurrent()) return known.token;
    if (known) this.store.delete(key);
    return this.#flights.run(key, () => this.#verify(key, token));
  }

  async #verify(key: string, token: string): Promise<VerifiedToken> {
    const since = this.now();
    const verification = await this.verifier.verify(token);
    deepFreeze(verification.token);
    const until = Math.min(verification.reusableUntil, verification.token.expiresAt * 1000);
    if (this.now() < until) this.store.set(key, { ...verification, since }, until);
    return verification.token;
  }
}

/** The hashes of the tokens in credentials. */
const hashes = new WeakMap<object, string>();

function hashIn(credential: object, token: string): string {
  const known = hashes.get(credential);
  if (known !== undefined) return known;
  const hash = tokenHash(token);
  hashes.set(credential, hash);
  return hash;
}
