import { parseChallenges, type Challenge } from '../../core/challenge-parser.js';
import type { ProbeResult } from './probe-result.js';

/** The challenges as a client reads them, or why they cannot be read. */
export type ReadChallenge =
  | {
      /** The challenge that clients sign in by: the Bearer challenge, or that of DPoP where it is the only one. */
      readonly main: Challenge;
      readonly bearer: Challenge | undefined;
      readonly dpop: Challenge | undefined;
    }
  | { readonly flaw: 'absent' | 'malformed' | 'no Bearer or DPoP challenge' };

/** Finds the first Bearer challenge of an answer, and the first one of DPoP. */
export function readChallenge(seen: ProbeResult): ReadChallenge {
  const header = seen.kind === 'answer' ? seen.headers.get('www-authenticate') : null;
  if (header === null) return { flaw: 'absent' };
  try {
    const challenges = parseChallenges(header);
    const [bearer, dpop] = ['bearer', 'dpop'].map((name) =>
      challenges.find(({ scheme }) => scheme.toLowerCase() === name),
    );
    const main = bearer ?? dpop;
    return main ? { main, bearer, dpop } : { flaw: 'no Bearer or DPoP challenge' };
  } catch {
    return { flaw: 'malformed' };
  }
}

/** The `error` in the challenges of an answer; undefined if there is none. */
export function challengeError(seen: ProbeResult): string | undefined {
  const read = readChallenge(seen);
  return 'main' in read ? (read.bearer?.params['error'] ?? read.dpop?.params['error']) : undefined;
}
