import type { BoundTokenAnswers } from './bound-token.facts.js';
import { ok, problem, notVerifiable, type Check } from './check.js';
import { givesNonce } from './dpop.checks.js';
import { describe, isPassing, type ProbeResult } from './probe-result.js';
import { checkTokenAnswer } from './token-answer.checks.js';
import type { TokenVerdict } from './token.checks.js';

const NO_KEY = 'needs the key of the token: --dpop-key-file or MCP_AUTH_DPOP_KEY';

/** Compares the answers of the MCP server to a token that is bound to a key with what is expected of them. */
export function checkBoundToken(answers: BoundTokenAnswers, verdict: TokenVerdict): Check[] {
  const { good, asBearer, otherKey } = answers;
  const withKey = good
    ? [checkTokenAnswer(good, verdict), ...ofHolder(answers, good)]
    : [notVerifiable('MCP-26-RS-02', `the token was not sent with a proof: ${NO_KEY}`)];
  const isTelling = verdict !== 'refused';
  return [
    ...withKey,
    refuses(asBearer, isTelling, {
      id: 'RFC9449-7.2-a',
      what: 'the token as a Bearer token',
      remedy: 'refuse tokens that have cnf if they come with the scheme Bearer (RFC 9449 §7.2)',
    }),
    refuses(otherKey, isTelling, {
      id: 'RFC9449-4.3-12b',
      what: 'a proof by another key',
      remedy: 'compare the thumbprint of the key in the proof with cnf.jkt',
    }),
  ];
}

function ofHolder({ again, otherUrl, nonceAsked }: BoundTokenAnswers, good: ProbeResult): Check[] {
  const isTelling = wasAccepted(good);
  return [
    ...(nonceAsked ? givesNonce(nonceAsked) : [ok('RFC9449-9-a', 'it asks for no nonce, which is optional')]),
    refuses(otherUrl, isTelling, {
      id: 'RFC9449-4.3-9',
      what: 'a proof for another URL',
      remedy: 'compare htu with the public URL of the request',
    }),
    countsProofs(again, isTelling),
  ];
}

/** A 403 shows that token and proof were accepted. */
function wasAccepted(answer: ProbeResult): boolean {
  return answer.kind === 'answer' && (answer.status < 300 || answer.status === 403);
}

interface ExpectedRefusal {
  readonly id: string;
  /** What was sent. */
  readonly what: string;
  readonly remedy: string;
}

/** @param isTelling whether the server does not refuse the token anyway */
function refuses(answer: ProbeResult | undefined, isTelling: boolean, { id, what, remedy }: ExpectedRefusal): Check {
  if (!answer) return notVerifiable(id, `${what} was not sent`);
  const seen = `${what}: ${describe(answer)}`;
  if (!isTelling || isPassing(answer)) return notVerifiable(id, `${seen}, which says nothing about the proof`);
  if (wasAccepted(answer))
    return problem('error', id, { seen, consequence: 'whoever has the token can use it without its key', remedy });
  if (answer.kind === 'answer' && answer.status === 401) return ok(id, `${what}: 401`);
  return problem('warning', id, {
    seen: `${seen}, and 401 is expected`,
    consequence: 'clients make another proof only after 401 (SEP-1932)',
    remedy: 'answer 401 with a challenge to every bad proof',
  });
}

/** @see RFC 9449 §11.1 */
function countsProofs(answer: ProbeResult | undefined, isTelling: boolean): Check {
  const id = 'RFC9449-11.1-a';
  if (!answer || !isTelling || isPassing(answer)) return notVerifiable(id, 'whether proofs are counted does not show');
  if (!wasAccepted(answer)) return ok(id, 'it refuses a proof that was used before');
  return problem('note', id, {
    seen: 'it accepts the same proof twice',
    consequence: 'whoever reads a request can repeat it for a few minutes',
    remedy: 'remember used proofs, in a store that all replicas share (RFC 9449 §11.1)',
  });
}
