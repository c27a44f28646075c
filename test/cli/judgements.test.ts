import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { generateTestKey } from 'nestjs-mcp-auth/testing';
import type { AuthorizationServerFacts } from '../../lib/cli/doctor/authorization-server.facts.js';
import { checkChallenge } from '../../lib/cli/doctor/challenge.checks.js';
import { isProblem, type Check } from '../../lib/cli/doctor/check.js';
import { checkDiscovery } from '../../lib/cli/doctor/discovery.checks.js';
import { checkEndpoints } from '../../lib/cli/doctor/endpoint.checks.js';
import { checkKeySet, lintKeys } from '../../lib/cli/doctor/key-set.checks.js';
import type { McpServerFacts } from '../../lib/cli/doctor/mcp-server.facts.js';
import { readChallenge } from '../../lib/cli/doctor/read-challenge.js';
import { Prober } from '../../lib/cli/doctor/prober.js';
import { checkRefusals } from '../../lib/cli/doctor/refusal.checks.js';
import { checkResourceMetadata } from '../../lib/cli/doctor/resource-metadata.checks.js';
import { Secrets } from '../../lib/cli/doctor/secrets.js';
import type { Answer, ProbeResult } from '../../lib/cli/doctor/probe-result.js';
import { checkServerMetadata } from '../../lib/cli/doctor/server-metadata.checks.js';
import { reviewToken } from '../../lib/cli/doctor/token.checks.js';
import { always, alwaysAsync, jsonValue, memberName } from '../fuzz/property.js';
import { withWatchdog } from '../support/watchdog.js';

const ISSUER = 'https://login.example.com';
const URL_OF_SERVER = 'https://mcp.example.com/mcp';

function answer(changes: Partial<Answer> & { readonly fields?: Readonly<Record<string, string>> } = {}): Answer {
  const { fields = {}, ...rest } = changes;
  const base = {
    kind: 'answer',
    url: URL_OF_SERVER,
    status: 200,
    contentType: 'application/json',
    text: '{}',
    flaw: undefined,
  } as const;
  return { ...base, headers: new Headers(fields), askedAt: 0, cameAt: 0, ...rest };
}

const json = (document: unknown): Answer => answer({ text: JSON.stringify(document) ?? '' });
const SILENCE: ProbeResult = { kind: 'no-answer', url: ISSUER, why: 'no answer' };

function serverFacts(
  document: Readonly<Record<string, unknown>>,
  more: Partial<AuthorizationServerFacts> = {},
): AuthorizationServerFacts {
  const base = {
    issuer: ISSUER,
    isLocal: false,
    forms: [json(document)],
    document,
    resource: undefined,
    pageOrigin: ISSUER,
  };
  return { ...base, ...more };
}

function mcpFacts(post: ProbeResult, document: unknown = {}): McpServerFacts {
  const metadata = json(document);
  const pages = { fromPage: post, pageOrigin: ISSUER, preflight: post, fromForeignPage: undefined };
  const others = { get: post, garbage: post, query: post, twin: undefined, challenge: readChallenge(post) };
  const places = { wellKnown: metadata, wellKnownHead: metadata, wellKnownPreflight: metadata, advertised: metadata };
  return { url: URL_OF_SERVER, isLocal: false, post, ...pages, ...others, ...places };
}

const levels = (checks: readonly Check[], id: string): string[] =>
  checks.filter((check) => check.id === id).map(({ level }) => level);

