import { invalidToken, McpAuthError, unavailable, type McpAuthReason } from '../core/error.js';
import { isRecord } from '../core/record.js';
import { describeError, redactToken } from '../core/safe-text.js';
import type { VerifiedToken } from '../core/token-verifier.js';
import { saysTokenIsBad } from './bad-token-error.js';
import { malformedClaim } from './claims.js';

/** The function of the application that verifies a token or another credential. */
export type Verify = (credential: string) => unknown;

/** How failures of that function are reported. */
export interface AnswerReports {
  /** The reason if the function throws an error that says that the credential is bad. */
  readonly refused: McpAuthReason;
  /** The reason if it throws any other error. */
  readonly undecided: McpAuthReason;
  /** Shown with both refusals. */
  readonly seen?: Readonly<Record<string, string>>;
  /** Called with errors that say nothing about the credential. */
  readonly onFailure: (error: unknown, credential: string) => void;
}

/**
 * What the application says about a credential; not checked. An error means that the credential is bad only if it says so, see
 * {@link saysTokenIsBad}; any other error is answered with 503.
 */
export async function answerOf(
  ask: Verify,
  credential: string,
  { refused, undecided, seen = {}, onFailure }: AnswerReports,
): Promise<unknown> {
  try {
    return await ask(credential);
  } catch (error) {
    if (error instanceof McpAuthError) throw error;
    if (saysTokenIsBad(error))
      throw invalidToken(refused, error, { ...seen, error: redactToken(describeError(error), credential) });
    onFailure(error, credential);
    throw unavailable(undecided, error).explain(seen, undefined);
  }
}

/** Copies the claims: the result is frozen, but the object belongs to the application. */
export function copyOfClaims(claims: unknown): VerifiedToken['claims'] {
  if (!isRecord(claims)) throw malformedClaim('claims', claims);
  try {
    return structuredClone(claims);
  } catch (cause) {
    throw malformedClaim('claims', claims, cause);
  }
}
