import type { PrincipalKind } from './principal-kind.js';

/** What a verified access token says. Plain data; holds no secret. */
export interface VerifiedToken {
  /** The issuer, exactly as configured. */
  readonly issuer: string;
  /** The subject, unique only within the issuer; undefined where the token names none. */
  readonly subject?: string | undefined;
  /** The client the token was issued to; undefined where the token names none. There must be one of the two. */
  readonly clientId?: string | undefined;
  /** The scopes the token was granted, as issued: nothing is implied or expanded here. */
  readonly scopes: readonly string[];
  /** For whom the token was issued; one value of it must be accepted by the resource. */
  readonly audience: readonly string[];
  /** Seconds since the epoch. */
  readonly expiresAt: number;
  /**
   * Whether a user stands behind the token, or only the client itself.
   * @default what `claims` show; see `McpAuthInfo.kind`
   */
  readonly kind?: PrincipalKind | undefined;
  /** All claims. Only own properties mean anything. */
  readonly claims: Readonly<Record<string, unknown>>;
}

/**
 * Decides whether an access token is valid for one protected resource.
 * Does not decide what the caller may do with it: that is up to scopes and policies.
 *
 * Extend it to replace the verification built in, with the option `verifier`. What yours returns is then checked all the
 * same: the issuer must be one that the resource trusts, the audience one that it accepts, the expiry in the future.
 */
export abstract class TokenVerifier {
  /**
   * @param token as it stood behind `Bearer `: not decoded, not trimmed, of any length.
   * @throws {McpAuthError} `invalid_token` when the token is bad, `temporarily_unavailable` when nobody can tell.
   * Yours may also throw errors of jose or jsonwebtoken, Nest's `UnauthorizedException`, or an error with the `code`
   * `invalid_token`, for a bad token; any other error is answered with 503, since it says nothing about the token.
   */
  abstract verify(token: string): Promise<VerifiedToken>;
}
