import { parseChallenges, type Challenge } from '../../core/challenge-parser.js';
import type { ProbeResult } from './probe-result.js';

/** The Bearer challenge as a client would read it, or why there is none. */
export type ReadChallenge =
  | { readonly bearer: Challenge }
  | { readonly flaw: 'absent' | 'malformed' | 'no Bearer challenge' };

/** The one Bearer challenge among all there are. */
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

/** The error that the challenge of an answer names, if there is one. */
export function challengeError(seen: ProbeResult): string | undefined {
  const challenge = readChallenge(seen);
  return 'bearer' in challenge ? challenge.bearer.params['error'] : undefined;
}
