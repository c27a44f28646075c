import { invalidToken } from '../core/error.js';
import { isRecord } from '../core/record.js';
import { checkAudience, checkTimes, malformedClaim, ownClaim, statedClaim, type ReuseRules } from './claims.js';
import { answerOf, copyOfClaims, type Verify } from './application-answer.js';
import { withRefusalDetails } from './refusal-details.js';
import { identify } from './principal.js';
import { isPrincipalKind } from '../core/principal-kind.js';
import { kindOfToken } from './principal-kind.js';
import { checkBinding } from './token-kind.js';
import type { TrustedIssuers } from './trusted-issuers.js';
import { CacheableVerifier, type Verification } from './verification.js';

const MEMBERS = { scopes: ['scopes'], clientId: ['clientId'], subject: ['subject'] };

/** The claim names under which a refusal describes the result. */
const CLAIMS = { ...MEMBERS, audience: ['aud'] };

/**
 * Lets the application verify tokens, then checks the result by the same rules as any other token: a trusted issuer, an
 * accepted audience, an expiry that is neither past nor too far away, a principal, a subject if `claims` show a user, no
 * unproven binding to a key. A value that is not a scope token grants nothing.
 *
 * An error of the application means that the token is bad only if it says so, see {@link answerOf}; any other error is
 * answered with 503. A result that is missing, or not an object, refuses the token.
 */
export class CustomVerifier extends CacheableVerifier {
  constructor(
    private readonly ask: Verify,
    private readonly issuers: TrustedIssuers,
    /** What the result of the application must meet. */
    private readonly rules: ReuseRules,
    /** Milliseconds since the epoch. */
    private readonly now: () => number,
    /** Called with errors that say nothing about the token. */
    private readonly onFailure: (error: unknown, token: string) => void,
  ) {
    super();
  }

  override async verify(token: string): Promise<Verification> {
    const askedAt = this.now();
    const result = await this.#ask(token);
    const issuer = ownClaim(result, 'issuer');
    const trust = typeof issuer === 'string' ? await this.issuers.find(issuer) : undefined;
    if (!trust || typeof issuer !== 'string') throw invalidToken('issuer_unknown', undefined, { iss: issuer ?? null });
    try {
      return this.#check(result, issuer, Math.min(askedAt + this.rules.reuseSeconds * 1000, trust.until));
    } catch (error) {
      const claims = {
        aud: ownClaim(result, 'audience'),
        clientId: ownClaim(result, 'clientId'),
      };
      const { audiences } = this.rules;
      throw withRefusalDetails(error, { issuer, isVerified: true, claims, claimNames: CLAIMS, audiences });
    }
  }

  #check(result: Readonly<Record<string, unknown>>, issuer: string, reusableUntil: number): Verification {
    const expiresAt = checkTimes({ exp: ownClaim(result, 'expiresAt') }, this.now() / 1000, this.rules);
    const audience = checkAudience({ aud: ownClaim(result, 'audience') }, this.rules.audiences);
    const claims = copyOfClaims(ownClaim(result, 'claims') ?? {});
    checkBinding(claims, this.rules.bindings);
    const kind = statedClaim(result, 'kind');
    if (kind !== undefined && !isPrincipalKind(kind)) throw malformedClaim('kind', kind);
    const token = { issuer, ...identify(result, MEMBERS, claims), audience: [...audience], expiresAt, claims };
    return {
      token: { ...token, kind: kind ?? kindOfToken(token, undefined) },
      reusableUntil,
      isCurrent: () => true,
    };
  }

  async #ask(token: string): Promise<Readonly<Record<string, unknown>>> {
    const { onFailure } = this;
    const reports = { refused: 'verifier_failed', undecided: 'verifier_unavailable', onFailure } as const;
    const result = await answerOf(this.ask, token, reports);
    if (!isRecord(result)) throw invalidToken('verifier_failed');
    return result;
  }
}
