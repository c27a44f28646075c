import { parseChallenges, type Challenge } from '../../core/challenge-parser.js';
import type { ProbeResult } from './probe-result.js';

/** The Bearer challenge as a client reads it, or why it cannot be read. */
export type ReadChallenge =
  | { readonly bearer: Challenge }
  | { readonly flaw: 'absent' | 'malformed' | 'no Bearer challenge' };

/** Finds the first Bearer challenge of an answer. */
export function readChallenge(seen: ProbeResult): ReadChallenge {
  const header = seen.kind === 'answer' ? seen.headers.get('www-authenticate') : null;
  if (header === null) return { flaw: 'absent' };
  try {
    const bearer = parseChallenges(header).find(({ scheme }) => scheme.toLowerCase() === 'bearer');
    return bearer ? { bearer } : { flaw: 'no Bearer challenge' };
  } catch {
    return { flaw: 'malformed' };
  }
}

/** The `error` in the challenge of an answer; undefined if there is none. */
export function challengeError(seen: ProbeResult): string | undefined {
  const challenge = readChallenge(seen);
  return 'bearer' in challenge ? challenge.bearer.params['error'] : undefined;
}
