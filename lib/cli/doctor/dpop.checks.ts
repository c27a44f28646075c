import { showValue } from '../../core/safe-text.js';
import { ok, problem, notVerifiable, type Check } from './check.js';
import { DPOP_ALGORITHMS, DPOP_REQUIRED, type DpopOffer } from './dpop-offer.js';
import type { McpServerFacts } from './mcp-server.facts.js';
import { describe, isPassing, type ProbeResult } from './probe-result.js';
import { challengeError, readChallenge } from './read-challenge.js';

/** Checks what the server says about tokens that are bound to a key, and how it answers an invented one. */
export function checkDpop({ dpop, boundGarbage }: McpServerFacts): Check[] {
  if (!dpop) return [ok('RFC9728-2-e', 'it accepts no tokens that are bound to a key (DPoP), which is optional')];
  return [...isTruthful(dpop), namesAlgorithms(dpop), ...answersBoundTokens(boundGarbage)];
}

const READ_ONE = 'clients that read one of the two, and not the other, send the wrong kind of token';

/** @see RFC 9728 §2, RFC 9449 §7.1 */
function isTruthful(offer: DpopOffer): Check[] {
  const id = 'RFC9728-2-e';
  const found = [contradictsItself(offer), hidesDpop(offer), namesUnsound(offer), namesOthers(offer)];
  const problems = found.filter((one) => one !== undefined);
  const scope = offer.offersBearer ? 'bound to a key (DPoP), and others' : 'bound to a key (DPoP) only';
  return problems.length > 0 ? problems : [ok(id, `it accepts tokens that are ${scope}; metadata and challenge agree`)];
}

function contradictsItself({ isRequired, offersBearer, challenged }: DpopOffer): Check | undefined {
  const says = `${DPOP_REQUIRED} is ${isRequired ? '' : 'not '}true`;
  if (isRequired && offersBearer)
    return problem('warning', 'RFC9728-2-e', {
      seen: `${says}, and the challenge offers Bearer`,
      consequence: READ_ONE,
      remedy: 'offer only DPoP in the challenge, or do not require it in the metadata',
    });
  if (isRequired || offersBearer || !challenged) return undefined;
  return problem('warning', 'RFC9728-2-e', {
    seen: `${says}, and the challenge offers DPoP alone`,
    consequence: READ_ONE,
    remedy: `publish ${DPOP_REQUIRED} as true, or offer Bearer, too`,
  });
}

function hidesDpop({ published, challenged }: DpopOffer): Check | undefined {
  if (!challenged)
    return problem('warning', 'RFC9728-2-e', {
      seen: 'the metadata says that it accepts DPoP, and the challenge does not offer it',
      consequence: 'clients do not learn from the challenge that they may use DPoP',
      remedy: 'add a challenge of the scheme DPoP (RFC 9449 §7.1)',
    });
  if (published) return undefined;
  return problem('note', 'RFC9728-2-e', {
    seen: `the challenge offers DPoP, and ${DPOP_ALGORITHMS} is missing`,
    consequence: 'clients that read the metadata before their first request use no DPoP',
    remedy: `publish ${DPOP_ALGORITHMS}`,
  });
}

function namesUnsound({ published = [], challenged = [] }: DpopOffer): Check | undefined {
  const unsound = [...new Set([...published, ...challenged])].filter((name) => /^(?:none|HS\d*)$/i.test(name));
  if (unsound.length === 0) return undefined;
  return problem('error', 'RFC9728-2-e', {
    seen: `it names ${showValue(unsound)} for proofs`,
    consequence: 'anybody can make such a proof',
    remedy: 'accept asymmetric algorithms only, such as "ES256"',
  });
}

function namesOthers({ published, challenged }: DpopOffer): Check | undefined {
  if (!published || !challenged || challenged.length === 0) return undefined;
  const [one, other] = [published.toSorted(), challenged.toSorted()];
  if (one.join(' ') === other.join(' ')) return undefined;
  return problem('warning', 'RFC9728-2-e', {
    seen: `${DPOP_ALGORITHMS} is ${showValue(published)}, and the challenge has algs ${showValue(challenged)}`,
    consequence: 'clients make proofs that are refused',
    remedy: 'name the algorithms that are accepted in both places',
  });
}

/** @see RFC 9449 §7.1 */
function namesAlgorithms({ challenged }: DpopOffer): Check {
  const id = 'RFC9449-7.1-b';
  if (!challenged) return notVerifiable(id, 'there is no challenge of the scheme DPoP');
  if (challenged.length > 0) return ok(id, `the DPoP challenge has algs ${showValue(challenged)}`);
  return problem('note', id, {
    seen: 'the DPoP challenge has no algs',
    consequence: 'clients have to guess an algorithm for their proofs',
    remedy: 'name the accepted algorithms in algs',
  });
}

/** The answer to an invented token with a good proof. A server may ask for a nonce before it looks at the token. */
function answersBoundTokens(answer: ProbeResult | undefined): Check[] {
  const id = 'RFC9449-7.1-a';
  if (!answer) return [notVerifiable(id, 'the doctor has no key for the algorithms that it accepts')];
  const seen = `with an invented token and a good proof: ${describe(answer)}`;
  if (answer.kind === 'no-answer' || isPassing(answer)) return [notVerifiable(id, seen)];
  if (answer.status < 300) {
    const remedy = 'verify token and proof of every request';
    return [problem('error', id, { seen, consequence: 'any text is accepted as a token', remedy })];
  }
  const read = readChallenge(answer);
  const error = 'main' in read ? read.dpop?.params['error'] : undefined;
  const isRight = answer.status === 401 && error !== undefined;
  const remedy = 'answer 401 with an error in the challenge of the scheme DPoP';
  const consequence = 'clients with a key do not learn that their token or proof was refused';
  const answered = isRight
    ? ok(id, `with an invented token and a good proof: 401, ${error}`)
    : problem('warning', id, { seen: `${seen}, no error for the scheme DPoP`, consequence, remedy });
  return [answered, ...givesNonce(answer)];
}

/** Whether an answer that asks for a nonce brings one; empty if it does not ask. @see RFC 9449 §9 */
export function givesNonce(answer: ProbeResult): Check[] {
  const id = 'RFC9449-9-a';
  if (answer.kind === 'no-answer' || challengeError(answer) !== 'use_dpop_nonce') return [];
  const nonce = answer.headers.get('dpop-nonce');
  if (nonce !== null && /^[\x21\x23-\x5B\x5D-\x7E]+$/.test(nonce))
    return [ok(id, 'it asks for a nonce, and gives one')];
  return [
    problem('error', id, {
      seen: nonce === null ? 'it asks for a nonce, and DPoP-Nonce is missing' : 'DPoP-Nonce is not one nonce',
      consequence: 'clients cannot make the proof that it asks for',
      remedy: 'send exactly one DPoP-Nonce with error="use_dpop_nonce"',
    }),
  ];
}
