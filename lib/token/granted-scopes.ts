import { invalidToken, McpAuthError } from '../core/error.js';
import { deepFreeze } from '../core/deep-freeze.js';
import { isRecord, ownMember } from '../core/record.js';
import { describeError, Plain, typeOf } from '../core/safe-text.js';
import { isScopeToken, parseScope } from '../core/scopes.js';
import {
  SCOPE_CLAIMS,
  type PrincipalNames,
  type ScopeGrant,
  type ScopeRules,
  type ScopesOf,
} from '../core/token-format.js';
import { isEmpty, namedClaim, writtenClaim } from './claims.js';

type Claims = Readonly<Record<string, unknown>>;

/** The names of the claims that contain scopes. */
type ScopeNames = Pick<PrincipalNames, 'scopes' | 'unitesScopes'>;

/** A claim with its name. */
export interface WrittenClaim {
  readonly name: string;
  readonly value: unknown;
}

/**
 * The scopes in claims. A string is split at spaces; a list is read member by member. A value that is not a scope token grants
 * nothing, such as a list member with a space, or an object.
 *
 * @see RFC 9068 §2.2.3, RFC 6749 §3.3; Spring Authorization Server and Duende IdentityServer write a list
 */
export function scopesOf(claims: Claims, names: ScopeNames): string[] {
  return [...new Set(scopeClaims(claims, names).flatMap(({ value }) => scopesIn(value)))];
}

function scopesIn(value: unknown): string[] {
  if (typeof value === 'string') return parseScope(value);
  return Array.isArray(value) ? value.filter(isScopeToken) : [];
}

/** The claims that {@link scopesOf} reads; none if all of them are absent or null. */
export function scopeClaims(claims: Claims, { scopes: names, unitesScopes }: ScopeNames): readonly WrittenClaim[] {
  const written = names
    .map((name) => ({ name, value: writtenClaim(claims, name) }))
    .filter(({ value }) => value !== undefined);
  return unitesScopes === true ? written : decidingClaim(written);
}

/**
 * The claim that decides alone: the first one, even if it is empty. An empty claim says that no scopes were granted: no claim
 * with another meaning replaces it, such as the roles or permissions of the user. `scope` and `scp` have the same meaning: if
 * one is empty, the other is read.
 */
function decidingClaim(written: readonly WrittenClaim[]): readonly WrittenClaim[] {
  const [first] = written;
  if (!first) return [];
  if (!isEmpty(first.value) || !SCOPE_CLAIMS.includes(first.name)) return [first];
  return [written.find(({ name, value }) => SCOPE_CLAIMS.includes(name) && !isEmpty(value)) ?? first];
}

/**
 * All scopes of a verified token: those in its claims, and those that its roles, groups and permissions grant; or else what
 * the function of the application returns for its claims. Call it with verified claims only.
 *
 * @param inClaims the scopes that {@link scopesOf} returned
 * @throws {McpAuthError} `invalid_token` if the function fails, or returns anything but scopes.
 */
export function grantedScopes(
  claims: Claims,
  inClaims: readonly string[],
  { grants, scopesOf: configured }: ScopeRules,
): readonly string[] {
  if (configured) return askedScopes(configured, claims);
  if (grants.length === 0) return inClaims;
  const granted = grants.flatMap(({ claim, scopes }) =>
    valuesOf(claims, claim).flatMap((value) => (ownMember(scopes, value) as readonly string[] | undefined) ?? []),
  );
  return [...new Set([...inClaims, ...granted])];
}

/** The values of a claim that can grant scopes: a text as a whole, or the texts of a list. No other value counts. */
function valuesOf(claims: Claims, name: string): readonly string[] {
  const value = namedClaim(claims, name);
  return (Array.isArray(value) ? value : [value]).filter((one): one is string => typeof one === 'string');
}

/** What a claim with roles holds, for the operator. */
export interface GrantClaim {
  readonly claim: string;
  /** The values that grant scopes. They stand in the options, so the log may show them. */
  readonly granting: readonly string[];
  /** Number of the other texts. */
  readonly others: number;
  /** The type of a value that can grant nothing; undefined for a text, a list and an absent claim. */
  readonly type: string | undefined;
}

/** Describes what a token has in the claim of a grant. */
export function describeGrant(claims: Claims, { claim, scopes }: ScopeGrant): GrantClaim {
  const value = namedClaim(claims, claim);
  const values = valuesOf(claims, claim);
  const granting = values.filter((one) => Object.hasOwn(scopes, one));
  const isReadable = value === undefined || typeof value === 'string' || Array.isArray(value);
  return {
    claim,
    granting,
    others: values.length - granting.length,
    type: isReadable ? undefined : typeOf(value).text,
  };
}

/** Most scopes that a function of the application may return for one token. */
const MAX_SCOPES = 1_000;

function askedScopes(configured: ScopesOf, claims: Claims): readonly string[] {
  let result: unknown;
  try {
    result = configured(deepFreeze(claims));
  } catch (error) {
    if (error instanceof McpAuthError) throw error;
    throw failed({ error: describeError(error) }, error);
  }
  if (typeof result === 'string') return parseScope(result);
  if (Array.isArray(result) && result.length <= MAX_SCOPES && result.every(isScopeToken)) return [...new Set(result)];
  throw failed({ returned: new Plain(describeResult(result)) });
}

function failed(seen: Readonly<Record<string, unknown>>, cause?: unknown): McpAuthError {
  return invalidToken('scopes_of_failed', cause, seen);
}

function describeResult(result: unknown): string {
  if (Array.isArray(result)) {
    return result.length > MAX_SCOPES
      ? `more than ${MAX_SCOPES} scopes`
      : 'a list with a member that is not a scope name';
  }
  return ignoredPromise(result) ? 'a promise' : typeOf(result).text;
}

/** Whether a value is a promise. Handles its rejection, which would otherwise end the process. */
export function ignoredPromise(value: unknown): boolean {
  if (!isRecord(value) || typeof value['then'] !== 'function') return false;
  Promise.resolve(value).catch(() => undefined);
  return true;
}
