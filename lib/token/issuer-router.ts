import { invalidToken } from '../core/error.js';
import { continueWith, type MaybePromise } from '../core/maybe-promise.js';
import { ownClaim } from './claims.js';
import { decodeJwt, hasJwtForm, MAX_TOKEN_LENGTH, type DecodedJwt } from './decoded-jwt.js';
import type { IssuerVerifier } from './issuer-verifier.js';
import type { TrustedIssuer, TrustedIssuers } from './trusted-issuers.js';
import { CacheableVerifier, type Verification } from './verification.js';

/** An issuer that can be asked about tokens of any form, and which tokens it gets. */
export interface OpaqueRoute {
  readonly verifier: IssuerVerifier;
  /** The prefix of its tokens; undefined if their form is not known. */
  readonly tokenPrefix: string | undefined;
}

/**
 * Passes every token to the one issuer that can verify it: a JWT to the issuer it names, if that is trusted; any other token to
 * the issuer with its prefix, or to the only issuer that can be asked. A token is never tried with several issuers, since each
 * of them would learn it. A malformed JWT is not treated as an opaque token.
 */
export class IssuerRouter extends CacheableVerifier {
  constructor(
    private readonly issuers: TrustedIssuers,
    private readonly opaqueRoutes: readonly OpaqueRoute[],
  ) {
    super();
  }

  override verify(token: string): MaybePromise<Verification> {
    if (token.length > MAX_TOKEN_LENGTH) throw invalidToken('token_too_large');
    // If no issuer can be asked, a token that is not a JWT is malformed.
    if (this.opaqueRoutes.length > 0 && !hasJwtForm(token)) return this.#opaqueRoute(token).verify(token, undefined);
    const jwt = decodeJwt(token);
    const issuer = ownClaim(jwt.claims, 'iss');
    return continueWith(typeof issuer === 'string' ? this.issuers.find(issuer) : undefined, (trust) => {
      if (!trust) throw invalidToken('issuer_unknown', undefined, { iss: issuer ?? null });
      return verifyWith(trust, token, jwt);
    });
  }

  #opaqueRoute(token: string): IssuerVerifier {
    const [first, ...others] = this.opaqueRoutes;
    if (first && others.length === 0 && first.tokenPrefix === undefined) return first.verifier;
    const route = this.opaqueRoutes.find(
      ({ tokenPrefix }) => tokenPrefix !== undefined && token.startsWith(tokenPrefix),
    );
    if (!route) throw invalidToken('token_unroutable');
    return route.verifier;
  }
}

function verifyWith({ verifier, until }: TrustedIssuer, token: string, jwt: DecodedJwt): Promise<Verification> {
  const verified = verifier.verify(token, jwt);
  if (until === Infinity) return verified;
  return verified.then((verification) => ({
    ...verification,
    reusableUntil: Math.min(verification.reusableUntil, until),
  }));
}
