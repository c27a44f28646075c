/** As in the reports of the conformance suite: `WARNING` for a SHOULD, `FAILURE` for a MUST. */
export type CheckStatus = 'SUCCESS' | 'WARNING' | 'FAILURE' | 'SKIPPED';

export interface SpecReference {
  readonly id: string;
  readonly url: string;
}

/** One requirement and its verdict, with the members of a check of the conformance suite. */
export interface Check {
  readonly id: string;
  /** The requirement, as one sentence. */
  readonly description: string;
  readonly status: CheckStatus;
  /** What was seen instead, unless the check passed. Names no token. */
  readonly errorMessage?: string;
  readonly specReferences: readonly SpecReference[];
}

/** A requirement before anybody looked. */
export interface Requirement {
  readonly id: string;
  readonly description: string;
  readonly level: 'MUST' | 'SHOULD';
  readonly specReferences: readonly SpecReference[];
}

/** The verdict: passed if there is nothing to complain about. */
export function judge({ level, ...requirement }: Requirement, complaint: string | undefined): Check {
  if (complaint === undefined) return { ...requirement, status: 'SUCCESS' };
  return { ...requirement, status: level === 'MUST' ? 'FAILURE' : 'WARNING', errorMessage: complaint };
}

/**
 * The verdict on a requirement that could not be looked at. It is no pass: otherwise a server that lacks what the check
 * needs would seem to be right.
 */
export function notTestable(requirement: Requirement, reason: string): Check {
  return judge(requirement, `Not testable: ${reason}`);
}

/** The verdict on a requirement that does not bind this server. */
export function skipped({ id, description, specReferences }: Requirement, reason: string): Check {
  return { id, description, specReferences, status: 'SKIPPED', errorMessage: reason };
}
