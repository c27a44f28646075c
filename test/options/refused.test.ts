import 'reflect-metadata';
import { afterEach, describe, expect, it } from '@jest/globals';
import { McpAuthModule } from 'nestjs-mcp-auth';
import { PLATFORMS } from '../support/platforms.js';
import {
  RESOURCE,
  ISSUER,
  ONE,
  GOOD,
  running,
  stop,
  refusal,
  problems,
  expectHelpful,
  type Expected,
  type Row,
  expectProblems,
  withScopes,
  several,
  HTTP_WHY,
} from './started-app.js';

const withMetadata = (metadata: unknown): object => ({ ...GOOD, metadata });

const withRevocation = (revocation: unknown): object => ({ ...GOOD, revocation });

const REVOCATION: readonly Row[] = [
  ['true', withRevocation(true), ['revocation', 'true', /must be an object/]],
  ['a misspelt option', withRevocation({ poll: 1 }), ['revocation.poll', 'a value', /no such option/]],
  [
    'a store that can only add',
    withRevocation({ store: { add: () => undefined } }),
    ['revocation.store', 'an object', /add\(revocation\) and changes/],
  ],
  [
    'the URL of a store',
    withRevocation({ store: 'redis://localhost' }),
    ['revocation.store', '"redis://localhost"', /must have the methods/],
  ],
  [
    'revocations that are forgotten before their tokens',
    { ...withRevocation({ maxTokenSeconds: 3_600 }), maxTokenLifetimeSeconds: 7_200 },
    ['revocation.maxTokenSeconds', '3600', /at least maxTokenLifetimeSeconds, which is 7200/],
  ],
  [
    'logout without anything',
    withRevocation({ backChannelLogout: {} }),
    ['revocation.backChannelLogout.path', 'nothing', /required/],
    ['revocation.backChannelLogout.clientIds', 'nothing', /required/],
  ],
  [
    'logout for no client',
    withRevocation({ backChannelLogout: { path: '/logout', clientIds: [] } }),
    ['revocation.backChannelLogout.clientIds', '[]', /list of non-empty/],
  ],
  [
    'logout at a URL',
    withRevocation({ backChannelLogout: { path: 'https://example.com/logout', clientIds: 'a' } }),
    ['revocation.backChannelLogout.path', '"https://example.com/logout"', /must begin with a slash/],
  ],
  [
    'logout at a path with dots',
    withRevocation({ backChannelLogout: { path: '/a/../logout', clientIds: 'a' } }),
    ['revocation.backChannelLogout.path', '"/a/../logout"', /must begin with a slash/],
  ],
  ['a poll without pause', withRevocation({ pollMs: 0 }), ['revocation.pollMs', '0', /from 50 to 10000/]],
  [
    'polls too rare',
    withRevocation({ pollMs: 900, staleSeconds: 1 }),
    ['revocation.staleSeconds', '1', /at least twice pollMs, which is 900 ms/],
  ],
];

