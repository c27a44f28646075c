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
  /** Whether all of `scopes` are read, rather than the first one that is present. */
  readonly unitesScopes?: boolean | undefined;
  readonly clientId: readonly string[];
  readonly subject: readonly string[];
}

/**
 * Claims in which servers put the granted scopes: that of RFC 9068 §2.2.3, and that of Okta, Entra ID and Ory Hydra.
 */
export const SCOPE_CLAIMS: readonly string[] = ['scope', 'scp'];

/** Claims in which servers name the client: that of RFC 9068, and those of products from before it. */
export const CLIENT_ID_CLAIMS: readonly string[] = ['client_id', 'azp', 'cid', 'appid'];

/** Returns the granted scopes for the claims of one issuer: a text with spaces between the names, or a list. */
export type ScopesOf = (claims: Readonly<Record<string, unknown>>) => string | readonly string[];

/** The scopes that the values of one claim grant. */
export interface ScopeGrant {
  /** The name of the claim, or a JSON Pointer to a member of it. */
  readonly claim: string;
  /** Value of the claim → the scopes it grants. Read own members only. */
  readonly scopes: Readonly<Record<string, readonly string[]>>;
}

/** What grants scopes besides the claims that contain scopes. */
export interface ScopeRules {
  readonly grants: readonly ScopeGrant[];
  /** The function of the application that determines all scopes. */
  readonly scopesOf: ScopesOf | undefined;
}
