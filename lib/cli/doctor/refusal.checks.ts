import { showValue } from '../../core/safe-text.js';
import { ok, problem, notVerifiable, type Check } from './check.js';
import type { McpServerFacts } from './mcp-server.facts.js';
import { challengeError } from './read-challenge.js';
import { describe, isNotThere, isPassing, isRefusal, type Answer } from './probe-result.js';
import { lists, mayRead } from './cross-origin.js';

/** Checks whether the server refuses bad requests, and how. */
export function checkRefusals(facts: McpServerFacts): Check[] {
  return RULES.map((rule) => rule(facts)).filter((check) => check !== undefined);
}

const RULES: readonly ((facts: McpServerFacts) => Check | undefined)[] = [
  isEncrypted,
  hasNoPlainTwin,
  refusesWithoutToken,
  refusesStreams,
  refusesUnknownToken,
  saysThatTokenIsBad,
  ignoresQuery,
  keepsRefusalsOutOfCaches,
  answersPreflight,
  letsPagesReadChallenge,
  refusesForeignPages,
  hasTheRightTime,
];

const OPEN = 'anybody can use the server without signing in';
const GUARD_IT = 'answer 401 with a challenge before anything else looks at the request';

function isEncrypted({ url, isLocal }: McpServerFacts): Check {
  const id = 'OA21-1.5-a';
  if (url.startsWith('https:')) return ok(id, 'the server is reached by https');
  const seen = `the URL is ${showValue(url)}`;
  if (isLocal)
    return problem('note', id, {
      seen,
      consequence: 'only clients on this machine can reach it',
      remedy: 'give it an https URL before others are to use it',
    });
  const consequence = 'tokens can be read on their way, and clients refuse the server';
  return problem('error', id, {
    seen,
    consequence,
    remedy: 'serve it by https only, or put a proxy that does before it',
  });
}

function hasNoPlainTwin({ url, twin }: McpServerFacts): Check | undefined {
  const id = 'OA21-1.5-a';
  if (!url.startsWith('https:')) return undefined;
  if (!twin) return notVerifiable(id, 'plain http was not tried: the URL has a port of its own');
  if (twin.kind === 'no-answer') return ok(id, 'nobody answers over plain http');
  if (isRefusedOrSecured(twin)) return ok(id, `over plain http: ${describe(twin)}`);
  const consequence = 'a client that leaves the "s" out sends its token in the clear, and nobody notices';
  return problem('error', id, {
    seen: `over plain http: ${describe(twin)}`,
    consequence,
    remedy: 'redirect to https, or close the port',
  });
}

/** Whether plain http is refused or redirected to https. A 401 is neither, because it asks for the token. */
export function isRefusedOrSecured({ status, headers }: Answer): boolean {
  if (status >= 300 && status < 400) return headers.get('location')?.startsWith('https:') === true;
  return status >= 400 && status !== 401;
}

function refusesWithoutToken({ post }: McpServerFacts): Check {
  const id = 'MCP-26-RS-06';
  const seen = `POST without a token: ${describe(post)}`;
  if (post.kind === 'no-answer')
    return problem('error', id, {
      seen,
      consequence: 'clients cannot reach the server',
      remedy: 'see that it runs at this very URL',
    });
  const { status } = post;
  if (status === 401) return ok(id, 'POST without a token: 401');
  if (status === 429) return notVerifiable(id, `${seen}: it was asked too often, try again later`);
  if (isPassing(post)) {
    const consequence = 'clients cannot reach the server at the moment';
    return problem('error', id, {
      seen,
      consequence,
      remedy: 'see that the server behind the gateway runs, and what its log says',
    });
  }
  if (status < 300) return problem('error', id, { seen, consequence: OPEN, remedy: GUARD_IT });
  if (status < 400)
    return problem('error', id, {
      seen,
      consequence: 'clients follow no redirects with a POST',
      remedy: 'give clients the URL that it leads to',
    });
  const remedy = [404, 405].includes(status)
    ? `see that the URL is that of the MCP endpoint, path included; if it is, ${GUARD_IT}`
    : GUARD_IT;
  return problem('error', id, { seen, consequence: 'clients take only 401 for "sign in", and give up', remedy });
}