describe('the review of keys', () => {
  it.each<[string, Readonly<Record<string, unknown>>, string]>([
    ['a private member', { d: 'x' }, 'error its private part'],
    ['another private member', { dp: 'x' }, 'error its private part'],
    ['a secret', { kty: 'oct', k: 'x' }, 'error a secret'],
    ['an unknown algorithm', { alg: 'ES256K' }, 'warning alg that is not supported'],
    ['no algorithm', { alg: undefined }, 'note no alg'],
    ['no signatures', { use: 'enc' }, 'error no key is for signatures'],
    ['other operations', { key_ops: ['encrypt'] }, 'error no key is for signatures'],
  ])('AS-12: names %s', async (_what, changes, expected) => {
    const { publicJwk } = await generateTestKey({ alg: 'ES256' });
    const [level, ...words] = expected.split(' ');
    const found = lintKeys([{ ...publicJwk, ...changes }]).find(({ seen }) => seen.includes(words.join(' ')));
    expect(found).toMatchObject({ id: 'AS-12', level });
  });

  it('AS-12: names RSA keys that are too short, and invalid ones', () => {
    const short = {
      kty: 'RSA',
      kid: 's',
      alg: 'RS256',
      use: 'sig',
      e: 'AQAB',
      n: Buffer.alloc(128, 0xab).toString('base64url'),
    };
    for (const key of [short, { ...short, n: 7 }, { ...short, n: undefined }]) {
      expect(lintKeys([key])).toContainEqual(
        expect.objectContaining({ level: 'error', seen: expect.stringContaining('less than 2048 bits') }),
      );
    }
    expect(lintKeys([{ ...short, n: Buffer.alloc(256, 0xab).toString('base64url') }])).toEqual([]);
  });

  it('AS-12: names keys that cannot be told apart', async () => {
    const [one, other] = await Promise.all([
      generateTestKey({ alg: 'ES256', kid: 'a' }),
      generateTestKey({ alg: 'ES256', kid: 'a' }),
    ]);
    expect(lintKeys([one.publicJwk, other.publicJwk])).toContainEqual(
      expect.objectContaining({ level: 'error', seen: 'several keys have the kid ["a"]' }),
    );
    const nameless = [one, other].map(({ publicJwk }) => ({ ...publicJwk, kid: undefined }));
    expect(lintKeys(nameless)).toContainEqual(
      expect.objectContaining({ level: 'warning', seen: '2 of 2 keys have no kid' }),
    );
  });

  it('AS-12: has nothing to say about a good key', async () => {
    for (const alg of ['RS256', 'ES256', 'EdDSA'] as const)
      expect(lintKeys([(await generateTestKey({ alg })).publicJwk])).toEqual([]);
  });
});

describe('the review of endpoints', () => {
  it.each<[string, string, Partial<AuthorizationServerFacts>]>([
    ['AS-19: the same over plain http', 'AS-19 warning', { twin: answer() }],
    [
      'AS-19: a redirect to https',
      'AS-19 ok',
      { twin: answer({ status: 301, fields: { location: 'https://login.example.com/' } }) },
    ],
    [
      'AS-19: a redirect to http',
      'AS-19 warning',
      { twin: answer({ status: 301, fields: { location: 'http://login.example.com/x' } }) },
    ],
    ['AS-19: nobody at plain http', 'AS-19 ok', { twin: SILENCE }],
    ['AS-20: keys that pages cannot read', 'AS-20 warning', { keys: answer() }],
    ['AS-21: a token that may be cached', 'AS-21 error', { token: answer() }],
    ['AS-21: a refusal that may be cached', 'AS-21 warning', { token: answer({ status: 400 }) }],
    ['AS-21: a token that is not cached', 'AS-21 ok', { token: answer({ fields: { 'cache-control': 'no-store' } }) }],
  ])('%s', (_what, expected, more) => {
    const checks = checkEndpoints(serverFacts({ issuer: ISSUER }, more));
    expect(checks.map(({ id, level }) => `${id} ${level}`)).toContain(expected);
  });

  const redirect = (location: string): Answer => answer({ status: 302, fields: { location } });

  it.each<[string, ProbeResult, ProbeResult, ProbeResult, string[]]>([
    [
      'a page of refusal, and redirects with an error',
      answer({ status: 400 }),
      redirect('http://127.0.0.1/?error=invalid_request'),
      answer({ status: 400 }),
      ['ok', 'ok', 'ok'],
    ],
    [
      'a code sent to strangers',
      redirect('https://stranger.invalid/cb?code=x'),
      answer({ status: 400 }),
      answer({ status: 400 }),
      ['error', 'ok', 'ok'],
    ],
    [
      'sign-in without PKCE, and with "plain"',
      answer({ status: 400 }),
      answer(),
      redirect('/sign-in'),
      ['ok', 'warning', 'warning'],
    ],
  ])('AS-22: %s', (_what, unregistered, withoutPkce, plainPkce, expected) => {
    const authorization = { unregistered, unregisteredUri: 'https://stranger.invalid/cb', withoutPkce, plainPkce };
    expect(levels(checkEndpoints(serverFacts({}, { authorization })), 'AS-22')).toEqual(expected);
  });
});

