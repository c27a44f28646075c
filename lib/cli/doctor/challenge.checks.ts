import type { Challenge } from '../../core/challenge-parser.js';
import { AUTHORIZATION_SERVER_SCOPES, isScopeToken } from '../../core/scopes.js';
import { showValue } from '../../core/safe-text.js';
import { ok, problem, notVerifiable, type Check } from './check.js';
import { challengeScopes, isSecureText, type McpServerFacts } from './mcp-server.facts.js';
import { statusOf } from './probe-result.js';

const ROWS = ['MCP-25-RS-02', 'RFC6750-3.1-a', 'MCP-26-RS-08', 'MCP-26-RS-11'];

/** Checks the challenge to a call without a token. */
export function checkChallenge(facts: McpServerFacts): Check[] {
  const { challenge } = facts;
  if (!('main' in challenge))
    return [missing(facts), ...ROWS.map((id) => notVerifiable(id, 'there is no challenge to read'))];
  const { main, bearer } = challenge;
  return [
    ok('RFC9110-15.5.2-a', `the challenge is well-formed, and of the scheme ${bearer ? 'Bearer' : 'DPoP'}`),
    namesMetadata(main, facts),
    accusesNobody(main),
    namesScopes(main),
    asksForNoServerScopes(challengeScopes(facts)),
  ];
}

function missing({ post, challenge }: McpServerFacts): Check {
  const id = 'RFC9110-15.5.2-a';
  const flaw = 'flaw' in challenge ? challenge.flaw : undefined;
  const isExpected = statusOf(post) === 401;
  const header = post.kind === 'answer' ? post.headers.get('www-authenticate') : null;
  const seen = flaw === 'absent' ? 'there is no WWW-Authenticate' : `WWW-Authenticate is ${showValue(header)}: ${flaw}`;
  if (flaw === 'absent' && !isExpected) return notVerifiable(id, 'only a 401 has a challenge');
  const consequence = 'clients are not told how to sign in';
  return problem('error', id, {
    seen,
    consequence,
    remedy: 'send WWW-Authenticate: Bearer resource_metadata="…", each parameter once and in quotes',
  });
}

function namesMetadata({ params }: Challenge, { isLocal }: McpServerFacts): Check {
  const id = 'MCP-25-RS-02';
  const value = params['resource_metadata'];
  if (isSecureText(value, isLocal)) return ok(id, `resource_metadata is ${showValue(value)}`);
  const seen =
    value === undefined ? 'the challenge has no resource_metadata' : `resource_metadata is ${showValue(value)}`;
  const consequence = 'clients have to guess where the metadata is, and some do not';
  return problem('error', id, {
    seen,
    consequence,
    remedy: 'name the absolute https URL of the metadata in every challenge',
  });
}

/** @see RFC 6750 §3.1 */
function accusesNobody({ params }: Challenge): Check {
  const id = 'RFC6750-3.1-a';
  const found = ['error', 'error_description', 'error_uri'].filter((name) => name in params);
  if (found.length === 0) return ok(id, 'the challenge to a call without a token has no error');
  const seen = `the challenge to a call without a token has ${found.map((name) => `${name}=${showValue(params[name])}`).join(', ')}`;
  const consequence = 'clients believe that a token was refused, and throw theirs away';
  return problem('warning', id, { seen, consequence, remedy: 'leave error out where no token came' });
}

function namesScopes({ params }: Challenge): Check {
  const id = 'MCP-26-RS-08';
  const scope = params['scope'];
  if (scope === undefined) {
    const consequence = 'clients ask for every scope that the metadata lists, or for none';
    return problem('note', id, {
      seen: 'the challenge has no scope',
      consequence,
      remedy: 'name the scopes that every call needs, if there are any',
    });
  }
  if (scope.split(' ').every(isScopeToken)) return ok(id, `the challenge asks for the scopes ${showValue(scope)}`);
  const consequence = 'clients ask for scopes that do not exist';
  return problem('warning', id, {
    seen: `scope is ${showValue(scope)}`,
    consequence,
    remedy: 'separate the names by single spaces (RFC 6749 §3.3)',
  });
}

/** @see MCP 2026-07-28, Authorization (SEP-2207) */
function asksForNoServerScopes(scopes: readonly string[]): Check {
  const id = 'MCP-26-RS-11';
  const found = scopes.filter((scope) => AUTHORIZATION_SERVER_SCOPES.has(scope));
  if (found.length === 0)
    return ok(id, 'the challenge asks for nothing that is between client and authorization server');
  const consequence = 'whether a client stays signed in is not for the MCP server to say';
  return problem('warning', id, {
    seen: `the challenge asks for ${found.join(', ')}`,
    consequence,
    remedy: `leave ${found.join(', ')} out`,
  });
}