function refusesStreams({ get }: McpServerFacts): Check {
  const id = 'MCP-25-RS-01';
  const seen = `GET without a token: ${describe(get)}`;
  if (get.kind === 'answer' && [401, 405].includes(get.status)) return ok(id, `GET without a token: ${get.status}`);
  if (get.kind === 'answer' && get.status >= 200 && get.status < 300) {
    const consequence = 'any client that connects may receive messages for others';
    return problem('error', id, { seen, consequence, remedy: 'guard every method of the endpoint, not only POST' });
  }
  if (isPassing(get)) return notVerifiable(id, seen);
  const consequence = 'clients that open a stream first are not told to sign in';
  return problem('warning', id, {
    seen,
    consequence,
    remedy: 'answer GET with 401 as well, or with 405 where there are no streams',
  });
}

function refusesUnknownToken({ garbage }: McpServerFacts): Check {
  const id = 'MCP-26-RS-05';
  const seen = `with a token that nobody issued: ${describe(garbage)}`;
  const status = garbage.kind === 'answer' ? garbage.status : undefined;
  if (status === 401) return ok(id, 'with a token that nobody issued: 401');
  if (status !== undefined && status < 300) {
    return problem('error', id, {
      seen,
      consequence: 'any text is accepted as a token',
      remedy: 'verify signature, issuer, audience and expiry of every token',
    });
  }
  if (status === 503) {
    const consequence = 'the server cannot tell good tokens from bad ones at the moment';
    return problem('warning', id, {
      seen,
      consequence,
      remedy: 'see in its log why it does not reach the authorization server',
    });
  }
  if (isPassing(garbage)) return notVerifiable(id, seen);
  const consequence = 'clients request a new token only after 401; otherwise they give up';
  return problem('error', id, {
    seen,
    consequence,
    remedy: 'answer 401 with error="invalid_token" to every bad token',
  });
}

function saysThatTokenIsBad({ garbage }: McpServerFacts): Check {
  const id = 'RFC6750-3-b';
  if (garbage.kind === 'no-answer' || garbage.status !== 401)
    return notVerifiable(id, 'a bad token is not answered with 401');
  const error = challengeError(garbage);
  if (error === 'invalid_token') return ok(id, 'the challenge to a bad token says invalid_token');
  const seen = `the challenge to a bad token has ${error === undefined ? 'no error' : `the error ${showValue(error)}`}`;
  const consequence = 'clients cannot tell a token that ended from one that was missing';
  return problem('warning', id, {
    seen,
    consequence,
    remedy: 'send error="invalid_token" when a token came and was refused',
  });
}

function ignoresQuery({ query, post }: McpServerFacts): Check {
  const id = 'OA21-5.1-a';
  const answered = `with a token in the query: ${describe(query)}`;
  // Ignored if the server says so for every call.
  const looksThere = challengeError(query) === 'invalid_token' && challengeError(post) !== 'invalid_token';
  const isServed = query.kind === 'answer' && query.status < 300;
  const openAnyway = post.kind === 'answer' && post.status < 300;
  if (openAnyway) return notVerifiable(id, 'the server asks for no token');
  if (isPassing(query) || (query.kind === 'answer' && query.status >= 500)) return notVerifiable(id, answered);
  if (!looksThere && !isServed) return ok(id, 'a token in the query does not count');
  const seen = isServed ? answered : `${answered}, and the challenge says invalid_token`;
  const consequence = 'tokens end up in logs and histories; OAuth 2.1 §5.1 has them ignored there';
  return problem('error', id, { seen, consequence, remedy: 'take tokens from the Authorization header only' });
}

function keepsRefusalsOutOfCaches({ post }: McpServerFacts): Check {
  const id = 'LIB-07';
  if (post.kind === 'no-answer' || ![400, 401, 403].includes(post.status))
    return notVerifiable(id, 'there is no refusal');
  const value = post.headers.get('cache-control');
  if (/\bno-store\b/i.test(value ?? '')) return ok(id, 'the refusal has Cache-Control: no-store');
  const seen =
    value === null ? 'the refusal has no Cache-Control' : `the refusal has Cache-Control: ${showValue(value)}`;
  return problem('warning', id, {
    seen,
    consequence: 'a cache may answer 401 to users who have signed in',
    remedy: 'send Cache-Control: no-store with every refusal',
  });
}