describe('the review of metadata', () => {
  const rows = (document: Readonly<Record<string, unknown>>): string[] =>
    checkServerMetadata(serverFacts({ issuer: ISSUER, ...document })).map(({ id, level }) => `${id} ${level}`);

  it('AS-06: praises nobody for metadata documents who does not take them', () => {
    expect(rows({}).filter((row) => row.startsWith('AS-06'))).toEqual([]);
    expect(
      rows({ client_id_metadata_document_supported: true, token_endpoint_auth_methods_supported: ['none'] }),
    ).toContain('AS-06 ok');
  });

  it.each<[string, string, Readonly<Record<string, unknown>>]>([
    ['AS-23: an acr value that it lacks', 'AS-23 warning', { acr_values_supported: ['x'] }],
    ['AS-23: one of those asked for', 'AS-23 ok', { acr_values_supported: ['gold'] }],
    ['AS-24: a type of details that it lacks', 'AS-24 warning', {}],
    ['AS-24: a type of details that it has', 'AS-24 ok', { authorization_details_types_supported: ['note'] }],
    ['AS-25: no tokens bound to certificates', 'AS-25 warning', {}],
    ['AS-25: tokens bound to certificates', 'AS-25 ok', { tls_client_certificate_bound_access_tokens: true }],
    ['AS-16: another resource', 'AS-16 warning', { protected_resources: ['https://other.example'] }],
    ['AS-16: the resource', 'AS-16 ok', { protected_resources: [URL_OF_SERVER] }],
  ])('%s', (_what, expected, document) => {
    const wanted = {
      authorization_details_types_supported: ['note'],
      tls_client_certificate_bound_access_tokens: true,
    };
    const resource = {
      url: URL_OF_SERVER,
      scopes: [],
      firstScopes: [],
      acrValues: ['gold', 'silver'],
      document: wanted,
    };
    const checks = checkServerMetadata(serverFacts({ issuer: ISSUER, ...document }, { resource }));
    expect(checks.map(({ id, level }) => `${id} ${level}`)).toContain(expected);
  });
});

describe('the review of discovery', () => {
  const good = json({ issuer: ISSUER });
  it.each<[string, ProbeResult[], string[]]>([
    ['AS-01: the first place', [good, good], ['ok']],
    ['AS-01: the second place, after a 404', [answer({ status: 404 }), good], ['ok']],
    ['AS-01: the second place, after a page', [answer({ contentType: 'text/html' }), good], ['ok', 'warning']],
    [
      'AS-01: the second place, after a redirect',
      [answer({ status: 302, fields: { location: '/' } }), good],
      ['ok', 'warning'],
    ],
    ['AS-01: the second place, after 401', [answer({ status: 401 }), good], ['ok', 'warning']],
    ['AS-01: the second place, after 500', [answer({ status: 500 }), good], ['ok', 'error']],
    ['AS-01: the second place, after nothing', [SILENCE, good], ['ok', 'error']],
    ['AS-01: nowhere', [answer({ status: 404 })], ['error']],
    ['AS-01: no place at all', [], ['error']],
  ])('%s', (_what, forms, expected) => {
    expect(levels(checkDiscovery(serverFacts({}, { forms })), 'AS-01')).toEqual(expected);
  });

  it.each<[string, ProbeResult[], RegExp]>([
    ['AS-01: that it is started, where nobody answers', [SILENCE], /^see that it runs and can be reached/],
    [
      'AS-01: that it is published, where somebody answers',
      [SILENCE, answer({ status: 404 })],
      /^serve it as application\/json/,
    ],
  ])('%s, is the remedy', (_what, forms, remedy) => {
    expect(checkDiscovery(serverFacts({}, { forms }))[0]).toMatchObject({
      id: 'AS-01',
      remedy: expect.stringMatching(remedy),
    });
  });
});

