import { invalidToken } from '../core/error.js';
import { isRecord, ownMember as ownClaim } from '../core/record.js';
import { isScopeToken, parseScope } from '../core/scopes.js';
import type { VerifiedToken } from './verifier.js';

type Claims = Readonly<Record<string, unknown>>;

/** A claim of the token itself, never one inherited from a prototype. */
export { ownClaim };

/**
 * The claim of a configured name. A name that begins with a slash is a JSON Pointer to a member of a claim, such as
 * `/realm_access/roles`: a claim's own name may hold dots and slashes, so that no other separator would be safe.
 * Reaches own members of objects only, neither prototypes nor the items of arrays.
 *
 * @see RFC 6901
 */
export function namedClaim(claims: Claims, name: string): unknown {
  if (!name.startsWith('/')) return ownClaim(claims, name);
  let value: unknown = claims;
  for (const token of name.slice(1).split('/')) {
    if (!isRecord(value)) return undefined;
    value = ownClaim(value, token.replaceAll('~1', '/').replaceAll('~0', '~'));
  }
  return value;
}

/** When the token may be used; all in seconds. */
export interface TimeRules {
  /** Allowed difference of clocks, applied once to each comparison. */
  readonly toleranceSeconds: number;
  /** Longest time from now until `exp`. */
  readonly maxLifetimeSeconds: number;
}

/**
 * Checks `exp`, `nbf` and `iat`, and returns `exp`. At `exp` itself the token is dead already.
 *
 * @see RFC 7519 §4.1.4 to §4.1.6. Finite numbers only: `JSON.parse('1e999')` is Infinity, and would never expire.
 */
export function checkTimes(claims: Claims, nowSeconds: number, rules: TimeRules): number {
  const expiresAt = checkTimesPresent(claims, nowSeconds, rules);
  if (expiresAt === undefined) throw invalidToken('expiry_missing');
  return expiresAt;
}

/** The same where `exp` may be absent: for what is not believed for long anyway. */
export function checkTimesPresent(claims: Claims, nowSeconds: number, rules: TimeRules): number | undefined {
  const expiresAt = numericDate(claims, 'exp');
  const notBefore = numericDate(claims, 'nbf');
  const issuedAt = numericDate(claims, 'iat');
  if (expiresAt !== undefined) checkExpiry(expiresAt, nowSeconds, rules);
  const latest = nowSeconds + rules.toleranceSeconds;
  if ((notBefore ?? 0) > latest || (issuedAt ?? 0) > latest) throw invalidToken('not_yet_valid');
  return expiresAt;
}

function checkExpiry(expiresAt: number, nowSeconds: number, rules: TimeRules): void {
  if (nowSeconds - rules.toleranceSeconds >= expiresAt) throw invalidToken('expired');
  if (expiresAt - nowSeconds > rules.maxLifetimeSeconds + rules.toleranceSeconds) {
    throw invalidToken('lifetime_too_long');
  }
}

function numericDate(claims: Claims, name: string): number | undefined {
  const value = ownClaim(claims, name);
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) throw invalidToken('time_malformed');
  return value;
}

/**
 * Checks that the token was issued for this resource: one of the accepted values is, whole and code point by code
 * point, the audience claim or a member of it. No prefixes, no normalisation.
 *
 * @param names of the audience claim, `aud` for all but a few products; the first one present decides, alone.
 * @see RFC 9068 §4, RFC 8707 §2
 */
export function checkAudience(
  claims: Claims,
  accepted: ReadonlySet<string>,
  names: readonly string[] = ['aud'],
): string[] {
  const value = audienceClaim(claims, names);
  if (value === undefined || value === null) throw invalidToken('audience_missing');
  const audience = typeof value === 'string' ? [value] : value;
  if (!Array.isArray(audience) || !audience.every((member) => typeof member === 'string')) {
    throw invalidToken('claim_malformed');
  }
  if (audience.length === 0) throw invalidToken('audience_missing');
  if (!audience.some((member) => accepted.has(member))) throw invalidToken('audience_rejected');
  return audience;
}

/** The first of the named claims that is present, whatever it holds. */
export function audienceClaim(claims: Claims, names: readonly string[]): unknown {
  return names.map((name) => namedClaim(claims, name)).find((claim) => claim !== undefined);
}

/**
 * Names of the claims where an authorization server puts scopes, client, subject and audience, as {@link namedClaim}
 * reads them; the first one present counts.
 */
export interface ClaimNames extends PrincipalNames {
  readonly audience: readonly string[];
}

/** Where servers name the client: as RFC 9068 has it, and as products did before. */
export const CLIENT_ID_CLAIMS: readonly string[] = ['client_id', 'azp', 'cid', 'appid'];

export interface PrincipalNames {
  readonly scopes: readonly string[];
  readonly clientId: readonly string[];
  readonly subject: readonly string[];
}

/**
 * The granted scopes. A string is split at spaces; an array, which only a claim named in the configuration may be,
 * is taken member by member. What is no scope token grants nothing.
 *
 * @see RFC 9068 §2.2.3, RFC 6749 §3.3
 */
export function scopesOf(claims: Claims, { scopes: names }: PrincipalNames): string[] {
  for (const name of names) {
    const value = namedClaim(claims, name);
    if (typeof value === 'string') return parseScope(value);
    if (Array.isArray(value) && name !== 'scope') return [...new Set(value.filter(isScopeToken))];
  }
  return [];
}

/** Who the token speaks for, and what it was granted. It must name a subject or a client. */
export function identify(claims: Claims, names: PrincipalNames): Pick<VerifiedToken, 'subject' | 'clientId' | 'scopes'> {
  const subject = stringClaim(claims, names.subject);
  const clientId = stringClaim(claims, names.clientId);
  if (subject === undefined && clientId === undefined) throw invalidToken('no_principal');
  return { subject, clientId, scopes: scopesOf(claims, names) };
}

/** The first of the named claims that is present; it must be a non-empty string. */
export function stringClaim(claims: Claims, names: readonly string[]): string | undefined {
  for (const name of names) {
    const value = namedClaim(claims, name);
    if (value === undefined) continue;
    if (typeof value !== 'string' || value === '') throw invalidToken('claim_malformed');
    return value;
  }
  return undefined;
}
