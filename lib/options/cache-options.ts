import type { OptionReader, ReadersOf } from './option-reader.js';

/** How many verified tokens are cached, and for how long. */
export interface CacheOptions {
  /** Most tokens that are cached for each resource, 1 to 1,000,000. @default 10000 */
  maxEntries?: number;
  /**
   * Longest time for which a token is not verified again, in seconds, 1 to 3600. A token is never reused after its `exp`, or
   * once its key is known to be withdrawn.
   * @default 300
   */
  ttlSeconds?: number;
}

/** How long verification results are reused. */
export interface ResolvedCache {
  readonly maxEntries: number;
  /** For verified JWTs; 0 turns it off. */
  readonly jwtSeconds: number;
  /** For results of a verifier of the application; 0 turns it off. */
  readonly customSeconds: number;
}

export const CACHE_OPTIONS = {
  maxEntries: (option) => option.number(10_000, 1, 1_000_000),
  ttlSeconds: (option) => option.seconds(300, 1, 3_600),
} satisfies ReadersOf<CacheOptions>;

/** The cache settings. `false` turns the cache off. Results of a custom verifier are cached only if the option is set. */
export function readCache(option: OptionReader): ResolvedCache {
  if (option.value === false) return { ...readCache(option.withValue(undefined)), jwtSeconds: 0 };
  const { maxEntries, ttlSeconds } = option.section(CACHE_OPTIONS);
  return { maxEntries, jwtSeconds: ttlSeconds, customSeconds: option.isGiven ? ttlSeconds : 0 };
}