describe('the review of an https server', () => {
  it.each<[string, ProbeResult | undefined, string]>([
    ['nobody at plain http', SILENCE, 'ok'],
    ['a redirect to https', answer({ status: 308, fields: { location: URL_OF_SERVER } }), 'ok'],
    ['a challenge over plain http', answer({ status: 401 }), 'error'],
    ['an answer over plain http', answer(), 'error'],
    ['a port of its own', undefined, 'unseen'],
  ])('OA21-1.5-a: %s', (_what, twin, level) => {
    const facts = { ...mcpFacts(answer({ status: 401 })), twin };
    expect(levels(checkRefusals(facts), 'OA21-1.5-a')).toEqual(['ok', level]);
  });

  it('RFC9728-3.3-a: forgives a bare origin its slash', () => {
    const facts = {
      ...mcpFacts(answer({ status: 401 }), { resource: 'https://mcp.example.com' }),
      url: 'https://mcp.example.com/',
    };
    expect(levels(checkResourceMetadata(facts), 'RFC9728-3.3-a')).toEqual(['warning']);
  });

  it.each<[string, string, RegExp]>([
    ['the URL, where another resource is configured', `${URL_OF_SERVER}/`, /^set resource to the URL/],
    ['the place, where it is this one', URL_OF_SERVER, /^serve it there/],
  ])('RFC9728-3-a: the remedy is about %s', (_what, resource, remedy) => {
    const facts = { ...mcpFacts(answer({ status: 401 }), { resource }), wellKnown: answer({ status: 404 }) };
    expect(checkResourceMetadata(facts)[0]).toMatchObject({ id: 'RFC9728-3-a', remedy: expect.stringMatching(remedy) });
  });
});

describe('the prober', () => {
  const prober = (target: string): Prober =>
    new Prober({
      target: new URL(target),
      limits: { timeoutMs: 1, maxBytes: 1 },
      now: () => 0,
      secrets: new Secrets([]),
    });

  it.each([
    ['https://mcp.example.com/mcp', 'https://login.example.com/x', true],
    ['https://mcp.example.com/mcp', 'http://login.example.com/x', false],
    ['https://mcp.example.com/mcp', 'http://127.0.0.1:9200/x', false],
    ['https://mcp.example.com/mcp', 'https://localhost/x', false],
    ['https://mcp.example.com/mcp', 'http://[::1]/x', false],
    ['https://mcp.example.com/mcp', 'https://0.0.0.0/x', false],
    ['https://mcp.example.com/mcp', 'https://[::]/x', false],
    ['https://mcp.example.com/mcp', 'https://[::ffff:127.0.0.1]/x', false],
    ['https://mcp.example.com/mcp', 'https://[::127.0.0.1]/x', false],
    ['https://mcp.example.com/mcp', 'https://localhost./x', false],
    ['https://mcp.example.com/mcp', 'https://admin.localhost/x', false],
    ['https://mcp.example.com/mcp', 'https://localhost.example.com/x', true],
    ['https://mcp.example.com/mcp', 'file:///etc/passwd', false],
    ['https://mcp.example.com/mcp', 'no URL', false],
    ['http://127.0.0.1:3000/mcp', 'http://localhost:4000/x', true],
    ['http://127.0.0.1:3000/mcp', 'http://login.example.com/x', false],
    ['http://mcp.example.com/mcp', 'http://mcp.example.com/x', true],
  ])('on behalf of %s asks %s: %s', (target, url, isAsked) => {
    expect(prober(target).whyNotAsked(url) === undefined).toBe(isAsked);
  });
});

