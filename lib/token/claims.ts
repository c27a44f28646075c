import { invalidToken, type McpAuthError } from '../core/error.js';
import { isRecord, ownMember as ownClaim } from '../core/record.js';
import { typeOf } from '../core/safe-text.js';

type Claims = Readonly<Record<string, unknown>>;

/** A claim of the token itself, never one inherited from a prototype. */
export { ownClaim };

/**
 * A claim of the token itself; undefined if it is absent or empty. Serialisers write a member without a value as null, an empty
 * string or an empty list: each means the same as an absent member. Every rule about claims reads them through this function.
 */
export function statedClaim(claims: Claims, name: string): unknown {
  const value = ownClaim(claims, name);
  return isEmpty(value) ? undefined : value;
}

/** Whether a value means the same as an absent member. */
export function isEmpty(value: unknown): boolean {
  return value === null || value === '' || (Array.isArray(value) && value.length === 0);
}

/**
 * The claim with a configured name; undefined if it is absent or empty. A name that begins with a slash is a JSON Pointer to a
 * member of a claim, such as `/realm_access/roles`: names of claims may contain dots and slashes, so no other separator would
 * be safe. Reads own members of objects only, neither prototypes nor items of arrays.
 *
 * @see RFC 6901
 */
export function namedClaim(claims: Claims, name: string): unknown {
  const value = writtenClaim(claims, name);
  return isEmpty(value) ? undefined : value;
}

/** The claim with a configured name, even if it is empty; undefined if it is null or absent. */
export function writtenClaim(claims: Claims, name: string): unknown {
  if (!name.startsWith('/')) return ownClaim(claims, name) ?? undefined;
  let value: unknown = claims;
  for (const token of name.slice(1).split('/')) {
    if (!isRecord(value)) return undefined;
    value = ownClaim(value, token.replaceAll('~1', '/').replaceAll('~0', '~'));
  }
  return value ?? undefined;
}

/** Limits on the times in a token; all in seconds. */
export interface TimeRules {
  /** Allowed clock skew, applied once to each comparison of `exp` and `nbf`. */
  readonly toleranceSeconds: number;
  /** Longest time from now until `exp`. */
  readonly maxLifetimeSeconds: number;
}

/** What a token must meet at one resource. */
export interface AcceptanceRules extends TimeRules {
  /** Accepted audiences; never empty. */
  readonly audiences: ReadonlySet<string>;
  /** The members of `cnf` by which tokens may be bound to a key. That the sender holds the key is checked elsewhere. */
  readonly bindings: ReadonlySet<string>;
}

/** What a token must meet, and how long its verification may be reused. */
export interface ReuseRules extends AcceptanceRules {
  /** How long a verified token is not verified again; 0: it is verified each time. */
  readonly reuseSeconds: number;
}

/**
 * Most seconds that `iat` may lie in the future. RFC 7519 §4.1.6 has no rule for it, and `nbf` is the claim that says when a
 * token becomes valid. But only a broken clock or a forger writes an `iat` far in the future.
 */
const MAX_ISSUED_AHEAD_SECONDS = 300;

/**
 * Checks `exp`, `nbf` and `iat`, and returns `exp`. A token has expired at `exp` itself.
 *
 * @see RFC 7519 §4.1.4 to §4.1.6. Finite numbers only: `JSON.parse('1e999')` is Infinity, and would never expire.
 */
export function checkTimes(claims: Claims, nowSeconds: number, rules: TimeRules): number {
  const expiresAt = checkTimesPresent(claims, nowSeconds, rules);
  if (expiresAt === undefined) throw invalidToken('expiry_missing');
  return expiresAt;
}

/**
 * Checks the times that are present, and returns `exp`. Call it only for answers that are used for a short time: `exp` may be
 * absent.
 */
export function checkTimesPresent(claims: Claims, nowSeconds: number, rules: TimeRules): number | undefined {
  const expiresAt = numericDate(claims, 'exp');
  const notBefore = numericDate(claims, 'nbf');
  const issuedAt = numericDate(claims, 'iat');
  if (expiresAt !== undefined) checkExpiry(expiresAt, nowSeconds, rules);
  checkBegun('nbf', notBefore, nowSeconds, rules.toleranceSeconds);
  checkBegun('iat', issuedAt, nowSeconds, MAX_ISSUED_AHEAD_SECONDS);
  return expiresAt;
}

function checkExpiry(expiresAt: number, nowSeconds: number, rules: TimeRules): void {
  const seen = { exp: Math.round(expiresAt - nowSeconds) };
  if (nowSeconds - rules.toleranceSeconds >= expiresAt) throw invalidToken('expired', undefined, seen);
  if (expiresAt - nowSeconds > rules.maxLifetimeSeconds + rules.toleranceSeconds) {
    throw invalidToken('lifetime_too_long', undefined, seen);
  }
}

function checkBegun(name: string, time: number | undefined, nowSeconds: number, allowedSeconds: number): void {
  if (time === undefined || time <= nowSeconds + allowedSeconds) return;
  throw invalidToken('not_yet_valid', undefined, { [name]: Math.round(time - nowSeconds) });
}

function numericDate(claims: Claims, name: string): number | undefined {
  const value = statedClaim(claims, name);
  if (value === undefined) return undefined;
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value;
  throw invalidToken('time_malformed', undefined, { [name]: typeof value === 'number' ? value : typeOf(value) });
}

/** The refusal of a claim with an unusable type; names the claim and the type. */
export function malformedClaim(name: string, value: unknown, cause?: unknown): McpAuthError {
  return invalidToken('claim_malformed', cause, { [name]: typeOf(value) });
}

/**
 * Checks that the token was issued for this resource: one accepted value must equal the audience claim or a member of it, code
 * point by code point. No prefixes, no normalisation.
 *
 * @param names of the audience claim: `aud` for all but a few products. The first one present decides alone.
 * @see RFC 9068 §4, RFC 8707 §2
 */
export function checkAudience(
  claims: Claims,
  accepted: ReadonlySet<string>,
  names: readonly string[] = ['aud'],
): string[] {
  const claim = firstStated(claims, names);
  if (!claim) throw invalidToken('audience_missing');
  const audience = typeof claim.value === 'string' ? [claim.value] : claim.value;
  if (!Array.isArray(audience) || !audience.every((member) => typeof member === 'string')) {
    throw malformedClaim(claim.name, claim.value);
  }
  if (!audience.some((member) => accepted.has(member))) throw invalidToken('audience_rejected');
  return audience;
}

/** The first of the named claims that is not empty, with its name. */
export function firstStated(
  claims: Claims,
  names: readonly string[],
): { readonly name: string; readonly value: unknown } | undefined {
  for (const name of names) {
    const value = namedClaim(claims, name);
    if (value !== undefined) return { name, value };
  }
  return undefined;
}

/** The first of the named claims that is not empty; it must be a string. */
export function stringClaim(claims: Claims, names: readonly string[]): string | undefined {
  const claim = firstStated(claims, names);
  if (!claim) return undefined;
  if (typeof claim.value !== 'string') throw malformedClaim(claim.name, claim.value);
  return claim.value;
}