const GENERAL: readonly Row[] = [
  [
    'a store of sessions that forgets nothing',
    { ...GOOD, sessions: { store: { open: () => undefined, ownerOf: () => undefined } } },
    ['sessions.store', 'an object', /open\(session, owner\), ownerOf\(session\) and close\(session\)/],
  ],
  [
    'a misspelt option of sessions',
    { ...GOOD, sessions: { stores: {} } },
    ['sessions.stores', 'a value', /no such option/],
  ],
  ['a misspelt option', { ...GOOD, clockTolerance: 5 }, ['clockTolerance', 'a value', /no such option/]],
  [
    'an option of another library',
    { ...GOOD, secret: 's', publicKey: 'p' },
    ['secret', 'a value', /no such option/],
    ['publicKey', 'a value', /no such option/],
  ],
  [
    'an option that switches the audience check off',
    { ...GOOD, validateAudience: false },
    ['validateAudience', 'a value', /no such option/],
  ],
  ['a flag as text', { ...GOOD, allowInsecureHttp: 'true' }, ['allowInsecureHttp', '"true"', /must be true or false/]],
  ['a flag as a number', { ...GOOD, exposeErrorDetails: 1 }, ['exposeErrorDetails', '1', /must be true or false/]],
  [
    'a flag that is null',
    { ...GOOD, exposeErrorDetails: null },
    ['exposeErrorDetails', 'null', /must be true or false/],
  ],
  [
    'a negative clock tolerance',
    { ...GOOD, clockToleranceSeconds: -1 },
    ['clockToleranceSeconds', '-1', /from 0 to 300/],
  ],
  [
    'a clock tolerance of more than five minutes',
    { ...GOOD, clockToleranceSeconds: 301 },
    ['clockToleranceSeconds', '301', /from 0 to 300/],
  ],
  [
    'a clock tolerance of a fraction',
    { ...GOOD, clockToleranceSeconds: 0.5 },
    ['clockToleranceSeconds', '0.5', /whole number/],
  ],
  [
    'a clock tolerance without end',
    { ...GOOD, clockToleranceSeconds: Infinity },
    ['clockToleranceSeconds', 'Infinity', /whole number/],
  ],
  [
    'a clock tolerance that is not a number',
    { ...GOOD, clockToleranceSeconds: Number.NaN },
    ['clockToleranceSeconds', 'NaN', /whole number/],
  ],
  [
    'a clock tolerance as text',
    { ...GOOD, clockToleranceSeconds: '5s' },
    ['clockToleranceSeconds', '"5s"', /whole number/],
  ],
  [
    'a clock tolerance as a bigint',
    { ...GOOD, clockToleranceSeconds: 5n },
    ['clockToleranceSeconds', '5', /whole number/],
  ],
  [
    'a token lifetime of nothing',
    { ...GOOD, maxTokenLifetimeSeconds: 0 },
    ['maxTokenLifetimeSeconds', '0', /from 1 to 31536000/],
  ],
  [
    'a verifier that cannot verify',
    { ...GOOD, verifier: { check: () => true } },
    ['verifier', 'something else', /verify nothing/],
  ],
  [
    'more proofs of one key than of all',
    { ...GOOD, dpop: { maxProofs: 2_000, maxProofsPerKey: 2_001 } },
    ['dpop.maxProofsPerKey', '2001', /at most maxProofs, which is 2000/],
  ],
  [
    'a cache of nothing',
    { ...GOOD, cache: { maxEntries: 0, ttlSeconds: 0 } },
    ['cache.maxEntries', '0', /from 1 to/],
    ['cache.ttlSeconds', '0', /from 1 to/],
  ],
  ['a cache that is not an object', { ...GOOD, cache: true }, ['cache', 'true', /must be an object/]],
  ['anonymous access as text', { ...GOOD, allowAnonymous: 'no' }, ['allowAnonymous', '"no"', /must be true or false/]],
  [
    'callers who are followed as text',
    { ...GOOD, followCaller: 'false' },
    ['followCaller', '"false"', /must be true or false/],
  ],
  [
    'callers who are followed by a number',
    { ...GOOD, followCaller: 0 },
    ['followCaller', '0', /must be true or false/],
  ],
  [
    'callers who are followed by null',
    { ...GOOD, followCaller: null },
    ['followCaller', 'null', /must be true or false/],
  ],
  ['an unknown form of challenge', { ...GOOD, challenge: 'html' }, ['challenge', '"html"', /not a known value/]],
  [
    'invalid origins',
    {
      ...GOOD,
      allowedOrigins: [
        '*',
        'null',
        'https://app.example.com/',
        'https://APP.example.com',
        'app.example.com',
        'https://ok.example.com',
      ],
    },
    ...['*', 'null', 'https://app.example.com/', 'https://APP.example.com', 'app.example.com'].map(
      (origin): Expected => ['allowedOrigins', `"${origin}"`, /must be an origin/],
    ),
  ],
  [
    'origins that are no list',
    { ...GOOD, allowedOrigins: 'https://app.example.com' },
    ['allowedOrigins', '"https://app.example.com"', /non-empty strings/],
  ],
  ['an unknown rule for stdio', { ...GOOD, stdio: 'allow' }, ['stdio', '"allow"', /not a known value/]],
  ['an unknown rule for tasks', { ...GOOD, tasks: 'free' }, ['tasks', '"free"', /not a known value/]],
  [
    'a rule for stdio without a variable',
    { ...GOOD, stdio: { tokenEnv: '' } },
    ['stdio', 'an object', /not a known value/],
  ],
  [
    'a rule for stdio with more than a variable',
    { ...GOOD, stdio: { tokenEnv: 'TOKEN', trust: true } },
    ['stdio', 'an object', /not a known value/],
  ],
  [
    'a token lifetime of more than a year',
    { ...GOOD, maxTokenLifetimeSeconds: 31_536_001 },
    ['maxTokenLifetimeSeconds', '31536001', /from 1 to/],
  ],
];