function answersPreflight({ preflight, pageOrigin, challenge }: McpServerFacts): Check {
  const id = 'LIB-02';
  const seen = `preflight from ${pageOrigin}: ${describe(preflight)}`;
  if (preflight.kind === 'answer' && preflight.status === 401) {
    const consequence = 'no client in a browser can start to sign in';
    return problem('warning', id, {
      seen,
      consequence,
      remedy: 'let the CORS layer answer OPTIONS before the token is asked for',
    });
  }
  if (isPassing(preflight)) return notVerifiable(id, seen);
  const allowed =
    preflight.kind === 'answer' &&
    preflight.status < 300 &&
    mayRead(preflight.headers, pageOrigin) &&
    // The wildcard does not cover this header (Fetch §4.9).
    (preflight.headers.get('access-control-allow-headers') ?? '').toLowerCase().includes('authorization');
  const needsProof = 'main' in challenge && challenge.dpop !== undefined;
  if (allowed && needsProof && !lists(preflight.headers, 'access-control-allow-headers', 'dpop')) {
    const remedy = 'add DPoP to the allowed header fields of CORS';
    const lacking = 'pages may call the server, but not send the header field DPoP';
    return problem('note', id, { seen: lacking, consequence: 'clients in a browser can send no proofs', remedy });
  }
  if (allowed) return ok(id, `pages of ${pageOrigin} may call the server`);
  const consequence = 'clients in a browser cannot use the server; others can';
  return problem('note', id, {
    seen: `${seen}, which allows no call`,
    consequence,
    remedy: 'if they are to, turn on CORS for their origins',
  });
}

function letsPagesReadChallenge({ fromPage, pageOrigin }: McpServerFacts): Check {
  const id = 'RFC9449-7.1-d';
  if (fromPage.kind === 'no-answer' || !fromPage.headers.has('www-authenticate'))
    return notVerifiable(id, 'there is no challenge');
  const isExposed = lists(fromPage.headers, 'access-control-expose-headers', 'www-authenticate');
  const isReadable = mayRead(fromPage.headers, pageOrigin);
  if (isExposed && isReadable) return ok(id, `pages of ${pageOrigin} can read the challenge`);
  const consequence = 'clients in a browser do not see what the challenge says';
  if (!isExposed) {
    const remedy = 'send Access-Control-Expose-Headers: WWW-Authenticate with every challenge';
    return problem('warning', id, {
      seen: 'the challenge is not exposed to pages of other origins',
      consequence,
      remedy,
    });
  }
  const remedy = 'if they are to use the server, let the CORS layer run before the token is asked for';
  return problem('note', id, {
    seen: `the challenge has no Access-Control-Allow-Origin for ${pageOrigin}`,
    consequence,
    remedy,
  });
}

function refusesForeignPages({ fromForeignPage }: McpServerFacts): Check {
  const id = 'MCP-TR-01';
  if (!fromForeignPage) return notVerifiable(id, 'which origins a server elsewhere should accept is not known here');
  const seen = `on this machine, from a page of another origin: ${describe(fromForeignPage)}`;
  if (fromForeignPage.kind === 'no-answer' || fromForeignPage.headers.has('location')) return notVerifiable(id, seen);
  const { status } = fromForeignPage;
  if (isRefusal(fromForeignPage) && status !== 401) return ok(id, seen);
  if (isPassing(fromForeignPage) || isNotThere(fromForeignPage) || status >= 500) return notVerifiable(id, seen);
  const level = status === 401 ? 'warning' : 'error';
  const consequence = 'any page that is open in a browser here can reach the server (DNS rebinding)';
  return problem(level, id, { seen, consequence, remedy: 'answer 403 to an Origin that is not on a list' });
}

const [SKEW_WARNING_MS, SKEW_ERROR_MS] = [5_000, 60_000];

/** `Date` has whole seconds, so a difference below one second does not count. */
function hasTheRightTime({ post }: McpServerFacts): Check {
  const id = 'RFC9068-4-e';
  const date = post.kind === 'answer' ? Date.parse(post.headers.get('date') ?? '') : Number.NaN;
  if (post.kind === 'no-answer' || Number.isNaN(date))
    return notVerifiable(id, 'the server does not say what time it is');
  const skew = date > post.cameAt ? date - post.cameAt : Math.max(0, post.askedAt - date - 999);
  if (skew <= SKEW_WARNING_MS) return ok(id, 'its clock and this one agree');
  const seen = `its clock is ${Math.round(skew / 1000)} s ${date > post.cameAt ? 'ahead of' : 'behind'} this one`;
  const consequence = 'tokens seem to have expired, or not to be valid yet';
  return problem(skew > SKEW_ERROR_MS ? 'error' : 'warning', id, {
    seen,
    consequence,
    remedy: 'set both clocks by NTP',
  });
}
