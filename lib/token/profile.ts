import { invalidToken } from '../core/error.js';
import { ownClaim } from './claims.js';

/**
 * How strictly a JWT must declare itself an access token.
 *
 * - `compatible`: `typ` may also be `JWT` or absent, as most products send it; then the claims must not be those of
 *   another kind of token, and must name a client or scopes.
 * - `rfc9068`: the JWT profile for access tokens with all its required claims.
 */
export type JwtProfile = 'compatible' | 'rfc9068';

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

/** Those of them that are non-empty strings, whatever claim names are configured; times are checked elsewhere. */
const REQUIRED_TEXTS = ['sub', 'client_id', 'jti'];

/** Whether a header says of itself what RFC 9068 §2.1 wants of access tokens. */
export function isDeclaredAccessToken(header: Members): boolean {
  return ACCESS_TOKEN_TYPES.has(typeOf(header));
}

/** Media types compare without regard to case (RFC 7515 §4.1.9). */
function typeOf(header: Members): unknown {
  const type = ownClaim(header, 'typ');
  return typeof type === 'string' ? type.toLowerCase() : type;
}

/**
 * Refuses a JWT of the same issuer that is something other than an access token. Without this, whoever gets hold
 * of an ID token or a client assertion could use it here.
 *
 * @see RFC 9068 §4 and §2.2; RFC 8725 §3.11 and §3.12
 */
export function checkKind(header: Members, claims: Members, profile: JwtProfile): void {
  if (profile === 'rfc9068') {
    if (!isDeclaredAccessToken(header)) throw invalidToken('type_rejected');
    if (REQUIRED_CLAIMS.some((claim) => ownClaim(claims, claim) === undefined)) throw invalidToken('claim_missing');
    if (!REQUIRED_TEXTS.every((claim) => isText(ownClaim(claims, claim)))) throw invalidToken('claim_malformed');
  } else if (!isDeclaredAccessToken(header)) {
    const type = typeOf(header);
    if (type !== undefined && type !== 'jwt') throw invalidToken('type_rejected');
    checkUndeclared(claims);
  }
  if (FOREIGN_CLAIMS.some((claim) => ownClaim(claims, claim) !== undefined)) throw invalidToken('not_an_access_token');
}

/**
 * The same for a JWT that its issuer is going to be asked about. Only what contradicts an access token is looked for: the
 * claims may be few, and the answer has them. Servers say of any token of theirs that it is active, refresh tokens and ID
 * tokens included.
 */
export function checkKindBeforeAsking(header: Members, claims: Members): void {
  const type = typeOf(header);
  if (type !== undefined && type !== 'jwt' && !isDeclaredAccessToken(header)) throw invalidToken('type_rejected');
  checkKindClaims(claims);
  if (FOREIGN_CLAIMS.some((claim) => ownClaim(claims, claim) !== undefined)) throw invalidToken('not_an_access_token');
}

/**
 * The same for what an authorization server says about a token, whatever its form.
 *
 * @see RFC 7662 §2.2 for `token_type`, which is that of RFC 6749 §5.1; some servers name the kind of the token there
 */
export function checkKindOfAnswer(answer: Members): void {
  const type = ownClaim(answer, 'token_type');
  const name = typeof type === 'string' ? type.toLowerCase() : type;
  if (name === 'dpop') throw invalidToken('sender_constrained');
  if (name !== undefined && name !== 'bearer' && name !== 'access_token') throw invalidToken('not_an_access_token');
  checkKindClaims(answer);
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}

/** Keycloak, Cognito and Hydra say in a claim what kind of token it is. */
function checkKindClaims(claims: Members): void {
  const kinds: readonly [claim: string, expected: readonly string[]][] = [
    ['typ', ['bearer']],
    ['token_use', ['access', 'access_token']],
  ];
  for (const [claim, expected] of kinds) {
    const value = ownClaim(claims, claim);
    if (value !== undefined && (typeof value !== 'string' || !expected.includes(value.toLowerCase()))) {
      throw invalidToken('not_an_access_token');
    }
  }
}

/** What must hold instead where `typ` does not say what the JWT is. */
function checkUndeclared(claims: Members): void {
  const has = (name: string): boolean => ownClaim(claims, name) !== undefined;
  checkKindClaims(claims);
  const namesClientOrScope = ['client_id', 'azp', 'cid', 'appid', 'scope', 'scp'].some(has);
  if (!namesClientOrScope) throw invalidToken('not_an_access_token');
  // The audience of an ID token is its client (OpenID Connect Core §2); a client assertion is issued by its client.
  const client = ownClaim(claims, 'client_id') ?? ownClaim(claims, 'azp');
  const audience = ownClaim(claims, 'aud');
  const onlyAudience = Array.isArray(audience) && audience.length === 1 ? (audience[0] as unknown) : audience;
  if (client !== undefined && client === onlyAudience) throw invalidToken('not_an_access_token');
}
