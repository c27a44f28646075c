import type { OptionReader, ReadersOf } from './option-reader.js';

/** How verified tokens are remembered. */
export interface CacheOptions {
  /** Most tokens that are remembered for each resource, 1 to 1,000,000. @default 10000 */
  maxEntries?: number;
  /**
   * Longest time a verified token is reused without verifying it again, in seconds, 1 to 3600; never past its `exp`, and not
   * once its key is known to be withdrawn.
   * @default 300
   */
  ttlSeconds?: number;
}

/** How long verification results are reused. */
export interface ResolvedCache {
  readonly maxEntries: number;
  /** How long a verified JWT is reused; 0: not at all. */
  readonly jwtSeconds: number;
  /** The same for results of a verifier of the application. */
  readonly customSeconds: number;
}

export const CACHE_OPTIONS = {
  maxEntries: (option) => option.number(10_000, 1, 1_000_000),
  ttlSeconds: (option) => option.seconds(300, 1, 3_600),
} satisfies ReadersOf<CacheOptions>;

/** `false` turns it off. Results of a verifier of the application are reused only where the option is given. */
export function readCache(option: OptionReader): ResolvedCache {
  if (option.value === false) return { ...readCache(option.withValue(undefined)), jwtSeconds: 0 };
  const { maxEntries, ttlSeconds } = option.section(CACHE_OPTIONS);
  return { maxEntries, jwtSeconds: ttlSeconds, customSeconds: option.isGiven ? ttlSeconds : 0 };
}
