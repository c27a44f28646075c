/** What a verified access token says. Plain data; holds no secret. */
export interface VerifiedToken {
  /** The issuer, exactly as configured. */
  readonly issuer: string;
  /** The subject, unique only within the issuer; undefined where the token names none. */
  readonly subject: string | undefined;
  /** The client the token was issued to; undefined where the token names none. */
  readonly clientId: string | undefined;
  /** The scopes the token was granted, as issued: nothing is implied or expanded here. */
  readonly scopes: readonly string[];
  readonly audience: readonly string[];
  /** Seconds since the epoch. */
  readonly expiresAt: number;
  /** All claims. Only own properties mean anything. */
  readonly claims: Readonly<Record<string, unknown>>;
}

/**
 * Decides whether an access token is valid for one protected resource.
 * Does not decide what the caller may do with it: that is up to scopes and policies.
 */
export abstract class TokenVerifier {
  /**
   * @param token as it stood behind `Bearer `: not decoded, not trimmed, of any length.
   * @throws {McpAuthError} `invalid_token` when the token is bad, `temporarily_unavailable` when nobody can tell.
   */
  abstract verify(token: string): Promise<VerifiedToken>;
}
