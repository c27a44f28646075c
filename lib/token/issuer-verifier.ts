import type { DecodedJwt } from './decoded-jwt.js';
import type { Verification } from './verification.js';

/** Verifies the access tokens of one issuer for one resource. */
export abstract class IssuerVerifier {
  /**
   * @param jwt the same token taken apart, if it is a JWT by form. Nothing in it is verified, but its `iss` is this issuer.
   * @throws {McpAuthError} `invalid_token` when the token is bad, `temporarily_unavailable` when nobody can tell.
   */
  abstract verify(token: string, jwt: DecodedJwt | undefined): Promise<Verification>;
}
