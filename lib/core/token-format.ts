/**
 * How strictly a JWT must declare itself an access token.
 *
 * - `compatible`: `typ` may also be `JWT` or absent, as most products send it; then the claims must not be those of
 *   another kind of token, and must name a client or scopes.
 * - `rfc9068`: the JWT profile for access tokens with all its required claims.
 */
export type JwtProfile = 'compatible' | 'rfc9068';

/**
 * Names of the claims where an authorization server puts scopes, client, subject and audience; the first one that says
 * something counts, as {@link namedClaim} reads them. For scopes see {@link scopeClaim}.
 */
export interface ClaimNames extends PrincipalNames {
  readonly audience: readonly string[];
}

export interface PrincipalNames {
  readonly scopes: readonly string[];
  readonly clientId: readonly string[];
  readonly subject: readonly string[];
}

/** Where servers put the granted scopes: as RFC 9068 §2.2.3 has it, and as Okta, Entra ID and Ory Hydra do. */
export const SCOPE_CLAIMS: readonly string[] = ['scope', 'scp'];

/** Where servers name the client: as RFC 9068 has it, and as products did before. */
export const CLIENT_ID_CLAIMS: readonly string[] = ['client_id', 'azp', 'cid', 'appid'];