describe('the judgements of lists that are as long as an answer may be', () => {
  const names = (first: string): string[] => Array.from({ length: 500_000 }, (_, index) => first + index.toString(36));

  it('take no more than a moment', () => {
    const resource = {
      url: URL_OF_SERVER,
      scopes: names('a'),
      firstScopes: [],
      acrValues: names('a'),
      document: { authorization_details_types_supported: names('a') },
    };
    const members = [
      'scopes_supported',
      'acr_values_supported',
      'authorization_details_types_supported',
      'protected_resources',
    ];
    const facts = serverFacts(Object.fromEntries(members.map((member) => [member, names('b')])), { resource });
    const checks = withWatchdog(() => checkServerMetadata(facts));
    expect(levels(checks, 'AS-15')).toEqual(['warning']);
    const keys = names('').map((kid) => ({ kid }));
    expect(
      levels(
        withWatchdog(() => lintKeys(keys)),
        'AS-12',
      ),
    ).not.toEqual([]);
  });
});

describe('the judgements, whatever they are given', () => {
  const members = fc.constantFrom(
    'issuer',
    'jwks_uri',
    'authorization_endpoint',
    'token_endpoint',
    'registration_endpoint',
    'scopes_supported',
    'keys',
    'response_types_supported',
    'grant_types_supported',
    'code_challenge_methods_supported',
    'protected_resources',
    'resource',
    'authorization_servers',
    'bearer_methods_supported',
    'acr_values_supported',
    'authorization_details_types_supported',
  );
  const documents = fc.dictionary(fc.oneof(members, memberName), jsonValue);
  const harmless = (checks: readonly Check[]): boolean =>
    checks.every((check) => check.seen !== '' && (!isProblem(check) || check.remedy !== ''));

  it('judge every metadata document', () => {
    always(1_000, fc.tuple(documents, documents), ([document, other]) => {
      const resource = { url: URL_OF_SERVER, scopes: ['a'], firstScopes: ['a'], acrValues: ['b'], document: other };
      const facts = serverFacts(document, { resource, forms: [json(document), json(other)], keys: json(document) });
      const checks = [
        ...checkServerMetadata(facts),
        ...checkDiscovery(facts),
        ...checkKeySet(facts),
        ...checkEndpoints(facts),
      ];
      expect(harmless(checks)).toBe(true);
      expect(harmless(checkResourceMetadata(mcpFacts(answer({ status: 401 }), document)))).toBe(true);
    });
  });

  it('judge every list of keys', () => {
    const keys = fc.dictionary(
      fc.constantFrom('kty', 'kid', 'alg', 'use', 'key_ops', 'n', 'e', 'd', 'k', 'crv', 'x'),
      jsonValue,
    );
    always(1_000, fc.array(fc.oneof(keys, jsonValue)), (list) => expect(harmless(lintKeys(list))).toBe(true));
  });

  it('judge every challenge', () => {
    const latin = fc.stringMatching(/^[\x20-\x7e\xa0-\xff]*$/);
    always(
      1_000,
      fc.oneof(
        latin,
        latin.map((text) => `Bearer ${text}`),
      ),
      (header) => {
        const facts = mcpFacts(answer({ status: 401, fields: { 'www-authenticate': header } }));
        expect(harmless([...checkChallenge(facts), ...checkRefusals(facts)])).toBe(true);
      },
    );
  });

  it('judge every token, with every set of keys', async () => {
    const base64 = (value: unknown): string => Buffer.from(JSON.stringify(value) ?? '').toString('base64url');
    const names = fc.constantFrom(
      'iss',
      'aud',
      'exp',
      'iat',
      'nbf',
      'sub',
      'client_id',
      'scope',
      'cnf',
      'typ',
      'alg',
      'kid',
      'crit',
    );
    const part = fc.dictionary(
      fc.oneof(names, memberName),
      fc.oneof(jsonValue, fc.constantFrom(ISSUER, 'ES256', 'at+jwt')),
    );
    await alwaysAsync(500, fc.tuple(part, part, fc.array(jsonValue)), async ([header, claims, keys]) => {
      const token = `${base64(header)}.${base64(claims)}.c2ln`;
      const context = {
        issuers: [ISSUER],
        keys: new Map([[ISSUER, keys]]),
        resource: URL_OF_SERVER,
        audiences: [],
        scopes: ['a'],
        now: 0,
      };
      const { checks, verdict } = await reviewToken(token, context);
      expect({ harmless: harmless(checks), verdict }).toEqual({ harmless: true, verdict: 'refused' });
    });
  });
});
