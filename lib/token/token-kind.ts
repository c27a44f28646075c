import type { JwtProfile } from '../core/token-format.js';
import { invalidToken, type McpAuthError } from '../core/error.js';
import { isRecord } from '../core/record.js';
import { Plain, typeOf } from '../core/safe-text.js';
import { malformedClaim, ownClaim, statedClaim } from './claims.js';

type Members = Readonly<Record<string, unknown>>;

const ACCESS_TOKEN_TYPES: ReadonlySet<unknown> = new Set(['at+jwt', 'application/at+jwt']);

/** Claims that mark ID tokens, logout tokens, introspection responses, DPoP proofs and request objects. */
const FOREIGN_CLAIMS = [
  'nonce',
  'at_hash',
  'c_hash',
  's_hash',
  'events',
  'token_introspection',
  'htm',
  'htu',
  // Request objects were signed without a type for years (RFC 9101 §10.8), and may name client and scopes.
  'response_type',
];

const REQUIRED_CLAIMS = ['sub', 'client_id', 'iat', 'jti'];

/** The required claims that must be strings, whatever claim names are configured; times are checked elsewhere. */
const REQUIRED_TEXTS = ['sub', 'client_id', 'jti'];

/** Whether the `typ` of a header declares an access token (RFC 9068 §2.1). */
export function isDeclaredAccessToken(header: Members): boolean {
  return ACCESS_TOKEN_TYPES.has(declaredType(header));
}

/** The `typ` of a header in lower case: media types are case-insensitive (RFC 7515 §4.1.9). */
function declaredType(header: Members): unknown {
  const type = ownClaim(header, 'typ');
  return typeof type === 'string' ? type.toLowerCase() : type;
}

/**
 * Refuses a JWT of the same issuer that is not an access token. Without this check, an attacker with an ID token or a client
 * assertion could use it here.
 *
 * @see RFC 9068 §4 and §2.2; RFC 8725 §3.11 and §3.12
 */
export function checkKind(header: Members, claims: Members, profile: JwtProfile): void {
  if (!isDeclaredAccessToken(header)) {
    const type = declaredType(header);
    if (profile === 'rfc9068' || (type !== undefined && type !== 'jwt')) throw invalidToken('type_rejected');
    return checkUndeclared(claims);
  }
  if (profile === 'rfc9068') checkRequired(claims);
  checkNothingForeign(claims);
}

function checkRequired(claims: Members): void {
  const missing = REQUIRED_CLAIMS.filter((claim) => statedClaim(claims, claim) === undefined);
  if (missing.length > 0) throw invalidToken('claim_missing', undefined, { missing });
  const malformed = REQUIRED_TEXTS.find((claim) => typeof statedClaim(claims, claim) !== 'string');
  if (malformed !== undefined) throw malformedClaim(malformed, ownClaim(claims, malformed));
}

/**
 * Refuses a JWT that is not an access token before its issuer is asked about it, since servers call any of their tokens active,
 * even refresh tokens and ID tokens. Looks only for contradictions: the token may have few claims, and the answer the others.
 */
export function checkKindBeforeAsking(header: Members, claims: Members): void {
  const type = declaredType(header);
  if (type !== undefined && type !== 'jwt' && !isDeclaredAccessToken(header)) throw invalidToken('type_rejected');
  checkKindClaims(claims);
  checkNothingForeign(claims);
}

/** What is known about a token besides the answer. */
export interface AnswerRules {
  /** Whether the answer may omit the kind: the token states it, or the endpoint calls only access tokens active. */
  readonly isAccessToken: boolean;
  /** Whether the answer names an audience that is accepted. */
  readonly hasAudience: boolean;
}

/**
 * Refuses an introspection answer that is not about an access token, whatever the form of the token. Servers also call refresh
 * tokens and ID tokens active, and many do not state the kind. An answer without an audience must therefore call the token an
 * access token. So must an answer that could describe an ID token: it has claims of one, or only its own client as audience.
 *
 * @see RFC 7662 §2.2 for `token_type`, as defined in RFC 6749 §5.1; some servers state the kind of the token there
 */
export function checkKindOfAnswer(answer: Members, { isAccessToken, hasAudience }: AnswerRules): void {
  const isCalledSo = checkTokenType(answer);
  const isMarkedSo = checkKindClaims(answer);
  if (isAccessToken || isCalledSo || isMarkedSo) return;
  if (!hasAudience)
    throw otherKind('it names no audience, and is not called an access token by token_type, token_use or typ');
  checkNothingForeign(answer);
  checkNotForClient(answer);
}

/** Values of `token_type` that mark an access token. Whether it may be bound to a key is checked elsewhere. */
const TOKEN_TYPES: ReadonlySet<unknown> = new Set(['bearer', 'dpop', 'access_token', 'access']);

/** Returns whether `token_type` says that this is an access token. */
function checkTokenType(answer: Members): boolean {
  const type = statedClaim(answer, 'token_type');
  if (type === undefined) return false;
  const name = typeof type === 'string' ? type.toLowerCase() : type;
  if (!TOKEN_TYPES.has(name)) throw markedBy([mark(answer, 'token_type')]);
  return true;
}

/**
 * Values that mark an access token, in the claims of Keycloak (`typ`, `dpop` if it is bound to a key), and of Cognito and Hydra
 * (`token_use`).
 */
const KIND_CLAIMS: readonly [claim: string, expected: readonly string[]][] = [
  ['typ', ['bearer', 'dpop']],
  ['token_use', ['access', 'access_token']],
];

