import { showValue } from '../../core/safe-text.js';
import { ownMember } from '../../core/record.js';
import { isJson } from '../../core/media-type.js';
import type { AuthorizationAnswers, AuthorizationServerFacts } from './authorization-server.facts.js';
import { ok, problem, notVerifiable, type Check } from './check.js';
import { isRefusedOrSecured } from './refusal.checks.js';
import { checkRegistration } from './registration.checks.js';
import { describe, documentOf, errorText, isPassing, isRefusal, type ProbeResult } from './probe-result.js';
import { mayRead } from './cross-origin.js';

/** Checks how the endpoints of an authorization server behave. */
export function checkEndpoints(facts: AuthorizationServerFacts): Check[] {
  return [
    ...checkRegistration(facts),
    asksWhoIntrospects(facts),
    hasNoPlainTwin(facts),
    letsPagesIn(facts),
    keepsTokensOutOfCaches(facts),
    ...refusesBadRequests(facts.authorization),
  ].filter((check) => check !== undefined);
}

/**
 * Checks the answer about an invented token. `active: false` proves nothing: a server may answer so to a client that may not
 * introspect (RFC 7662 §2.2). `active: true` shows that the server answers any client, and wrongly.
 *
 * @see RFC 7662 §2.1
 */
function asksWhoIntrospects({ introspection }: AuthorizationServerFacts): Check {
  if (!introspection) return notVerifiable('AS-17', 'it has no introspection endpoint');
  const seen = `introspection without credentials: ${describe(introspection)}`;
  if (introspection.kind === 'answer' && [400, 401, 403].includes(introspection.status)) return ok('AS-17', seen);
  const answer = documentOf(introspection);
  if (answer && ownMember(answer, 'active') === true) {
    const consequence = 'it calls an invented token active, and answers any client (RFC 7662 §4)';
    const remedy = 'let only clients that authenticate introspect, and answer {"active":false} to unknown tokens';
    return problem('error', 'AS-17', { seen: `${seen}, active is true`, consequence, remedy });
  }
  if (answer && ownMember(answer, 'active') === false) {
    return notVerifiable('AS-17', `${seen}, active is false: only a live token shows whether it answers any client`);
  }
  return notVerifiable('AS-17', `${seen}, which says nothing about who may ask`);
}

/** Needs no check of its own for certificates: with a bad one, there would be no answers. */
function hasNoPlainTwin({ issuer, twin, forms }: AuthorizationServerFacts): Check {
  if (!issuer.startsWith('https:')) return notVerifiable('AS-19', 'the issuer is not https');
  if (!forms.some((seen) => seen.kind === 'answer')) return notVerifiable('AS-19', 'nobody answers');
  const certificate = 'its certificate is accepted, with TLS 1.2 or later';
  if (!twin) return ok('AS-19', certificate);
  if (twin.kind === 'no-answer' || isRefusedOrSecured(twin))
    return ok('AS-19', `${certificate}, and plain http leads nowhere else`);
  const consequence = 'a user who leaves out the "s" signs in where others can read the traffic';
  return problem('warning', 'AS-19', {
    seen: `over plain http: ${describe(twin)}`,
    consequence,
    remedy: 'redirect to https, or close the port',
  });
}

function letsPagesIn({ forms, keys, tokenPreflight, pageOrigin, document }: AuthorizationServerFacts): Check {
  if (!document) return notVerifiable('AS-20', 'there is no metadata to read');
  const places: readonly (readonly [name: string, seen: ProbeResult | undefined])[] = [
    ['metadata', forms.find(documentOf)],
    ['keys', keys],
    ['token endpoint', tokenPreflight],
  ];
  const asked = places.flatMap(([name, seen]) =>
    seen?.kind === 'answer' && !isPassing(seen) ? [{ name, isOpen: mayRead(seen.headers, pageOrigin) }] : [],
  );
  const closed = asked.filter(({ isOpen }) => !isOpen).map(({ name }) => name);
  if (closed.length === 0)
    return ok('AS-20', `clients in a browser can use: ${asked.map(({ name }) => name).join(', ')}`);
  return problem('warning', 'AS-20', {
    seen: `no Access-Control-Allow-Origin for ${pageOrigin}: ${closed.join(', ')}`,
    consequence: 'clients in a browser cannot sign in; others can',
    remedy: 'allow the origins of such clients, if there are to be any',
  });
}