const RESOURCE_ROWS: readonly Row[] = [
  ['no resource', { authorizationServers: [ISSUER] }, ['resource', 'nothing', /required/]],
  ['an empty resource', { ...GOOD, resource: '' }, ['resource', '""', /required/]],
  ['a resource that is a URL object', { ...GOOD, resource: new URL(RESOURCE) }, ['resource', 'an object', /required/]],
  ['a relative resource', { ...GOOD, resource: '/mcp' }, ['resource', '"/mcp"', /must be an absolute URL/]],
  ['a resource with a fragment', { ...GOOD, resource: `${RESOURCE}#x` }, ['resource', `"${RESOURCE}#x"`, /fragment/]],
  ['a resource with a query', { ...GOOD, resource: `${RESOURCE}?x` }, ['resource', `"${RESOURCE}?x"`, /query/]],
  [
    'a resource over plain http',
    { ...GOOD, resource: 'http://mcp.example.com/mcp' },
    ['resource', '"http://mcp.example.com/mcp"', HTTP_WHY],
  ],
  [
    'a resource that only looks like loopback',
    { ...GOOD, resource: 'http://localhost.example.com/mcp' },
    ['resource', '"http://localhost.example.com/mcp"', HTTP_WHY],
  ],
  ...['/orgs/:org/mcp', '/orgs/%7Borg%7D/mcp', '/orgs/*org/mcp', '/orgs/*'].map((path): Row => {
    const pattern = `https://mcp.example.com${path}`;
    return [
      `a resource that is the pattern of a route: ${path}`,
      { ...GOOD, resource: pattern },
      ['resource', `"${pattern}"`, /pattern of a route.*one URL/],
    ];
  }),
  [
    'a resource that is not in normal form',
    { ...GOOD, resource: 'https://mcp.example.com:443/mcp' },
    ['resource', '"https://mcp.example.com:443/mcp"', /write "https:\/\/mcp\.example\.com\/mcp"/],
  ],
  ['an empty id', { ...GOOD, id: '' }, ['id', '""', /must be a non-empty string/]],
  ['an empty audience', { ...GOOD, audience: '' }, ['audience', '[""]', /non-empty strings/]],
  ['no audience at all', { ...GOOD, audience: [] }, ['audience', '[]', /non-empty strings/]],
  ['an audience that is false', { ...GOOD, audience: false }, ['audience', 'false', /non-empty strings/]],
  ['an audience that is a pattern', { ...GOOD, audience: /.*/ }, ['audience', 'an object', /non-empty strings/]],
  [
    'both one resource and several',
    { ...GOOD, resources: [ONE] },
    ['resource', 'a value', /no such option/],
    ['authorizationServers', 'a value', /no such option/],
  ],
  ['an empty list of resources', several(), ['resources', '[]', /must be a list of resources/]],
  ['resources that are no list', { resources: GOOD }, ['resources', 'an object', /must be a list of resources/]],
  [
    'a resource that is a string',
    several(RESOURCE),
    ['resources[0]', `"${RESOURCE}"`, /must be an object/],
    ['resources[0].resource', 'nothing', /required/],
    ['resources[0].authorizationServers', 'nothing', /at least one/],
  ],
  [
    'a misspelt option of a resource',
    several({ ...ONE, audiences: 'x' }),
    ['resources[0].audiences', 'a value', /no such option/],
  ],
  [
    'a common option inside a resource',
    several({ ...ONE, allowInsecureHttp: true }),
    ['resources[0].allowInsecureHttp', 'a value', /no such option/],
  ],
  [
    'resources that share an id, and others that share a URL',
    several(
      { ...ONE, id: 'a' },
      { ...ONE, resource: 'https://mcp.example.com/b', id: 'a' },
      { ...ONE, resource: 'https://mcp.example.com/c', id: 'c' },
      { ...ONE, resource: 'https://mcp.example.com/c', id: 'd' },
    ),
    ['resources', '"a"', /share/],
    ['resources', '"https://mcp.example.com/c"', /shares host and path/],
  ],
  [
    'three resources of one URL, one problem for each that is too many',
    several({ ...ONE, id: 'a' }, { ...ONE, id: 'b' }, { ...ONE, id: 'c' }),
    ['resources', '"https://mcp.example.com/mcp"', /shares host and path/],
    ['resources', '"https://mcp.example.com/mcp"', /shares host and path/],
  ],
  [
    'two resources without a URL, which share nothing',
    several({ ...ONE, resource: 1 }, { ...ONE, resource: 2 }),
    ['resources[0].resource', '1', /required/],
    ['resources[1].resource', '2', /required/],
  ],
];

