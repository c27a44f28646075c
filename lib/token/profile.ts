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
  ...['nonce', 'at_hash', 'c_hash', 's_hash', 'events', 'token_introspection', 'htm', 'htu'],
  // Request objects were signed without a type for years (RFC 9101 §10.8), and may name client and scopes.
  'response_type',
];

const REQUIRED_CLAIMS = ['sub', 'client_id', 'iat', 'jti'];

/**
 * Refuses a JWT of the same issuer that is something other than an access token. Without this, whoever gets hold
 * of an ID token or a client assertion could use it here.
 *
 * @see RFC 9068 §4 and §2.2; RFC 8725 §3.11 and §3.12
 */
export function checkKind(header: Members, claims: Members, profile: JwtProfile): void {
  const type = ownClaim(header, 'typ');
  // Media types compare without regard to case (RFC 7515 §4.1.9).
  const name = typeof type === 'string' ? type.toLowerCase() : type;
  if (profile === 'rfc9068') {
    if (!ACCESS_TOKEN_TYPES.has(name)) throw invalidToken('type_rejected');
    if (REQUIRED_CLAIMS.some((claim) => ownClaim(claims, claim) === undefined)) throw invalidToken('claim_missing');
  } else if (!ACCESS_TOKEN_TYPES.has(name)) {
    if (name !== undefined && name !== 'jwt') throw invalidToken('type_rejected');
    checkUndeclared(claims);
  }
  if (FOREIGN_CLAIMS.some((claim) => ownClaim(claims, claim) !== undefined)) throw invalidToken('not_an_access_token');
}

/** What must hold instead where `typ` does not say what the JWT is. */
function checkUndeclared(claims: Members): void {
  const has = (name: string): boolean => ownClaim(claims, name) !== undefined;
  // Keycloak and Cognito say in a claim what kind of token it is.
  const kinds: readonly [claim: string, expected: string][] = [
    ['typ', 'bearer'],
    ['token_use', 'access'],
  ];
  for (const [claim, expected] of kinds) {
    const value = ownClaim(claims, claim);
    if (value !== undefined && (typeof value !== 'string' || value.toLowerCase() !== expected)) {
      throw invalidToken('not_an_access_token');
    }
  }
  const namesClientOrScope = ['client_id', 'azp', 'cid', 'appid', 'scope', 'scp'].some(has);
  if (!namesClientOrScope) throw invalidToken('not_an_access_token');
  // The audience of an ID token is its client (OpenID Connect Core §2); a client assertion is issued by its client.
  const client = ownClaim(claims, 'client_id') ?? ownClaim(claims, 'azp');
  const audience = ownClaim(claims, 'aud');
  const onlyAudience = Array.isArray(audience) && audience.length === 1 ? (audience[0] as unknown) : audience;
  if (client !== undefined && client === onlyAudience) throw invalidToken('not_an_access_token');
}
