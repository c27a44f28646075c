import { describe, expect, it } from '@jest/globals';
import type { AuthorizationServerFacts } from '../../lib/cli/doctor/authorization-server.facts.js';
import type { Check } from '../../lib/cli/doctor/check.js';
import { checkEndpoints } from '../../lib/cli/doctor/endpoint.checks.js';
import type { McpServerFacts } from '../../lib/cli/doctor/mcp-server.facts.js';
import { readChallenge } from '../../lib/cli/doctor/read-challenge.js';
import { checkRefusals } from '../../lib/cli/doctor/refusal.checks.js';
import type { Answer, ProbeResult } from '../../lib/cli/doctor/probe-result.js';
import { checkTokenAnswer } from '../../lib/cli/doctor/token-answer.checks.js';

const URL_OF_SERVER = 'http://127.0.0.1:3000/mcp';

function answer(status: number, body: unknown = {}, fields: Readonly<Record<string, string>> = {}): Answer {
  const base = {
    kind: 'answer',
    url: URL_OF_SERVER,
    contentType: 'application/json',
    flaw: undefined,
    askedAt: 0,
    cameAt: 0,
  } as const;
  return { ...base, status, text: JSON.stringify(body), headers: new Headers(fields) };
}

const SILENCE: ProbeResult = { kind: 'no-answer', url: URL_OF_SERVER, why: 'no answer' };

const CHALLENGE = {
  'www-authenticate': 'Bearer resource_metadata="http://127.0.0.1:3000/.well-known/oauth-protected-resource/mcp"',
};
const REFUSED = answer(401, {}, CHALLENGE);

function serverFacts(more: Partial<AuthorizationServerFacts>): AuthorizationServerFacts {
  const document = { issuer: URL_OF_SERVER };
  return {
    issuer: URL_OF_SERVER,
    isLocal: true,
    forms: [answer(200, document)],
    document,
    resource: undefined,
    pageOrigin: URL_OF_SERVER,
    ...more,
  };
}

function mcpFacts(more: Partial<McpServerFacts>): McpServerFacts {
  const asked = {
    post: REFUSED,
    fromPage: REFUSED,
    preflight: REFUSED,
    fromForeignPage: answer(403),
    get: REFUSED,
    garbage: REFUSED,
    query: REFUSED,
  };
  const places = {
    wellKnown: answer(200),
    wellKnownHead: answer(200),
    wellKnownPreflight: answer(204),
    advertised: undefined,
  };
  const base = {
    url: URL_OF_SERVER,
    isLocal: true,
    pageOrigin: URL_OF_SERVER,
    twin: undefined,
    challenge: readChallenge(REFUSED),
  };
  return { ...base, ...asked, ...places, ...more };
}

const levelOf = (checks: readonly Check[], id: string): string | undefined =>
  checks.find((check) => check.id === id)?.level;

/** They say that nobody looked, that the endpoint is elsewhere, or that it does not work at the moment. */
const UNJUDGED: readonly (readonly [string, ProbeResult])[] = [
  ['no answer', SILENCE],
  ['404', answer(404)],
  ['405', answer(405, {}, { allow: 'GET' })],
  ['410', answer(410)],
  ['415', answer(415)],
  ['429', answer(429, {}, { 'retry-after': '30' })],
  ['500', answer(500)],
  ['502', answer(502)],
  ['503', answer(503)],
  ['a redirect', answer(302, {}, { location: '/elsewhere' })],
  ['a page', { ...answer(200), contentType: 'text/html', text: '<html>' }],
  ['an empty answer', { ...answer(204), text: '' }],
];

describe('AS-17: introspection without credentials, of a token that nobody issued', () => {
  const judged = (introspection: ProbeResult): string | undefined =>
    levelOf(checkEndpoints(serverFacts({ introspection })), 'AS-17');

  it.each(UNJUDGED)('is not judged by %s', (_what, seen) => expect(judged(seen)).toBe('unseen'));

  it.each([400, 401, 403])('is as it should be where the answer is %s', (status) =>
    expect(judged(answer(status))).toBe('ok'),
  );

  it('is not judged where the token is not active, which is true of it', () => {
    expect(judged(answer(200, { active: false }))).toBe('unseen');
  });

  it.each([
    ['true', 'unseen'],
    [1, 'unseen'],
    [null, 'unseen'],
    [true, 'error'],
  ])('that calls it active: %j is %s', (active, level) => {
    expect(judged(answer(200, { active }))).toBe(level);
  });
});