const SCOPE_ROWS: readonly Row[] = [
  ['scopes that are no object', withScopes(['a']), ['scopes', '["a"]', /must be an object/]],
  ['a misspelt scope option', withScopes({ require: ['a'] }), ['scopes.require', 'a value', /no such option/]],
  ['scopes in one string', withScopes({ required: 'a b' }), ['scopes.required', '"a b"', /non-empty strings/]],
  [
    'scopes that are no scope tokens',
    withScopes({ required: ['a b', 'c"'], supported: ['é'] }),
    ['scopes.required', '"a b"', /visible ASCII/],
    ['scopes.required', '"c\\""', /visible ASCII/],
    ['scopes.supported', '"é"', /visible ASCII/],
  ],
  ['an empty scope', withScopes({ required: ['a', ''] }), ['scopes.required', '["a",""]', /non-empty strings/]],
  [
    'a scope of the authorization server alone',
    withScopes({ required: ['offline_access'], supported: ['offline_access'] }),
    ['scopes.required', '"offline_access"', /authorization server alone/],
    ['scopes.supported', '"offline_access"', /authorization server alone/],
  ],
  [
    'scopes of operations of an unknown kind',
    withScopes({ operations: { tool: { ping: ['a'] } } }),
    ['scopes.operations.tool', 'a value', /no such option/],
  ],
  [
    'invalid scopes of operations',
    withScopes({ operations: { tools: { ping: 'a' }, resources: { 'notes://x': ['a b'] }, prompts: ['ask'] } }),
    ['scopes.operations.tools["ping"]', '"a"', /non-empty strings/],
    ['scopes.operations.resources["notes://x"]', '"a b"', /visible ASCII/],
    ['scopes.operations.prompts', '["ask"]', /must be an object/],
  ],
  ['an unknown rule for listing', withScopes({ listing: 'none' }), ['scopes.listing', '"none"', /not a known value/]],
  [
    'a hierarchy that is not an object',
    withScopes({ hierarchy: [['a', 'b']] }),
    ['scopes.hierarchy', '[a list]', /must be an object/],
  ],
  [
    'a hierarchy with no scopes in it',
    withScopes({ hierarchy: { 'a b': ['c'], d: 'e', f: ['g h'] } }),
    ['scopes.hierarchy', '"a b"', /visible ASCII/],
    ['scopes.hierarchy["d"]', '"e"', /non-empty strings/],
    ['scopes.hierarchy["f"]', '"g h"', /visible ASCII/],
  ],
];

