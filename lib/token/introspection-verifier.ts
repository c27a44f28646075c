import { invalidToken, unavailable } from '../core/error.js';
import type { IntrospectionAnswer, IntrospectionEndpoint } from '../issuer/introspection-endpoint.js';
import type { SignatureRules } from '../issuer/signature.js';
import { tokenHash } from '../issuer/token-hash.js';
import type { ExpiringStore } from './expiring-map.js';
import { checkAudience, checkTimesPresent, firstStated, statedClaim, type AcceptanceRules } from './claims.js';
import type { ClaimNames, ScopeRules } from '../core/token-format.js';
import { grantedScopes } from './granted-scopes.js';
import type { DecodedJwt } from './decoded-jwt.js';
import { withRefusalDetails } from './refusal-details.js';
import { IssuerVerifier } from './issuer-verifier.js';
import { identify } from './principal.js';
import { kindOfToken } from './principal-kind.js';
import type { KindRules } from '../core/principal-kind.js';
import {
  checkBinding,
  checkSameBinding,
  checkKindBeforeAsking,
  checkKindOfAnswer,
  isDeclaredAccessToken,
} from './token-kind.js';
import type { Verification } from './verification.js';

/** What an answer must meet, and how long it is used. */
export interface IntrospectionRules extends AcceptanceRules {
  /** Compared code point by code point. */
  readonly issuer: string;
  readonly claimNames: ClaimNames;
  /** Whether the endpoint answers only for tokens of this resource: an answer may then omit the audience. */
  readonly audienceBound: boolean;
  /** Whether the endpoint calls only access tokens active: an answer may then omit the kind of the token. */
  readonly accessTokensOnly: boolean;
  /** What decides the kind of principal. */
  readonly kindOf?: KindRules | undefined;
  /** What grants scopes besides the claims that contain them. */
  readonly scopeRules: ScopeRules;
  /** How long an active token is not introspected again; 0: it is introspected each time. */
  readonly cacheSeconds: number;
  /** How long an inactive token is not introspected again. */
  readonly negativeCacheSeconds: number;
}

/** How long a token without `exp` is accepted after it was introspected, in seconds. */
const UNDATED_SECONDS = 60;

/**
 * Verifies access tokens of any form by asking the authorization server that issued them. It is not enough that the server
 * calls a token active: the answer must also be about an access token of this issuer, for this resource, at this time.
 *
 * Does not check scopes, or the proof that a token needs which is bound to a key. The claims of a JWT are not
 * verified: they can lead to a refusal, but are never part of the result.
 *
 * @see RFC 7662 §2.2, §4
 */
export class IntrospectionVerifier extends IssuerVerifier {
  constructor(
    private readonly endpoint: IntrospectionEndpoint,
    override readonly signatures: SignatureRules,
    private readonly rules: IntrospectionRules,
    /** The hashes of inactive tokens. */
    private readonly inactive: ExpiringStore<true>,
    /** Milliseconds since the epoch. */
    private readonly now: () => number,
    /** Called for an inactive token: says whether it is a JWT with an `exp` in the future, which is not verified. */
    private readonly onInactive: (isInTime: boolean) => void = () => undefined,
  ) {
    super();
  }

  override async verify(token: string, jwt: DecodedJwt | undefined): Promise<Verification> {
    let answer: IntrospectionAnswer | undefined;
    try {
      if (jwt) checkKindBeforeAsking(jwt.header, jwt.claims);
      const askedAt = this.now();
      answer = await this.#ask(token, jwt);
      return this.#check(answer, jwt, askedAt);
    } catch (error) {
      const claims = answer ?? jwt?.claims ?? {};
      throw withRefusalDetails(error, {
        ...this.rules,
        header: jwt?.header,
        claims,
        isVerified: answer !== undefined,
        isOpaque: jwt === undefined,
      });
    }
  }

  #check(answer: IntrospectionAnswer, jwt: DecodedJwt | undefined, askedAt: number): Verification {
    const { issuer, claimNames, audiences, audienceBound, accessTokensOnly, cacheSeconds, kindOf, scopeRules } =
      this.rules;
    const named = statedClaim(answer, 'iss');
    if (named !== undefined && named !== issuer) throw invalidToken('issuer_unknown');
    const isUnnamed = audienceBound && !firstStated(answer, claimNames.audience);
    // The server issued every token that it calls active, so it also wrote the type in the header.
    const isDeclared = jwt !== undefined && isDeclaredAccessToken(jwt.header);
    checkKindOfAnswer(answer, { isAccessToken: accessTokensOnly || isDeclared, hasAudience: !isUnnamed });
    const expiresAt =
      checkTimesPresent(answer, this.now() / 1000, this.rules) ?? Math.ceil(askedAt / 1000) + UNDATED_SECONDS;
    const audience = isUnnamed ? [] : checkAudience(answer, audiences, claimNames.audience);
    if (jwt) checkSameBinding(jwt.claims, answer);
    checkBinding(answer, this.rules.bindings);
    // The token may name a user whom the answer leaves out.
    const shown = jwt ? { ...jwt.claims, ...answer } : answer;
    const token = { issuer, ...identify(answer, claimNames, shown), audience, expiresAt, claims: answer };
    const scopes = grantedScopes(answer, token.scopes, scopeRules);
    return {
      token: { ...token, scopes, kind: kindOfToken(token, kindOf) },
      reusableUntil: askedAt + cacheSeconds * 1000,
      isCurrent: () => true,
    };
  }

  /** Returns the answer for an active token, without members that are null. */
  async #ask(token: string, jwt: DecodedJwt | undefined): Promise<IntrospectionAnswer> {
    const key = tokenHash(token);
    if (this.inactive.get(key)) throw invalidToken('token_inactive');
    const askedAt = this.now();
    const answer = await this.#answerFor(token);
    if (answer.active) return withoutNulls(answer);
    this.inactive.set(key, true, askedAt + this.rules.negativeCacheSeconds * 1000);
    this.onInactive(isInTime(jwt, this.now() / 1000));
    throw invalidToken('token_inactive');
  }

  async #answerFor(token: string): Promise<IntrospectionAnswer> {
    try {
      return await this.endpoint.introspect(token);
    } catch (cause) {
      throw unavailable('introspection_failed', cause);
    }
  }
}

function isInTime(jwt: DecodedJwt | undefined, nowSeconds: number): boolean {
  const exp = jwt && statedClaim(jwt.claims, 'exp');
  return typeof exp === 'number' && exp > nowSeconds;
}

/** Removes members that are null: serializers write a member without a value as null. */
function withoutNulls(answer: IntrospectionAnswer): IntrospectionAnswer {
  return Object.fromEntries(Object.entries(answer).filter(([, value]) => value !== null)) as IntrospectionAnswer;
}
