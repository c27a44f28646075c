import type { SignatureRules } from '../issuer/signature.js';
import type { DecodedJwt } from './decoded-jwt.js';
import type { Verification } from './verification.js';

/** Verifies the access tokens of one issuer for one resource. */
export abstract class IssuerVerifier {
  /** The keys and algorithms of the issuer, for whatever else it signs, such as logout tokens. */
  abstract readonly signatures: SignatureRules;

  /**
   * @param jwt the decoded token, if it has the form of a JWT. Nothing in it is verified, but its `iss` is this issuer.
   * @throws {McpAuthError} `invalid_token` when the token is bad, `temporarily_unavailable` when it cannot be verified now.
   */
  abstract verify(token: string, jwt: DecodedJwt | undefined): Promise<Verification>;
}
