import type { MaybePromise } from '../core/maybe-promise.js';
import type { VerifiedToken } from '../core/token-verifier.js';

/** A verified token, and how long that holds without verifying it again. */
export interface Verification {
  readonly token: VerifiedToken;
  /** From when on it must be verified again, in milliseconds since the epoch; it is never used past its `exp`. */
  readonly reusableUntil: number;
  /** Whether what it rests on still stands, such as the key that verified it. Cheap; asked before every reuse. */
  readonly isCurrent: () => boolean;
}

/**
 * Verifies tokens for one resource, and says how long the result holds. What the cache stands in front of.
 *
 * It throws, or rejects with, what `TokenVerifier` throws.
 */
export abstract class CacheableVerifier {
  abstract verify(token: string): MaybePromise<Verification>;
}