/** Returns whether one of the claims says that this is an access token. */
function checkKindClaims(claims: Members): boolean {
  const present = KIND_CLAIMS.filter(([claim]) => statedClaim(claims, claim) !== undefined);
  checkOtherNames(claims);
  for (const [claim, expected] of present) {
    const value = statedClaim(claims, claim);
    const name = typeof value === 'string' ? value.toLowerCase() : undefined;
    if (name === undefined || !expected.includes(name)) throw markedBy([mark(claims, claim)]);
  }
  return present.length > 0;
}

/** Other claims in which products state the kind: ForgeRock, Casdoor, Curity, and libraries that frameworks use. */
const OTHER_KIND_CLAIMS = ['tokenName', 'tokenType', 'token_type', 'purpose', 'type'];

/**
 * Values of these claims that mark other tokens, in lower case and without separators. The claims have general names, so any
 * other value is ignored.
 */
const OTHER_KINDS: ReadonlySet<string> = new Set(['refresh', 'refreshtoken', 'id', 'idtoken', 'logout', 'logouttoken']);

function checkOtherNames(claims: Members): void {
  const marking = OTHER_KIND_CLAIMS.find((claim) => {
    const value = statedClaim(claims, claim);
    return typeof value === 'string' && OTHER_KINDS.has(value.replace(/[_\s-]/g, '').toLowerCase());
  });
  if (marking !== undefined) throw markedBy([mark(claims, marking)]);
}

/** Checks the claims of a JWT if `typ` does not state its kind. */
function checkUndeclared(claims: Members): void {
  checkKindClaims(claims);
  // A claim that marks another kind explains more than a missing one.
  checkNothingForeign(claims);
  const namesClientOrScope = CLIENT_OR_SCOPE.some((name) => statedClaim(claims, name) !== undefined);
  if (!namesClientOrScope) throw otherKind(`it names neither client nor scope: ${CLIENT_OR_SCOPE.join(', ')}`);
  checkNotForClient(claims);
}

const CLIENT_OR_SCOPE = ['client_id', 'azp', 'cid', 'appid', 'scope', 'scp'];

/**
 * Refuses a token for its own client: the audience of an ID token is its client (OpenID Connect Core §2), and a client
 * assertion is issued by its client.
 */
function checkNotForClient(claims: Members): void {
  const client = statedClaim(claims, 'client_id') ?? statedClaim(claims, 'azp');
  const audience = statedClaim(claims, 'aud');
  const onlyAudience = Array.isArray(audience) && audience.length === 1 ? (audience[0] as unknown) : audience;
  if (client === undefined || client !== onlyAudience) return;
  throw otherKind('its only audience is its own client, as in an ID token', { aud: client });
}

function checkNothingForeign(claims: Members): void {
  const marks = FOREIGN_CLAIMS.filter((claim) => statedClaim(claims, claim) !== undefined);
  if (marks.length > 0) throw markedBy(marks);
}

/** The name of a claim that marks another kind, with its value, or with the type of a value that is not a string. */
function mark(claims: Members, claim: string): string {
  const value = ownClaim(claims, claim);
  return typeof value === 'string' ? `${claim} ${value}` : `${claim}, ${typeOf(value).text}`;
}

function markedBy(marks: readonly string[]): McpAuthError {
  return invalidToken('not_an_access_token', undefined, { 'marked by': marks });
}

function otherKind(because: string, seen: Members = {}): McpAuthError {
  return invalidToken('not_an_access_token', undefined, { ...seen, because: new Plain(because) });
}

/**
 * Refuses a token that is bound to a key, unless the resource accepts that kind of binding. Unknown members of `cnf` do not
 * matter beside a known one (RFC 7800 §3.1); of several known ones, each must be proven.
 *
 * @param accepted members of `cnf`
 */
export function checkBinding(claims: Members, accepted: ReadonlySet<string>): void {
  const binding = statedClaim(claims, 'cnf');
  const members = bindingsOf(claims);
  if (binding !== undefined && members.length === 0) throw boundToKey('cnf');
  const refused = members.find(([name, value]) => !accepted.has(name) || !isThumbprint(value));
  if (refused) throw boundToKey(`cnf.${refused[0]}`);
  if (!members.some(([name]) => name === 'jkt')) refuseUnnamedKey(claims);
}

/**
 * Refuses a token if the answer about it leaves out a key to which it is bound, or names another: the answer must not turn it
 * into a token that works for whoever has it.
 */
export function checkSameBinding(claims: Members, answer: Members): void {
  const stated = new Map(bindingsOf(answer));
  const left = bindingsOf(claims).find(([name, value]) => stated.get(name) !== value);
  if (left) throw boundToKey(`cnf.${left[0]}`);
  if (statedClaim(answer, 'cnf') === undefined) checkBinding(claims, new Set());
}

/** Refuses a token that says it is bound to a key, and does not say to which. */
function refuseUnnamedKey(claims: Members): void {
  for (const claim of ['typ', 'token_type']) {
    const value = statedClaim(claims, claim);
    if (typeof value === 'string' && value.toLowerCase() === 'dpop') throw boundToKey(claim);
  }
}

/** Members of `cnf` that bind a token to a key (RFC 9449 §6.1) or to a certificate (RFC 8705 §3.1). */
const BINDINGS: ReadonlySet<string> = new Set(['jkt', 'x5t#S256']);

/** The known members of `cnf`. */
function bindingsOf(claims: Members): [name: string, value: unknown][] {
  const binding = statedClaim(claims, 'cnf');
  return isRecord(binding) ? Object.entries(binding).filter(([name]) => BINDINGS.has(name)) : [];
}

/** @see RFC 7638, RFC 8705 §3.1: SHA-256, base64url */
function isThumbprint(value: unknown): boolean {
  return typeof value === 'string' && /^[\w-]{43}$/.test(value);
}

function boundToKey(by: string): McpAuthError {
  return invalidToken('sender_constrained', undefined, { 'bound by': new Plain(by) });
}
