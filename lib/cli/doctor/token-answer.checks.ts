import { ok, problem, notVerifiable, type Check } from './check.js';
import { challengeError } from './read-challenge.js';
import { describe, isPassing, type ProbeResult } from './probe-result.js';
import type { TokenVerdict } from './token.checks.js';

const ID = 'MCP-26-RS-02';

/** Compares the answer of the MCP server to the token with the verdict of the library. */
export function checkTokenAnswer(answer: ProbeResult, verdict: TokenVerdict): Check {
  if (answer.kind === 'no-answer')
    return notVerifiable(ID, `the token was not sent, or not answered: ${describe(answer)}`);
  const { status } = answer;
  const seen = `the server answers ${status}${errorOf(answer)}`;
  if (status === 503) {
    const consequence = 'the server cannot tell whether the token is good';
    return problem('warning', ID, {
      seen,
      consequence,
      remedy: 'see in its log why it does not reach the authorization server',
    });
  }
  if (isPassing(answer)) return notVerifiable(ID, `${seen}, which says nothing about the token`);
  if (verdict === 'unknown') return notVerifiable(ID, `${seen}; what to expect is not known`);
  if (verdict === 'opaque') return ofOpaqueToken(seen, status);
  if (verdict === 'refused') return ofBadToken(seen, status);
  return ofGoodToken(seen, status, verdict);
}

/** Checks an opaque token by the answer of the MCP server alone: only its authorization server can introspect it. */
function ofOpaqueToken(seen: string, status: number): Check {
  if (status !== 401) return ok(ID, `${seen}: it knows what the token stands for`);
  return problem('error', ID, {
    seen: `${seen}, and the token is opaque`,
    consequence: 'clients cannot use the server with such a token',
    remedy:
      'see that the token is not over; if the authorization server issues opaque tokens by intent, let the MCP server ask it about them (option introspection); else have it issue JWTs for this resource, which some servers do only for clients that ask with the parameter resource, or name an audience',
  });
}

function ofBadToken(seen: string, status: number): Check {
  if (status === 401) return ok(ID, `${seen}, as expected of this token`);
  if (status >= 400) {
    const consequence = 'clients request a new token only after 401';
    return problem('warning', ID, {
      seen: `${seen}, and 401 is expected`,
      consequence,
      remedy: 'answer 401 with error="invalid_token" to every bad token',
    });
  }
  return problem('error', ID, {
    seen: `${seen}, and 401 is expected`,
    consequence: 'the server accepts a token that is invalid or was issued for another server',
    remedy: 'see the rows above; if the server is right to accept another audience, name it with --audience',
  });
}

function ofGoodToken(seen: string, status: number, verdict: TokenVerdict): Check {
  const expected = verdict === 'accepted' ? 'acceptance' : '403 insufficient_scope';
  const isExpected = verdict === 'accepted' ? status < 300 : status === 403;
  if (isExpected) return ok(ID, `${seen}, as expected`);
  if (verdict !== 'accepted' && status < 300)
    return ok(ID, `${seen}: this call does not need the scopes of the challenge`);
  return problem('error', ID, {
    seen: `${seen}, and ${expected} is expected`,
    consequence: 'clients cannot use the server with such a token',
    remedy:
      'see the log of the server: it may have another issuer, audience, algorithm or profile configured, or another time',
  });
}

/** The error code that the server names. Never other text, which could contain parts of the token. */
function errorOf(answer: ProbeResult): string {
  const error = challengeError(answer);
  if (error === undefined) return '';
  return /^[a-z]+(?:_[a-z]+)*$/.test(error) && error.length <= 40
    ? ` with the error ${error}`
    : ' with an error that is not a code';
}
