/**
 * How strictly a JWT must state that it is an access token.
 *
 * - `compatible`: `typ` may also be `JWT` or absent, as with most products; then the claims must name a client or
 *   scopes, and must not mark another kind of token.
 * - `rfc9068`: the JWT profile for access tokens with all its required claims.
 */
export type JwtProfile = 'compatible' | 'rfc9068';

/**
 * Names of the claims in which an authorization server puts scopes, client, subject and audience. The first claim with
 * a value counts, see {@link namedClaim}; for scopes see {@link scopeClaim}.
 */
export interface ClaimNames extends PrincipalNames {
  readonly audience: readonly string[];
}

export interface PrincipalNames {
  readonly scopes: readonly string[];
  readonly clientId: readonly string[];
  readonly subject: readonly string[];
}

/**
 * Claims in which servers put the granted scopes: that of RFC 9068 §2.2.3, and that of Okta, Entra ID and Ory Hydra.
 */
export const SCOPE_CLAIMS: readonly string[] = ['scope', 'scp'];

/** Claims in which servers name the client: that of RFC 9068, and those of products from before it. */
export const CLIENT_ID_CLAIMS: readonly string[] = ['client_id', 'azp', 'cid', 'appid'];
