import { deepFreeze } from '../core/deep-freeze.js';
import type { MaybePromise } from '../core/maybe-promise.js';
import type { ExpiringMap } from './expiring-map.js';
import { SingleFlight } from './single-flight.js';
import { tokenHash } from '../issuer/token-hash.js';
import type { CacheableVerifier, Verification } from './verification.js';
import type { VerifiedToken } from '../core/token-verifier.js';

/** A verification that was remembered; kept in this process only, since whoever can write it says who the caller is. */
export interface RememberedVerification extends Verification {
  /** When it began, in milliseconds since the epoch. */
  readonly since: number;
}

/**
 * Verifies the tokens that come to one resource. Remembers verified tokens for as long as their verification holds, which may
 * be not at all, and verifies a token once for all who present it at the same time. Refusals are not remembered.
 *
 * A remembered token is used only before its `exp`; in the tolerance for clocks that follows it, it is verified anew
 * each time. So every time rule stays where it is, in the verifier. Nor is it used once the key that verified it has
 * left the keys of its issuer, or if the clock was set back to before it was verified.
 */
export class CachedVerifier {
  readonly #flights = new SingleFlight<VerifiedToken>();

  constructor(
    private readonly verifier: CacheableVerifier,
    private readonly store: ExpiringMap<RememberedVerification>,
    /** Milliseconds since the epoch. */
    private readonly now: () => number,
  ) {}

  /** Without a promise if the token is remembered. Throws, or rejects with, what `TokenVerifier` throws. */
  verify(token: string): MaybePromise<VerifiedToken> {
    const key = tokenHash(token);
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