/** @see OAuth 2.1 §3.2.3 */
function keepsTokensOutOfCaches({ token }: AuthorizationServerFacts): Check {
  if (!token)
    return notVerifiable('AS-21', 'needs an issuer as argument, --client-id, and the secret in MCP_AUTH_CLIENT_SECRET');
  const said = `token endpoint: ${describe(token)}${errorText(token)}`;
  // Refusals count, too, but not the answers of an endpoint that is missing or down.
  if (token.kind === 'no-answer' || ![200, 400, 401].includes(token.status)) return notVerifiable('AS-21', said);
  const isKept = /\bno-store\b/i.test(token.headers.get('cache-control') ?? '');
  if (isKept && isJson(token.contentType))
    return ok('AS-21', `the token endpoint answers ${token.status}, as JSON and with no-store`);
  const seen = `${said}, Cache-Control ${showValue(token.headers.get('cache-control'))}`;
  const level = token.status === 200 ? 'error' : 'warning';
  const consequence = 'tokens stay in caches, or clients cannot read the answer';
  return problem(level, 'AS-21', {
    seen,
    consequence,
    remedy: 'answer as application/json with Cache-Control: no-store',
  });
}

function refusesBadRequests(answers: AuthorizationAnswers | undefined): Check[] {
  if (!answers) return [notVerifiable('AS-22', 'needs --client-id, and --redirect-uri for what it says about PKCE')];
  const { unregistered, unregisteredUri, withoutPkce, plainPkce } = answers;
  return [
    comparesRedirects(unregistered, unregisteredUri),
    withoutPkce
      ? insistsOnPkce('without PKCE', withoutPkce)
      : notVerifiable('AS-22', 'PKCE was not tried: needs --redirect-uri'),
    ...(plainPkce ? [insistsOnPkce('with PKCE "plain"', plainPkce)] : []),
  ];
}

/** A page in answer proves nothing: it may show an error, or ask the user to sign in first. */
function comparesRedirects(seen: ProbeResult, unregisteredUri: string): Check {
  const text = `an address that is not registered: ${describe(seen)}`;
  if (isRefusal(seen)) return ok('AS-22', text);
  if (seen.kind === 'no-answer' || !seen.headers.get('location')?.startsWith(unregisteredUri)) {
    return notVerifiable('AS-22', `${text}, which does not tell whether it is refused`);
  }
  return problem('error', 'AS-22', {
    seen: 'it redirects to an address that the client has not registered',
    consequence: 'an attacker can receive the codes of users',
    remedy: 'compare redirect_uri with the registered ones, letter by letter (OAuth 2.1 §4.1.1)',
  });
}

/** A refusal is an error status or a redirect with `error`. A page or any other redirect continues to the sign-in. */
function insistsOnPkce(how: string, seen: ProbeResult): Check {
  const location = seen.kind === 'answer' ? (seen.headers.get('location') ?? '') : '';
  if (isRefusal(seen) || /[?&#]error=/.test(location)) return ok('AS-22', `an authorization request ${how} is refused`);
  if (seen.kind === 'no-answer' || seen.status >= 400)
    return notVerifiable('AS-22', `an authorization request ${how}: ${describe(seen)}`);
  return problem('warning', 'AS-22', {
    seen: `an authorization request ${how} goes on: status ${seen.status}`,
    consequence: 'an attacker can use stolen codes of clients that forget PKCE',
    remedy: 'require PKCE with S256 for every client',
  });
}
