import { invalidToken } from '../core/error.js';
import type { KeyHint, KeySet } from '../issuer/key-set.js';
import { verifySignature, type SignatureRules } from '../issuer/signature.js';
import { checkAudience, checkTimes, ownClaim, type ReuseRules } from './claims.js';
import type { ClaimNames, JwtProfile, ScopeRules } from '../core/token-format.js';
import { grantedScopes } from './granted-scopes.js';
import type { DecodedJwt } from './decoded-jwt.js';
import { withRefusalDetails } from './refusal-details.js';
import { IssuerVerifier } from './issuer-verifier.js';
import { identify } from './principal.js';
import { kindOfToken } from './principal-kind.js';
import type { KindRules } from '../core/principal-kind.js';
import { checkBinding, checkKind } from './token-kind.js';
import type { Verification } from './verification.js';
import type { VerifiedToken } from '../core/token-verifier.js';

/** An issuer of JWT access tokens, and the rules that apply to it alone. */
export interface JwtIssuer {
  /** Compared code point by code point. */
  readonly issuer: string;
  readonly keys: KeySet;
  /** Asymmetric algorithms; the header chooses among these only. */
  readonly algorithms: ReadonlySet<string>;
  readonly profile: JwtProfile;
  readonly claimNames: ClaimNames;
  /** What decides the kind of principal; applied after a token is verified. */
  readonly kindOf?: KindRules | undefined;
  /** What grants scopes besides the claims that contain them; applied after a token is verified. */
  readonly scopeRules: ScopeRules;
}

/** Longest `kid` that is looked up, in characters. */
const MAX_KID_LENGTH = 1024;

/**
 * Verifies JWT access tokens of one issuer. Cheap checks run first: a token that they refuse costs neither a signature check
 * nor a request to the issuer. What they read is trusted only after the signature is verified.
 * Does not check scopes, revocation, or the proof that a token needs which is bound to a key.
 *
 * @see RFC 9068 §4, RFC 8725 §3
 */
export class JwtVerifier extends IssuerVerifier {
  constructor(
    private readonly trusted: JwtIssuer,
    private readonly rules: ReuseRules,
    /** Milliseconds since the epoch. */
    private readonly now: () => number,
  ) {
    super();
  }

  override get signatures(): SignatureRules {
    return { keys: this.trusted.keys, algorithms: [...this.trusted.algorithms] };
  }

  override async verify(token: string, jwt: DecodedJwt | undefined): Promise<Verification> {
    if (!jwt) throw invalidToken('token_malformed');
    const { keys, algorithms, scopeRules } = this.trusted;
    const now = this.now();
    let isVerified = false;
    try {
      const hint = checkHeader(jwt.header, algorithms);
      const verified = this.#check(jwt, now / 1000);
      const key = await verifySignature(token, { keys, algorithms: [hint.alg] }, hint);
      isVerified = true;
      const kind = kindOfToken(verified, this.trusted.kindOf);
      const scopes = grantedScopes(verified.claims, verified.scopes, scopeRules);
      return {
        token: { ...verified, scopes, kind },
        reusableUntil: now + this.rules.reuseSeconds * 1000,
        isCurrent: () => keys.isPublished(key),
      };
    } catch (error) {
      throw withRefusalDetails(error, { ...this.trusted, ...this.rules, ...jwt, isVerified });
    }
  }

  /** Returns what the token says, after all checks except the signature. */
  #check({ header, claims }: DecodedJwt, nowSeconds: number): VerifiedToken {
    const { issuer, profile, claimNames } = this.trusted;
    if (ownClaim(claims, 'iss') !== issuer) throw invalidToken('issuer_unknown');
    checkKind(header, claims, profile);
    const expiresAt = checkTimes(claims, nowSeconds, this.rules);
    const audience = checkAudience(claims, this.rules.audiences, claimNames.audience);
    checkBinding(claims, this.rules.bindings);
    return { issuer, ...identify(claims, claimNames), audience, expiresAt, claims };
  }
}

/**
 * Checks the header, and returns the algorithm and the `kid` that it names.
 * Key material and locations in the header (`jwk`, `jku`, `x5c`, `x5u`) are never read, here or later.
 *
 * @see RFC 7515 §4.1.11 for `crit`: no extension is supported, so none may be critical; RFC 8725 §3.1, §3.10
 */
export function checkHeader(header: DecodedJwt['header'], algorithms: ReadonlySet<string>): KeyHint {
  const algorithm = ownClaim(header, 'alg');
  if (typeof algorithm !== 'string' || !algorithms.has(algorithm)) throw invalidToken('algorithm_rejected');
  const kid = ownClaim(header, 'kid');
  const isKid = (value: unknown): value is string | undefined =>
    value === undefined || (typeof value === 'string' && value.length <= MAX_KID_LENGTH);
  if (!isKid(kid) || Object.hasOwn(header, 'crit') || Object.hasOwn(header, 'b64')) {
    throw invalidToken('header_rejected');
  }
  // Nested tokens (RFC 7519 §5.2) are refused; both spellings are the same media type (RFC 7515 §4.1.10).
  const contentType = ownClaim(header, 'cty');
  if (typeof contentType === 'string' && /^(?:application\/)?jwt$/i.test(contentType))
    throw invalidToken('header_rejected');
  return { alg: algorithm, kid };
}
