import type { PrincipalKind } from './principal-kind.js';

/** The content of a verified access token. Plain data without secrets. */
export interface VerifiedToken {
  /** The issuer, exactly as configured. */
  readonly issuer: string;
  /** The subject, unique only at its issuer; undefined if the token names none. */
  readonly subject?: string | undefined;
  /** The client to which the token was issued; undefined if the token names none. Subject or client must be present. */
  readonly clientId?: string | undefined;
  /** The granted scopes, as issued, without implied ones. */
  readonly scopes: readonly string[];
  /** The audience of the token; the resource must accept one of its values. */
  readonly audience: readonly string[];
  /** Seconds since the epoch. */
  readonly expiresAt: number;
  /**
   * Whether the token belongs to a user, or to the client itself.
   * @default what `claims` show; see `McpAuthInfo.kind`
   */
  readonly kind?: PrincipalKind | undefined;
  /** All claims. Read own properties only. */
  readonly claims: Readonly<Record<string, unknown>>;
}

/**
 * Decides whether an access token is valid for one protected resource. Does NOT decide what the caller may do: scopes
 * and policies decide that.
 *
 * Extend it to replace the built-in verification, and pass your class as the option `verifier`. The library still
 * checks your result: the resource must trust the issuer and accept the audience, and the expiry must be in the future.
 */
export abstract class TokenVerifier {
  /**
   * @param token the text after `Bearer `: not decoded, not trimmed, of any length.
   * @throws {McpAuthError} `invalid_token` if the token is bad, `temporarily_unavailable` if it cannot be verified now.
   * For a bad token, your verifier may also throw errors of jose or jsonwebtoken, Nest's `UnauthorizedException`, or an
   * error with the `code` `invalid_token`. Any other error leads to 503, because it says nothing about the token.
   */
  abstract verify(token: string): Promise<VerifiedToken>;
}
