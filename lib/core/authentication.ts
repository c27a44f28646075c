import { ownMember } from './record.js';

/** How, and how recently, the user must have signed in. */
export interface AuthenticationRequirement {
  /** Acceptable authentication context classes, in order of preference; empty: any. */
  readonly acr: readonly string[];
  /** Greatest age of the authentication, in whole seconds; undefined: any. */
  readonly maxAgeSeconds: number | undefined;
}

type Claims = Readonly<Record<string, unknown>>;

/**
 * Whether the claims show a sign-in that meets the requirement. A missing, malformed or future claim does not meet it.
 * Does NOT use `iat`: refreshing a token is not a sign-in.
 *
 * @param toleranceSeconds allowed clock difference
 * @see RFC 9470 §3 and §6
 */
export function meetsAuthentication(
  { acr, maxAgeSeconds }: AuthenticationRequirement,
  claims: Claims,
  nowSeconds: number,
  toleranceSeconds: number,
): boolean {
  const context = ownMember(claims, 'acr');
  if (acr.length > 0 && !(typeof context === 'string' && acr.includes(context))) return false;
  if (maxAgeSeconds === undefined) return true;
  const time = ownMember(claims, 'auth_time');
  if (typeof time !== 'number' || !Number.isFinite(time)) return false;
  const age = nowSeconds - time;
  return age >= -toleranceSeconds && age <= maxAgeSeconds + toleranceSeconds;
}

/**
 * Combines requirements for one challenge: the shortest age, and the classes of the last requirement that names any.
 */
export function strictest(requirements: readonly AuthenticationRequirement[]): AuthenticationRequirement {
  const ages = requirements.flatMap(({ maxAgeSeconds }) => maxAgeSeconds ?? []);
  return {
    acr: requirements.findLast(({ acr }) => acr.length > 0)?.acr ?? [],
    maxAgeSeconds: ages.length > 0 ? Math.min(...ages) : undefined,
  };
}
