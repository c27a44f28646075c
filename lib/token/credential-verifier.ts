import { invalidToken, McpAuthError } from '../core/error.js';
import { isPrincipalKind } from '../core/principal-kind.js';
import { isRecord } from '../core/record.js';
import { Plain } from '../core/safe-text.js';
import type { VerifiedToken } from '../core/token-verifier.js';
import { answerOf, copyOfClaims, type Verify } from './application-answer.js';
import { checkTimesPresent, malformedClaim, ownClaim, statedClaim, type TimeRules } from './claims.js';
import { identify } from './principal.js';
import { checkBinding } from './token-kind.js';
import { CacheableVerifier, type Verification } from './verification.js';

/** What a caller with a credential of the application must meet. */
export interface CredentialRules extends TimeRules {
  /** The name of the credential. */
  readonly name: string;
  /** How long a verified credential is not verified again; 0: it is verified each time. */
  readonly reuseSeconds: number;
}

const MEMBERS = { scopes: ['scopes'], clientId: ['clientId'], subject: ['subject'] };

/**
 * The issuer of callers with this credential. It is not a URL, so it differs from the issuer of every token: principals of
 * different credentials, and of authorization servers, are never the same.
 */
export function issuerOfCredential(name: string): string {
  return `credential:${name}`;
}

/**
 * Lets the application verify credentials that it has issued itself, then checks the result by the rules for any other caller:
 * a subject, usable times, scope names, no unproven binding to a key. Never guesses the kind of principal.
 *
 * The caller expires after the longest lifetime of a token at the latest, even if the credential lives longer or never expires.
 * Does not check an audience: the application is told the resource.
 */
export class CredentialVerifier extends CacheableVerifier {
  constructor(
    private readonly ask: Verify,
    private readonly rules: CredentialRules,
    /** Milliseconds since the epoch. */
    private readonly now: () => number,
    /** Called with errors that say nothing about the credential. */
    private readonly onFailure: (error: unknown, credential: string) => void,
  ) {
    super();
  }

  override async verify(credential: string): Promise<Verification> {
    const askedAt = this.now();
    const seen = { credential: this.rules.name };
    const reports = { refused: 'credential_unknown', undecided: 'credential_unavailable', seen } as const;
    const result = await answerOf(this.ask, credential, { ...reports, onFailure: this.onFailure });
    if (result === undefined || result === null) throw invalidToken('credential_unknown', undefined, seen);
    try {
      const token = this.#callerOf(result, askedAt / 1000);
      return { token, reusableUntil: askedAt + this.rules.reuseSeconds * 1000, isCurrent: () => true };
    } catch (error) {
      throw this.#rejection(error);
    }
  }

  #callerOf(result: unknown, askedAtSeconds: number): VerifiedToken {
    if (!isRecord(result)) throw malformedClaim('result', result);
    if (statedClaim(result, 'subject') === undefined) throw invalidToken('no_principal', undefined, { subject: null });
    const claims = copyOfClaims(ownClaim(result, 'claims') ?? {});
    // No credential comes with a proof.
    checkBinding(claims, new Set());
    const kind = statedClaim(result, 'kind') ?? 'unknown';
    if (!isPrincipalKind(kind)) throw malformedClaim('kind', kind);
    const expiresAt = this.#expiryOf(result, askedAtSeconds);
    const issuer = issuerOfCredential(this.rules.name);
    return { issuer, ...identify(result, MEMBERS, claims), audience: [], expiresAt, kind, claims };
  }

  /** The earlier of the two: the expiry of the credential, and the longest lifetime of a token from now. */
  #expiryOf(result: Readonly<Record<string, unknown>>, askedAtSeconds: number): number {
    const latest = Math.floor(askedAtSeconds) + this.rules.maxLifetimeSeconds;
    const rules = { ...this.rules, maxLifetimeSeconds: Infinity };
    const expiresAt = checkTimesPresent({ exp: ownClaim(result, 'expiresAt') }, this.now() / 1000, rules);
    return Math.min(expiresAt ?? latest, latest);
  }

  /** An expired credential is refused like an expired token. Everything else is a fault of the application. */
  #rejection(error: unknown): unknown {
    if (!(error instanceof McpAuthError)) return error;
    const { name } = this.rules;
    if (error.reason === 'expired') return error.explain({ credential: name }, undefined);
    const seen = Object.entries(error.seen).map(([member, text]) => [member, new Plain(text)]);
    const details = { credential: name, ...Object.fromEntries(seen), because: new Plain(error.message) };
    return invalidToken('credential_rejected', error, details);
  }
}