const METADATA_ROWS: readonly Row[] = [
  ['metadata that is not an object', withMetadata('Notes'), ['metadata', '"Notes"', /must be an object/]],
  ...['resource', 'authorization_servers', 'scopes_supported', 'bearer_methods_supported'].map((name): Row => [
    `the metadata member ${name}`,
    withMetadata({ [name]: 'x' }),
    [`metadata.${name}`, '"x"', /follows from the other options/],
  ]),
  [
    'signed metadata',
    withMetadata({ signed_metadata: 'a.b.c' }),
    ['metadata.signed_metadata', 'a value', /out of date/],
  ],
  ...[
    'dpop_signing_alg_values_supported',
    'dpop_bound_access_tokens_required',
    'tls_client_certificate_bound_access_tokens',
  ].map((name): Row => [
    `the metadata member ${name}`,
    withMetadata({ [name]: true }),
    [`metadata.${name}`, 'true', /follows from the options dpop and mutualTls/],
  ]),
  [
    'metadata with invalid URLs',
    withMetadata({ resourceDocumentation: 'docs', 'resource_policy_uri#de': 'policy', resourceTosUri: 1 }),
    ['metadata.resourceDocumentation', '"docs"', /must be an absolute URL/],
    ['metadata.resource_policy_uri#de', '"policy"', /must be an absolute URL/],
    ['metadata.resourceTosUri', '1', /must be an absolute URL/],
  ],
  [
    'metadata with URLs over plain http',
    withMetadata({ resourceDocumentation: 'http://docs.example.com' }),
    ['metadata.resourceDocumentation', '"http://docs.example.com"', HTTP_WHY],
  ],
  [
    'a resource name that is not a string',
    withMetadata({ resourceName: '', 'resource_name#de': 1 }),
    ['metadata.resourceName', '""', /must be a non-empty string/],
    ['metadata.resource_name#de', '1', /must be a non-empty string/],
  ],
  [
    'metadata that JSON cannot say',
    withMetadata({ x_function: () => 1, x_big: 1n, x_symbol: Symbol('x') }),
    ['metadata.x_function', 'a function', /JSON/],
    ['metadata.x_big', '1', /JSON/],
    ['metadata.x_symbol', 'Symbol(x)', /JSON/],
  ],
];

describe('options that cannot be used', () => {
  afterEach(stop);

  it.each([...GENERAL, ...RESOURCE_ROWS, ...SCOPE_ROWS, ...METADATA_ROWS, ...REVOCATION])(
    'refuses to start with %s',
    expectProblems,
  );

  it('lists every problem at once', async () => {
    const error = await problems({
      ressource: RESOURCE,
      resource: 'mcp.example.com',
      authorizationServers: ['login', { issuer: ISSUER, algorithms: ['HS256'], profile: 'x', discover: 'oidc' }],
      audience: [],
      scopes: { required: ['a b'], hierarchy: { a: 'b' } },
      metadata: { resource: RESOURCE, jwksUri: 'keys' },
      clockToleranceSeconds: 1000,
      maxTokenLifetimeSeconds: -1,
      allowInsecureHttp: 'yes',
      exposeErrorDetails: 'yes',
    });
    expect(error.problems.map(({ option }) => option).toSorted()).toEqual(
      [
        'ressource',
        'resource',
        'authorizationServers[0]',
        'authorizationServers[1].algorithms',
        'authorizationServers[1].profile',
        'authorizationServers[1].discover',
        'audience',
        'scopes.required',
        'scopes.hierarchy["a"]',
        'metadata.resource',
        'metadata.jwksUri',
        'clockToleranceSeconds',
        'maxTokenLifetimeSeconds',
        'allowInsecureHttp',
        'exposeErrorDetails',
      ].toSorted(),
    );
    expectHelpful(error);
    expect(error.message.split('\n')).toHaveLength(16);
  });

  it('lists the problems of every resource', async () => {
    const error = await problems(
      several(
        { resource: 'a', authorizationServers: [] },
        { resource: 'b', authorizationServers: ['c'], audience: [] },
      ),
    );
    expect(error.problems.map(({ option }) => option)).toEqual([
      'resources[0].resource',
      'resources[0].authorizationServers',
      'resources[1].resource',
      'resources[1].authorizationServers[0]',
      'resources[1].audience',
    ]);
  });

  it('shortens what was seen', async () => {
    const {
      problems: [problem],
    } = await problems({ ...GOOD, resource: 'x'.repeat(10_000) });
    expect(problem?.seen).toBe(`"${'x'.repeat(119)}…`);
  });

  it('survives what cannot be written as JSON', async () => {
    const circular: Record<string, unknown> = {};
    circular['self'] = circular;
    const error = await problems({
      ...GOOD,
      resource: circular,
      audience: circular,
      metadata: { x_circular: circular },
    });
    expect(error.problems.map(({ option }) => option)).toEqual(['resource', 'audience', 'metadata.x_circular']);
    expectHelpful(error);
  });

  it.each(PLATFORMS)('does not listen, on %s', async (platform) => {
    await refusal(() => McpAuthModule.forRoot({ ...GOOD, audience: [] }), [], platform);
    expect(running).toEqual(new Set());
  });
});
