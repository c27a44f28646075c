import type { MaybePromise } from '../core/maybe-promise.js';
import type { VerifiedToken } from '../core/token-verifier.js';

/** A verified token, and how long the result may be reused. */
export interface Verification {
  readonly token: VerifiedToken;
  /** When the token must be verified again, in milliseconds since the epoch. It is never used after its `exp`. */
  readonly reusableUntil: number;
  /**
   * Whether the result is still current: for example, whether its issuer still publishes the key. Cheap; called before every
   * reuse.
   */
  readonly isCurrent: () => boolean;
}

/**
 * Verifies tokens for one resource, and says how long the result may be reused. `CachedVerifier` caches the results.
 *
 * Throws, or rejects with, what `TokenVerifier` throws.
 */
export abstract class CacheableVerifier {
  abstract verify(token: string): MaybePromise<Verification>;
}