describe('AS-21: an answer of the token endpoint', () => {
  it.each(UNJUDGED.filter(([what]) => !['a page'].includes(what)))('is not judged by %s', (_what, token) => {
    expect(levelOf(checkEndpoints(serverFacts({ token })), 'AS-21')).toBe('unseen');
  });

  it('shows what the server says of its refusal', () => {
    const token = answer(400, { error: 'unauthorized_client', error_description: 'no client credentials here' });
    const check = checkEndpoints(serverFacts({ token })).find(({ id }) => id === 'AS-21');
    expect(check?.seen).toContain('error "unauthorized_client", error_description "no client credentials here"');
  });
});

describe('AS-22: an authorization request that must be refused', () => {
  const judged = (seen: ProbeResult): (string | undefined)[] => {
    const authorization = {
      unregistered: seen,
      unregisteredUri: 'https://stranger.invalid/cb',
      withoutPkce: seen,
      plainPkce: undefined,
    };
    return checkEndpoints(serverFacts({ authorization }))
      .filter(({ id }) => id === 'AS-22')
      .map(({ level }) => level);
  };

  it.each(UNJUDGED.filter(([what]) => !['415', 'a page', 'an empty answer', 'a redirect'].includes(what)))(
    'is not judged by %s',
    (_what, seen) => {
      expect(judged(seen)).toEqual(['unseen', 'unseen']);
    },
  );

  it('goes on where a page or a redirect leads to signing in, which says nothing about the address', () => {
    expect(judged({ ...answer(200), contentType: 'text/html' })).toEqual(['unseen', 'warning']);
    expect(judged(answer(302, {}, { location: '/sign-in' }))).toEqual(['unseen', 'warning']);
  });

  it('is refused by a status for that', () => expect(judged(answer(400))).toEqual(['ok', 'ok']));
});

describe('the answers of an MCP server that say nothing about it', () => {
  const PASSING = UNJUDGED.filter(([what]) => ['429', '502', '503'].includes(what));

  it.each<[id: string, fact: keyof McpServerFacts]>([
    ['MCP-25-RS-01', 'get'],
    ['OA21-5.1-a', 'query'],
    ['LIB-02', 'preflight'],
    ['MCP-TR-01', 'fromForeignPage'],
  ])('%s is not judged by them', (id, fact) => {
    for (const [what, seen] of PASSING)
      expect([what, levelOf(checkRefusals(mcpFacts({ [fact]: seen })), id)]).toEqual([what, 'unseen']);
  });

  it('MCP-26-RS-05: a bad token is not judged by them, but for 503, which says that tokens cannot be judged there', () => {
    for (const [what, seen] of PASSING) {
      expect([what, levelOf(checkRefusals(mcpFacts({ garbage: seen })), 'MCP-26-RS-05')]).toEqual([
        what,
        what === '503' ? 'warning' : 'unseen',
      ]);
    }
  });

  it('MCP-26-RS-06: a server that is asked too often is not judged, and one behind a failing gateway cannot be reached', () => {
    expect(levelOf(checkRefusals(mcpFacts({ post: answer(429) })), 'MCP-26-RS-06')).toBe('unseen');
    const check = checkRefusals(mcpFacts({ post: answer(502) })).find(({ id }) => id === 'MCP-26-RS-06');
    expect(check).toMatchObject({ level: 'error', consequence: 'clients cannot reach the server at the moment' });
  });

  it('MCP-TR-01: a page of another origin is refused by 403, not by 404 or an error', () => {
    const judged = (status: number): string | undefined =>
      levelOf(checkRefusals(mcpFacts({ fromForeignPage: answer(status) })), 'MCP-TR-01');
    expect([403, 400, 404, 405, 500].map(judged)).toEqual(['ok', 'ok', 'unseen', 'unseen', 'unseen']);
  });

  it('MCP-26-RS-02: a sample token is not judged by them', () => {
    for (const verdict of ['accepted', 'refused', 'opaque', 'unknown'] as const) {
      expect(checkTokenAnswer(answer(429), verdict).level).toBe('unseen');
      expect(checkTokenAnswer(answer(502), verdict).level).toBe('unseen');
    }
  });
});
