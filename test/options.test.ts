import 'reflect-metadata';
import {
  Controller,
  Get,
  Injectable,
  Module,
  type DynamicModule,
  type INestApplication,
  type Type,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessagePattern } from '@nestjs/microservices';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  Authorize,
  McpAuthConfigError,
  McpAuthModule,
  ProtectedResource,
  Public,
  RequireAnyScope,
  RequireAuthentication,
  RequireScopes,
  type McpAuthModuleOptions,
} from 'nestjs-mcp-auth';
import { generateTestKey, parseChallenges, TestIssuer, type TestKey } from 'nestjs-mcp-auth/testing';
import { recorder, type LogLine } from './support/log-lines.js';
import { adapterFor, listen, PLATFORMS, type Platform } from './support/platforms.js';

const RESOURCE = 'https://mcp.example.com/mcp';
const ISSUER = 'https://login.example.com';
/** Nothing is asked for that no test is about. */
const ONE = { resource: RESOURCE, authorizationServers: [ISSUER] };
const GOOD = { ...ONE, checkAuthorizationServers: false };
const METADATA = '/.well-known/oauth-protected-resource/mcp';

interface StartedApp {
  readonly origin: string;
  readonly log: LogLine[];
}

const running = new Set<INestApplication>();

class AppModule {}

/** Starts an application with this module in it, as `main.ts` would. */
async function start(
  module: DynamicModule,
  controllers: readonly Type[] = [],
  platform: Platform = 'express',
): Promise<StartedApp> {
  const log: LogLine[] = [];
  const root = { module: AppModule, imports: [module], controllers: [...controllers] };
  const app = await NestFactory.create(root, adapterFor(platform), { abortOnError: false, logger: recorder(log) });
  running.add(app);
  return { origin: await listen(app), log };
}

async function stop(): Promise<void> {
  const ended = [...running];
  running.clear();
  await Promise.all(ended.map((app) => app.close()));
}

/** The error that a start is refused with; fails where it isn't refused. */
async function refusal(
  module: () => DynamicModule,
  controllers: readonly Type[] = [],
  platform?: Platform,
): Promise<McpAuthConfigError> {
  const outcome: unknown = await Promise.resolve()
    .then(() => start(module(), controllers, platform))
    .catch((error: unknown) => error);
  if (outcome instanceof McpAuthConfigError) return outcome;
  throw outcome instanceof Error ? outcome : new Error('The application started');
}

/** What a start with these options is refused for. */
function problems(options: unknown): Promise<McpAuthConfigError> {
  return refusal(() => McpAuthModule.forRoot(options as McpAuthModuleOptions));
}

/** Each problem says where, what was seen, why, and what to write; the message, which is what people see, says it all. */
function expectHelpful(error: McpAuthConfigError): void {
  const count = error.problems.length === 1 ? 'one problem' : `${error.problems.length} problems`;
  expect(error.message).toContain(`The configuration of McpAuthModule has ${count}:`);
  expect(error.name).toBe('McpAuthConfigError');
  for (const { option, seen, why, write } of error.problems) {
    expect([option, seen, why, write]).toEqual(Array(4).fill(expect.stringMatching(/^\S(?:.*\S)?$/s)));
    expect(write).toMatch(/^(?:Write|Name|Remove|Keep|Choose|List|Known|Give|Return)\b/);
    expect(error.message).toContain(`  - ${option}: saw ${seen}; ${why}. ${write}`);
  }
}

type Expected = readonly [option: string, seen: string, why: RegExp];
type Row = readonly [what: string, options: object | null | string | undefined, ...expected: Expected[]];

/** A server or a resource that is right but for these members. */
const server = (members: object): object => ({ ...GOOD, authorizationServers: [{ issuer: ISSUER, ...members }] });
const withScopes = (scopes: unknown): object => ({ ...GOOD, scopes });
const withMetadata = (metadata: unknown): object => ({ ...GOOD, metadata });
const several = (...resources: unknown[]): object => ({ checkAuthorizationServers: false, resources });
const HTTP_WHY = /plain http is accepted on loopback only/;

const GENERAL: readonly Row[] = [
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
  ['a flag as text', { ...GOOD, allowInsecureHttp: 'true' }, ['allowInsecureHttp', '"true"', /no boolean/]],
  ['a flag as a number', { ...GOOD, exposeErrorDetails: 1 }, ['exposeErrorDetails', '1', /no boolean/]],
  ['a flag that is null', { ...GOOD, exposeErrorDetails: null }, ['exposeErrorDetails', 'null', /no boolean/]],
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
    'a clock tolerance that is no number',
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
    'a cache of nothing',
    { ...GOOD, cache: { maxEntries: 0, ttlSeconds: 0 } },
    ['cache.maxEntries', '0', /from 1 to/],
    ['cache.ttlSeconds', '0', /from 1 to/],
  ],
  ['a cache that is no object', { ...GOOD, cache: true }, ['cache', 'true', /no object/]],
  ['anonymous access as text', { ...GOOD, allowAnonymous: 'no' }, ['allowAnonymous', '"no"', /no boolean/]],
  ['callers who are followed as text', { ...GOOD, followCaller: 'false' }, ['followCaller', '"false"', /no boolean/]],
  ['callers who are followed by a number', { ...GOOD, followCaller: 0 }, ['followCaller', '0', /no boolean/]],
  ['callers who are followed by null', { ...GOOD, followCaller: null }, ['followCaller', 'null', /no boolean/]],
  ['an unknown form of challenge', { ...GOOD, challenge: 'html' }, ['challenge', '"html"', /not known/]],
  [
    'origins that are none',
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
      (origin): Expected => ['allowedOrigins', `"${origin}"`, /no origin/],
    ),
  ],
  [
    'origins that are no list',
    { ...GOOD, allowedOrigins: 'https://app.example.com' },
    ['allowedOrigins', '"https://app.example.com"', /non-empty strings/],
  ],
  ['an unknown rule for stdio', { ...GOOD, stdio: 'allow' }, ['stdio', '"allow"', /not known/]],
  ['an unknown rule for tasks', { ...GOOD, tasks: 'free' }, ['tasks', '"free"', /not known/]],
  ['a rule for stdio without a variable', { ...GOOD, stdio: { tokenEnv: '' } }, ['stdio', 'an object', /not known/]],
  [
    'a rule for stdio with more than a variable',
    { ...GOOD, stdio: { tokenEnv: 'TOKEN', trust: true } },
    ['stdio', 'an object', /not known/],
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
  ...['/orgs/:org/mcp', '/orgs/{org}/mcp', '/orgs/%7Borg%7D/mcp', '/orgs/*org/mcp', '/orgs/*'].map((path): Row => {
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
  ['an empty id', { ...GOOD, id: '' }, ['id', '""', /no text/]],
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
  ['an empty list of resources', several(), ['resources', '[]', /no list of resources/]],
  ['resources that are no list', { resources: GOOD }, ['resources', 'an object', /no list of resources/]],
  [
    'a resource that is a string',
    several(RESOURCE),
    ['resources[0]', `"${RESOURCE}"`, /no object/],
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
    ['resources', '"/.well-known/oauth-protected-resource/c"', /share/],
  ],
  [
    'three resources of one URL, one problem for each that is too many',
    several({ ...ONE, id: 'a' }, { ...ONE, id: 'b' }, { ...ONE, id: 'c' }),
    ['resources', '"/.well-known/oauth-protected-resource/mcp"', /share/],
    ['resources', '"/.well-known/oauth-protected-resource/mcp"', /share/],
  ],
  [
    'two resources without a URL, which share nothing',
    several({ ...ONE, resource: 1 }, { ...ONE, resource: 2 }),
    ['resources[0].resource', '1', /required/],
    ['resources[1].resource', '2', /required/],
  ],
];

const SERVER_ROWS: readonly Row[] = [
  ['no authorization servers', { resource: RESOURCE }, ['authorizationServers', 'nothing', /at least one/]],
  [
    'an empty list of authorization servers',
    { resource: RESOURCE, authorizationServers: [] },
    ['authorizationServers', '[]', /at least one/],
  ],
  [
    'authorization servers that are no list',
    { resource: RESOURCE, authorizationServers: ISSUER },
    ['authorizationServers', `"${ISSUER}"`, /at least one/],
  ],
  [
    'authorization servers that are neither text nor object',
    { resource: RESOURCE, authorizationServers: [null, 1] },
    ['authorizationServers[0]', 'null', /no absolute URL/],
    ['authorizationServers[1]', '1', /no absolute URL/],
  ],
  [
    'issuers that are listed twice',
    {
      resource: RESOURCE,
      authorizationServers: [ISSUER, { issuer: ISSUER }, 'https://b.example.com', 'https://b.example.com'],
    },
    ['authorizationServers', `"${ISSUER}"`, /twice/],
    ['authorizationServers', '"https://b.example.com"', /twice/],
  ],
  [
    'two issuers that are no URLs, which are not the same',
    { resource: RESOURCE, authorizationServers: ['a', 'b'] },
    ['authorizationServers[0]', '"a"', /no absolute URL/],
    ['authorizationServers[1]', '"b"', /no absolute URL/],
  ],
  [
    'an issuer with a query',
    { resource: RESOURCE, authorizationServers: [`${ISSUER}?tenant=1`] },
    ['authorizationServers[0]', `"${ISSUER}?tenant=1"`, /query or fragment/],
  ],
  [
    'an issuer with a fragment',
    { resource: RESOURCE, authorizationServers: [`${ISSUER}#x`] },
    ['authorizationServers[0]', `"${ISSUER}#x"`, /query or fragment/],
  ],
  [
    'an issuer over plain http',
    { resource: RESOURCE, authorizationServers: ['http://login.example.com'] },
    ['authorizationServers[0]', '"http://login.example.com"', HTTP_WHY],
  ],
  [
    'an issuer of another scheme',
    { resource: RESOURCE, authorizationServers: ['ftp://login.example.com'] },
    ['authorizationServers[0]', '"ftp://login.example.com"', /not https/],
  ],
  [
    'a misspelt option of a server',
    server({ jwksURI: 'https://x' }),
    ['authorizationServers[0].jwksURI', 'a value', /no such option/],
  ],
  [
    'keys from two places',
    server({ jwksUri: `${ISSUER}/keys`, discovery: 'oidc' }),
    ['authorizationServers[0]', 'several of jwks, jwksUri, discovery', /one place only/],
  ],
  [
    'unknown discovery',
    server({ discovery: 'openid' }),
    ['authorizationServers[0].discovery', '"openid"', /not known/],
  ],
  [
    'discovery at a URL that is none',
    server({ discovery: { url: 'x' } }),
    ['authorizationServers[0].discovery.url', '"x"', /no absolute URL/],
  ],
  [
    'discovery with more than a URL',
    server({ discovery: { url: `${ISSUER}/x`, timeout: 1 } }),
    ['authorizationServers[0].discovery', 'an object', /not known/],
  ],
  [
    'discovery over plain http',
    server({ discovery: { url: 'http://login.example.com/x' } }),
    ['authorizationServers[0].discovery.url', '"http://login.example.com/x"', HTTP_WHY],
  ],
  [
    'keys at a URL that is none',
    server({ jwksUri: '/keys' }),
    ['authorizationServers[0].jwksUri', '"/keys"', /no absolute URL/],
  ],
  [
    'keys over plain http',
    server({ jwksUri: 'http://login.example.com/keys' }),
    ['authorizationServers[0].jwksUri', '"http://login.example.com/keys"', HTTP_WHY],
  ],
  [
    'keys that are no key set',
    server({ jwks: [{ kty: 'RSA' }] }),
    ['authorizationServers[0].jwks', 'something else', /no JSON Web Key Set/],
  ],
  [
    'a key set without keys',
    server({ jwks: { keys: [] } }),
    ['authorizationServers[0].jwks', 'something else', /no JSON Web Key Set/],
  ],
  [
    'a key set with something else in it',
    server({ jwks: { keys: ['pem'] } }),
    ['authorizationServers[0].jwks', 'something else', /no JSON Web Key Set/],
  ],
  [
    'symmetric and unknown algorithms',
    server({ algorithms: ['RS256', 'HS256', 'none', 'ES256K'] }),
    ['authorizationServers[0].algorithms', '"HS256"', /no asymmetric/],
    ['authorizationServers[0].algorithms', '"none"', /no asymmetric/],
    ['authorizationServers[0].algorithms', '"ES256K"', /no asymmetric/],
  ],
  [
    'an empty list of algorithms',
    server({ algorithms: [] }),
    ['authorizationServers[0].algorithms', '[]', /non-empty strings/],
  ],
  [
    'algorithms that are no list',
    server({ algorithms: 'RS256' }),
    ['authorizationServers[0].algorithms', '"RS256"', /non-empty strings/],
  ],
  ['an unknown profile', server({ profile: 'strict' }), ['authorizationServers[0].profile', '"strict"', /not known/]],
  [
    'introspection that is no object',
    server({ introspection: true }),
    ['authorizationServers[0].introspection', 'something else', /no object/],
  ],
  [
    'introspection without anything',
    server({ introspection: {} }),
    ['authorizationServers[0].introspection.clientId', 'nothing', /required/],
    ['authorizationServers[0].introspection.auth', 'nothing', /method is not known/],
  ],
  [
    'introspection with an empty secret',
    server({ introspection: { clientId: 'notes', auth: { method: 'client_secret_basic', clientSecret: '' } } }),
    ['authorizationServers[0].introspection.auth.clientSecret', 'a value', /no text/],
  ],
  [
    'introspection over plain http',
    server({
      introspection: {
        clientId: 'notes',
        auth: { method: 'client_secret_post', clientSecret: 's' },
        endpoint: 'http://login.example.com/introspect',
      },
    }),
    ['authorizationServers[0].introspection.endpoint', '"http://login.example.com/introspect"', HTTP_WHY],
  ],
  [
    'a misspelt claim option',
    server({ claims: { scope: 'scp' } }),
    ['authorizationServers[0].claims.scope', 'a value', /no such option/],
  ],
  [
    'claim names that are none',
    server({ claims: { scopes: '', clientId: [], subject: 1 } }),
    ['authorizationServers[0].claims.scopes', '[""]', /non-empty strings/],
    ['authorizationServers[0].claims.clientId', '[]', /non-empty strings/],
    ['authorizationServers[0].claims.subject', '1', /non-empty strings/],
  ],
  [
    'a claim pointer that is none',
    server({ claims: { scopes: '/realm_access/~2' } }),
    ['authorizationServers[0].claims.scopes', '"/realm_access/~2"', /JSON Pointer/],
  ],
  [
    'an audience claim that is switched off',
    server({ claims: { audience: false } }),
    ['authorizationServers[0].claims.audience', 'false', /non-empty strings/],
  ],
  [
    'an advertised issuer that is none',
    server({ advertisedIssuer: 'login' }),
    ['authorizationServers[0].advertisedIssuer', '"login"', /no absolute URL/],
  ],
  [
    'an advertised issuer over plain http',
    server({ advertisedIssuer: 'http://login.example.com' }),
    ['authorizationServers[0].advertisedIssuer', '"http://login.example.com"', HTTP_WHY],
  ],
  ['claims that are no object', server({ claims: 'scp' }), ['authorizationServers[0].claims', '"scp"', /no object/]],
];

const SCOPE_ROWS: readonly Row[] = [
  ['scopes that are no object', withScopes(['a']), ['scopes', '["a"]', /no object/]],
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
    'scopes of operations that are none',
    withScopes({ operations: { tools: { ping: 'a' }, resources: { 'notes://x': ['a b'] }, prompts: ['ask'] } }),
    ['scopes.operations.tools["ping"]', '"a"', /non-empty strings/],
    ['scopes.operations.resources["notes://x"]', '"a b"', /visible ASCII/],
    ['scopes.operations.prompts', '["ask"]', /no object/],
  ],
  ['an unknown rule for listing', withScopes({ listing: 'none' }), ['scopes.listing', '"none"', /not known/]],
  [
    'a hierarchy that is no object',
    withScopes({ hierarchy: [['a', 'b']] }),
    ['scopes.hierarchy', '[a list]', /no object/],
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
  ['metadata that is no object', withMetadata('Notes'), ['metadata', '"Notes"', /no object/]],
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
    [`metadata.${name}`, 'true', /proof of possession is not supported/],
  ]),
  [
    'metadata with URLs that are none',
    withMetadata({ resourceDocumentation: 'docs', 'resource_policy_uri#de': 'policy', resourceTosUri: 1 }),
    ['metadata.resourceDocumentation', '"docs"', /no absolute URL/],
    ['metadata.resource_policy_uri#de', '"policy"', /no absolute URL/],
    ['metadata.resourceTosUri', '1', /no absolute URL/],
  ],
  [
    'metadata with URLs over plain http',
    withMetadata({ resourceDocumentation: 'http://docs.example.com' }),
    ['metadata.resourceDocumentation', '"http://docs.example.com"', HTTP_WHY],
  ],
  [
    'a resource name that is no text',
    withMetadata({ resourceName: '', 'resource_name#de': 1 }),
    ['metadata.resourceName', '""', /no text/],
    ['metadata.resource_name#de', '1', /no text/],
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

  it.each([...GENERAL, ...RESOURCE_ROWS, ...SERVER_ROWS, ...SCOPE_ROWS, ...METADATA_ROWS])(
    'refuses to start with %s',
    async (_, options, ...expected) => {
      const error = await problems(options);
      expect(error.problems.map(({ option, seen, why }) => [option, seen, why])).toEqual(
        expected.map(([option, seen, why]) => [option, seen, expect.stringMatching(why)]),
      );
      expectHelpful(error);
    },
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

describe('secrets in options', () => {
  let key: TestKey;
  beforeAll(async () => {
    key = await generateTestKey({ alg: 'ES256' });
  });
  afterEach(stop);

  const SECRET = 'hunter2-and-then-some';
  const privateJwk = (): object => ({ ...key.publicJwk, d: SECRET });

  it.each([
    ['a private key among the public ones', () => server({ jwks: { keys: [key.publicJwk, privateJwk()] } })],
    ['a symmetric key', () => server({ jwks: { keys: [{ kty: 'oct', k: SECRET }] } })],
    ['a private key that is no key set', () => server({ jwks: privateJwk() })],
    ['a private key in PEM', () => server({ jwks: `-----BEGIN PRIVATE KEY-----\n${SECRET}` })],
    ['a private key under another name', () => server({ privateKey: privateJwk() })],
    ['a private key as authorization server', () => ({ ...GOOD, authorizationServers: [privateJwk()] })],
    ['a client secret', () => server({ clientSecret: SECRET })],
    ['a client secret in place of introspection', () => server({ introspection: SECRET })],
    ['a client secret in a list', () => server({ introspection: [{ clientId: 'notes', clientSecret: SECRET }] })],
    [
      'a client secret in place of authentication',
      () => server({ introspection: { clientId: 'notes', auth: SECRET } }),
    ],
    [
      'a client secret beside an unknown method',
      () => server({ introspection: { clientId: 'notes', auth: { method: 'basic', clientSecret: SECRET } } }),
    ],
    [
      'a client secret under another name',
      () => server({ introspection: { clientId: 'notes', auth: { method: 'client_secret_basic', secret: SECRET } } }),
    ],
    [
      'a client secret that is no text',
      () =>
        server({
          introspection: { clientId: 'notes', auth: { method: 'client_secret_post', clientSecret: [SECRET] } },
        }),
    ],
    [
      'a signing key that is none',
      () =>
        server({
          introspection: {
            clientId: 'notes',
            auth: { method: 'private_key_jwt', privateKey: `-----BEGIN PRIVATE KEY-----\n${SECRET}` },
          },
        }),
    ],
    [
      'a signing key that is half a JWK',
      () =>
        server({
          introspection: {
            clientId: 'notes',
            auth: { method: 'private_key_jwt', privateKey: { ...privateJwk(), x: 'x' } },
          },
        }),
    ],
    [
      'credentials for discovery',
      () => server({ discovery: { url: `${ISSUER}/metadata`, headers: { authorization: SECRET } } }),
    ],
    ['credentials in place of a verifier', () => ({ ...GOOD, verifier: { token: SECRET } })],
    ['credentials in place of a list', () => ({ resources: { token: SECRET }, audience: [{ token: SECRET }] })],
    ['credentials in place of an issuer', () => ({ ...GOOD, authorizationServers: [{ issuer: { token: SECRET } }] })],
    ['credentials among scopes', () => withScopes([{ token: SECRET }])],
    ['a client secret of the module', () => ({ ...GOOD, clientSecret: SECRET, introspection: { secret: SECRET } })],
    [
      'a password in an issuer',
      () => ({ ...GOOD, authorizationServers: [`https://user:${SECRET}@login.example.com`] }),
    ],
    ['a password in an issuer that is no URL', () => ({ ...GOOD, authorizationServers: [`https://user:${SECRET}@`] })],
    ['a password in a resource', () => ({ ...GOOD, resource: `https://user:${SECRET}@mcp.example.com/mcp` })],
    ['a password in the URL of keys', () => server({ jwksUri: `https://user:${SECRET}@login.example.com/keys` })],
    [
      'a password in the URL of metadata',
      () => server({ discovery: { url: `https://user:${SECRET}@login.example.com/metadata` } }),
    ],
    [
      'a password in two places',
      () => ({
        resource: `https://${SECRET}@mcp.example.com`,
        authorizationServers: `https://u:${SECRET}@login.example.com https://u:${SECRET}@b`,
      }),
    ],
  ])('refuses %s without showing it', async (_, options) => {
    const error = await problems(options());
    expect(`${error.message} ${error.stack} ${JSON.stringify(error)} ${JSON.stringify(error.problems)}`).not.toContain(
      SECRET,
    );
    expectHelpful(error);
  });
});

@Injectable()
class Settings {
  readonly resource: string = RESOURCE;
}

@Module({ providers: [Settings], exports: [Settings] })
class SettingsModule {}

@Module({ providers: [{ provide: Settings, useValue: { resource: 'elsewhere' } }], exports: [Settings] })
class BrokenSettingsModule {}

@Injectable()
class OptionsFactory {
  constructor(private readonly settings: Settings) {}
  createMcpAuthOptions(): McpAuthModuleOptions {
    return { ...GOOD, resource: this.settings.resource };
  }
}

@Module({ imports: [SettingsModule], providers: [OptionsFactory], exports: [OptionsFactory] })
class FactoryModule {}

@Module({ imports: [BrokenSettingsModule], providers: [OptionsFactory], exports: [OptionsFactory] })
class BrokenFactoryModule {}

type AsyncOptions = Parameters<typeof McpAuthModule.forRootAsync>[0];

describe.each(PLATFORMS)('ways to give options, on %s', (platform) => {
  afterEach(stop);

  const useFactory = (settings: Settings): McpAuthModuleOptions => ({ ...GOOD, resource: settings.resource });
  const GIVEN: readonly (readonly [how: string, module: () => DynamicModule])[] = [
    ['forRoot', () => McpAuthModule.forRoot(GOOD)],
    ['useFactory', () => McpAuthModule.forRootAsync({ useFactory: () => GOOD })],
    ['useFactory with a promise', () => McpAuthModule.forRootAsync({ useFactory: () => Promise.resolve(GOOD) })],
    [
      'useFactory with imports and inject',
      () => McpAuthModule.forRootAsync({ imports: [SettingsModule], inject: [Settings], useFactory }),
    ],
    ['useClass', () => McpAuthModule.forRootAsync({ imports: [SettingsModule], useClass: OptionsFactory })],
    ['useExisting', () => McpAuthModule.forRootAsync({ imports: [FactoryModule], useExisting: OptionsFactory })],
  ];

  it.each(GIVEN)('starts with good ones: %s', async (_, module) => {
    const { origin } = await start(module(), [], platform);
    expect(await (await fetch(origin + METADATA)).json()).toMatchObject({ resource: RESOURCE });
  });

  const BROKEN: readonly (readonly [how: string, module: () => DynamicModule])[] = [
    ['forRoot', () => McpAuthModule.forRoot({ ...GOOD, resource: 'elsewhere' })],
    ['useFactory', () => McpAuthModule.forRootAsync({ useFactory: () => ({ ...GOOD, resource: 'elsewhere' }) })],
    [
      'useFactory with a promise',
      () => McpAuthModule.forRootAsync({ useFactory: async () => ({ ...GOOD, resource: 'elsewhere' }) }),
    ],
    [
      'useFactory with imports and inject',
      () => McpAuthModule.forRootAsync({ imports: [BrokenSettingsModule], inject: [Settings], useFactory }),
    ],
    ['useClass', () => McpAuthModule.forRootAsync({ imports: [BrokenSettingsModule], useClass: OptionsFactory })],
    ['useExisting', () => McpAuthModule.forRootAsync({ imports: [BrokenFactoryModule], useExisting: OptionsFactory })],
  ];

  it.each(BROKEN)('refuses to start with bad ones: %s', async (_, module) => {
    const error = await refusal(module, [], platform);
    expect(error.problems).toEqual([expect.objectContaining({ option: 'resource', seen: '"elsewhere"' })]);
  });

  it.each([
    ['nothing', undefined],
    ['null', null],
    ['text', 'https://mcp.example.com/mcp'],
    ['a list', [GOOD]],
  ])('refuses to start with a factory that returns %s', async (_, returned) => {
    const error = await refusal(
      () => McpAuthModule.forRootAsync({ useFactory: () => returned } as unknown as AsyncOptions),
      [],
      platform,
    );
    expect(error.problems.map(({ option }) => option)).toEqual(['options', 'resource', 'authorizationServers']);
    expectHelpful(error);
  });

  it('refuses to start where the factory fails, with its own error', async () => {
    const failure = new Error('The vault is sealed');
    await expect(
      start(McpAuthModule.forRootAsync({ useFactory: () => Promise.reject(failure) }), [], platform),
    ).rejects.toBe(failure);
  });

  it('refuses globalGuard among the options of a factory, which come too late for it', async () => {
    const error = await refusal(
      () => McpAuthModule.forRootAsync({ useFactory: () => ({ ...GOOD, globalGuard: false }) }),
      [],
      platform,
    );
    expect(error.problems.map(({ option }) => option)).toEqual(['globalGuard']);
  });

  @Controller('notes')
  class NotesController {
    @Get()
    list(): string[] {
      return [];
    }

    @Get('scoped')
    @RequireScopes('notes:read')
    scoped(): string[] {
      return [];
    }
  }

  const guarded = async (module: DynamicModule): Promise<number[]> => {
    const { origin } = await start(module, [NotesController], platform);
    return [(await fetch(`${origin}/notes`)).status, (await fetch(`${origin}/notes/scoped`)).status];
  };

  it.each([
    ['left out', {}],
    ['true', { globalGuard: true }],
    ['undefined', { globalGuard: undefined }],
    ['null', { globalGuard: null }],
    ['0', { globalGuard: 0 }],
    ['an empty text', { globalGuard: '' }],
  ])('protects every route where globalGuard is %s', async (_, extras) => {
    expect(await guarded(McpAuthModule.forRoot({ ...GOOD, ...extras } as McpAuthModuleOptions))).toEqual([401, 401]);
    expect(await guarded(McpAuthModule.forRootAsync({ useFactory: () => GOOD, ...extras } as AsyncOptions))).toEqual([
      401, 401,
    ]);
  });

  it('protects only what is decorated where globalGuard is false', async () => {
    expect(await guarded(McpAuthModule.forRoot({ ...GOOD, globalGuard: false }))).toEqual([200, 401]);
    expect(await guarded(McpAuthModule.forRootAsync({ useFactory: () => GOOD, globalGuard: false }))).toEqual([
      200, 401,
    ]);
  });
});

function deepFreeze<T extends object>(value: T): T {
  for (const member of Object.values(value)) {
    if (typeof member === 'object' && member !== null) deepFreeze(member as object);
  }
  return Object.freeze(value);
}

/** Whether anything in here is frozen. */
function isTouched(value: object): boolean {
  return (
    Object.isFrozen(value) ||
    Object.values(value).some((member) => typeof member === 'object' && member !== null && isTouched(member as object))
  );
}

describe.each(PLATFORMS)('the options object, on %s', (platform) => {
  let issuer: TestIssuer;
  beforeAll(async () => {
    issuer = await TestIssuer.start({ alg: 'ES256', audience: RESOURCE });
  });
  afterEach(stop);
  afterAll(() => issuer.close());

  const everyOption = (): object => ({
    resource: 'https://MCP.example.com/mcp',
    id: 'notes',
    authorizationServers: [
      {
        issuer: issuer.issuer,
        jwks: { keys: [{ ...issuer.key.publicJwk }] },
        algorithms: ['ES256'],
        profile: 'rfc9068',
        claims: { scopes: ['scope'] },
      },
      { issuer: ISSUER, discovery: { url: `${ISSUER}/metadata` } },
    ],
    audience: [RESOURCE],
    metadata: { resourceName: 'Notes', x_list: [{ deep: ['value'] }], authorization_details_types_supported: [] },
    scopes: { required: ['a'], supported: ['a'], hierarchy: { admin: ['a'], none: [] } },
    clockToleranceSeconds: 0,
    maxTokenLifetimeSeconds: 600,
    checkAuthorizationServers: false,
  });

  it('is only read: a frozen one does', async () => {
    const { origin } = await start(
      McpAuthModule.forRoot(deepFreeze(everyOption()) as McpAuthModuleOptions),
      [],
      platform,
    );
    expect((await fetch(origin + METADATA)).status).toBe(200);
  });

  it('is left as it was: nothing in it is changed or frozen, empty lists included', async () => {
    const options = { ...everyOption(), scopes: { required: [], supported: [], hierarchy: { none: [] } } };
    const before = structuredClone(options);
    await start(McpAuthModule.forRoot(options as unknown as McpAuthModuleOptions), [], platform);
    expect(options).toEqual(before);
    expect(isTouched(options)).toBe(false);
  });

  it('has no effect any more once the application runs', async () => {
    @Controller('notes')
    class NotesController {
      @Get()
      list(): string[] {
        return [];
      }
    }
    const attacker = await generateTestKey({ alg: 'ES256' });
    const options = everyOption() as {
      resource: string;
      authorizationServers: { issuer: string; jwks?: { keys: object[] }; algorithms?: string[] }[];
      audience: string[];
      metadata: Record<string, unknown> & { x_list: { deep: string[] }[] };
      scopes: { required: string[]; supported: string[]; hierarchy: Record<string, string[]> };
      maxTokenLifetimeSeconds: number;
      allowInsecureHttp?: boolean;
    };
    const { origin } = await start(
      McpAuthModule.forRoot(options as unknown as McpAuthModuleOptions),
      [NotesController],
      platform,
    );

    options.resource = 'https://evil.test/mcp';
    options.audience.push('https://evil.test');
    options.authorizationServers[0]?.jwks?.keys.push(attacker.publicJwk);
    options.authorizationServers.push({ issuer: 'https://evil.test' });
    options.metadata['resourceName'] = 'Evil';
    options.metadata.x_list[0]?.deep.push('evil');
    options.scopes.required.length = 0;
    options.scopes.supported.push('evil');
    options.scopes.hierarchy['b'] = ['a'];
    options.scopes.hierarchy['none']?.push('a');
    options.maxTokenLifetimeSeconds = 1;
    options.allowInsecureHttp = true;

    expect(await (await fetch(origin + METADATA)).json()).toEqual({
      resource: RESOURCE,
      authorization_servers: [issuer.issuer, ISSUER],
      scopes_supported: ['a'],
      bearer_methods_supported: ['header'],
      resource_name: 'Notes',
      x_list: [{ deep: ['value'] }],
    });
    const status = async (...mint: Parameters<TestIssuer['mint']>): Promise<number> =>
      (await fetch(`${origin}/notes`, { headers: { authorization: `Bearer ${await issuer.mint(...mint)}` } })).status;
    expect(await status({ scope: 'a' })).toBe(200);
    expect(await status({ scope: 'admin' })).toBe(200);
    expect(await status({ scope: '' })).toBe(403);
    expect(await status({ scope: 'b' })).toBe(403);
    expect(await status({ scope: 'none' })).toBe(403);
    expect(await status({ scope: 'a', aud: 'https://evil.test' })).toBe(401);
    expect(await status({ scope: 'a' }, { key: attacker })).toBe(401);
  });
});

describe('decorators that cannot be used', () => {
  afterEach(stop);

  const BAD_SCOPES: readonly (readonly [what: string, scopes: readonly unknown[], seen: string])[] = [
    ['no scopes', [], 'nothing'],
    ['an empty scope', [''], '""'],
    ['two scopes in one string', ['a b'], '"a b"'],
    ['a quote', ['a"'], '"a\\""'],
    ['a backslash', ['a\\'], '"a\\\\"'],
    ['a letter that is not ASCII', ['é'], '"é"'],
    ['a line break', ['a\r\nX: y'], '"a\\r\\nX: y"'],
    ['a list', [['a', 'b']], '["a","b"]'],
    ['something other than text', ['a', 1, null], '1, null'],
    ['a scope of the authorization server alone', ['a', 'offline_access'], '"offline_access"'],
  ];

  describe.each([['RequireScopes', RequireScopes] as const, ['RequireAnyScope', RequireAnyScope] as const])(
    '@%s',
    (name, decorator) => {
      it.each(BAD_SCOPES)('refuses %s when the class is loaded', (_, scopes, seen) => {
        let error: unknown;
        try {
          (decorator as (...given: readonly unknown[]) => unknown)(...scopes);
        } catch (thrown) {
          error = thrown;
        }
        expect(error).toBeInstanceOf(McpAuthConfigError);
        expect((error as McpAuthConfigError).problems).toEqual([
          {
            option: `@${name}()`,
            seen,
            why: expect.stringContaining('visible ASCII'),
            write: `Write @${name}('notes:read')`,
          },
        ]);
      });

      it('takes every character a scope may have', () => {
        expect(() =>
          decorator('!#$%&()*+,-./:;<=>?@[]^_`{|}~', "it's", 'https://graph.example.com/Mail.Read'),
        ).not.toThrow();
      });
    },
  );

  it.each([
    ['nothing', {}, '{}'],
    ['an empty list of classes', { acr: [] }, '{"acr":[]}'],
    ['a class with a space', { acr: ['a', 'b c'] }, '{"acr":["a","b c"]}'],
    ['an empty class', { acr: '' }, '{"acr":""}'],
    ['a negative age', { maxAgeSeconds: -1 }, '{"maxAgeSeconds":-1}'],
    ['a fraction of a second', { acr: 'a', maxAgeSeconds: 0.5 }, '{"acr":"a","maxAgeSeconds":0.5}'],
    ['an age as text', { maxAgeSeconds: '300' }, '{"maxAgeSeconds":"300"}'],
  ])('@RequireAuthentication refuses %s when the class is loaded', (_, requirement, seen) => {
    let error: unknown;
    try {
      RequireAuthentication(requirement as object);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(McpAuthConfigError);
    expect((error as McpAuthConfigError).problems).toEqual([
      expect.objectContaining({ option: '@RequireAuthentication()', seen }),
    ]);
    expectHelpful(error as McpAuthConfigError);
  });

  @Controller('method')
  class PublicMethod {
    @Get()
    @Public()
    @RequireScopes('a')
    contradictory(): string {
      return '';
    }

    @Get('fine')
    @Public()
    fine(): string {
      return '';
    }
  }

  @Controller('class')
  @RequireAnyScope('a', 'b')
  @Public()
  class PublicClass {
    @Get()
    one(): string {
      return '';
    }

    @Get('two')
    two(): string {
      return '';
    }
  }

  @Controller('policy')
  class PublicPolicy {
    @Get()
    @Authorize(() => true)
    @Public()
    contradictory(): string {
      return '';
    }
  }

  @Controller('authentication')
  class PublicAuthentication {
    @Get()
    @RequireAuthentication({ acr: 'mfa' })
    @Public()
    contradictory(): string {
      return '';
    }
  }

  @Controller()
  @Public()
  class MessageController {
    @MessagePattern('anything')
    @Public()
    @RequireScopes('a')
    contradictory(): string {
      return '';
    }
  }

  it('refuses to start with @Public() beside requirements on one method or one class, naming each once', async () => {
    const error = await refusal(
      () => McpAuthModule.forRoot(GOOD),
      [PublicMethod, PublicClass, PublicPolicy, PublicAuthentication, MessageController],
    );
    expect(error.problems).toEqual(
      [
        'PublicMethod.contradictory',
        'PublicClass',
        'PublicPolicy.contradictory',
        'PublicAuthentication.contradictory',
        'MessageController.contradictory',
      ].map((option) => ({
        option,
        seen: '@Public() beside requirements',
        why: 'it is declared both public and protected',
        write: 'Remove @Public(), or the requirements',
      })),
    );
    expectHelpful(error);
  });

  it.each(['forRoot', 'forRootAsync'] as const)(
    'refuses to start with them however the options are given: %s',
    async (how) => {
      const module =
        how === 'forRoot' ? McpAuthModule.forRoot(GOOD) : McpAuthModule.forRootAsync({ useFactory: () => GOOD });
      expect((await refusal(() => module, [PublicMethod])).problems).toHaveLength(1);
    },
  );

  it('takes a public method in a protected class, and a protected method in a public class', async () => {
    @Controller('a')
    @RequireScopes('a')
    class Protected {
      @Get()
      @Public()
      open(): string {
        return 'open';
      }
    }

    @Controller('b')
    @Public()
    class Open {
      @Get()
      @RequireScopes('a')
      closed(): string {
        return 'closed';
      }
    }
    const { origin } = await start(McpAuthModule.forRoot(GOOD), [Protected, Open]);
    expect([(await fetch(`${origin}/a`)).status, (await fetch(`${origin}/b`)).status]).toEqual([200, 401]);
  });

  @Controller('stray')
  @ProtectedResource('unknown')
  class Stray {
    @Get()
    one(): string {
      return '';
    }

    @Get('two')
    two(): string {
      return '';
    }
  }

  @Controller('empty')
  class EmptyId {
    @Get()
    @ProtectedResource('')
    one(): string {
      return '';
    }
  }

  const RESOURCES = several(
    { ...ONE, id: 'notes' },
    { ...ONE, resource: 'https://mcp.example.com/mail' },
  ) as McpAuthModuleOptions;

  it('refuses to start with a @ProtectedResource() that is not configured, naming those that are', async () => {
    const error = await refusal(() => McpAuthModule.forRoot({ ...GOOD, id: 'notes' }), [Stray, EmptyId]);
    expect(error.problems).toEqual([
      {
        option: '@ProtectedResource() of Stray',
        seen: '"unknown"',
        why: 'no resource has this id',
        write: 'Known are "notes"',
      },
      {
        option: '@ProtectedResource() of EmptyId',
        seen: '""',
        why: 'no resource has this id',
        write: 'Known are "notes"',
      },
    ]);
  });

  @Controller('unlabelled')
  class Unlabelled {
    @Get()
    one(): string {
      return '';
    }
  }

  @Controller('half')
  class HalfLabelled {
    @Get('labelled')
    @ProtectedResource('notes')
    labelled(): string {
      return '';
    }

    @Get('unlabelled')
    @RequireScopes('a')
    unlabelled(): string {
      return '';
    }

    @Get('open')
    @Public()
    open(): string {
      return '';
    }
  }

  it('refuses to start with several resources and a protected route that belongs to none of them', async () => {
    const error = await refusal(() => McpAuthModule.forRoot(RESOURCES), [Unlabelled, HalfLabelled]);
    const why = 'with several resources, each protected route must say whose tokens it accepts';
    const write = 'Known are "notes", "https://mcp.example.com/mail"; or declare the route @Public()';
    expect(error.problems).toEqual([
      { option: '@ProtectedResource() of Unlabelled', seen: 'nothing', why, write },
      { option: '@ProtectedResource() of HalfLabelled', seen: 'nothing', why, write },
    ]);
    expectHelpful(error);
  });

  it('lists all kinds of problems with decorators at once', async () => {
    const error = await refusal(() => McpAuthModule.forRoot(RESOURCES), [Stray, Unlabelled, PublicPolicy]);
    expect(error.problems.map(({ option }) => option)).toEqual([
      '@ProtectedResource() of Stray',
      '@ProtectedResource() of Unlabelled',
      'PublicPolicy.contradictory',
    ]);
  });

  it.each(PLATFORMS)('starts with several resources where every route says whose it is, on %s', async (platform) => {
    @Controller('notes')
    @ProtectedResource('notes')
    class Notes {
      @Get()
      one(): string {
        return '';
      }

      @Get('mail')
      @ProtectedResource('https://mcp.example.com/mail')
      two(): string {
        return '';
      }
    }
    const { origin } = await start(McpAuthModule.forRoot(RESOURCES), [Notes], platform);
    const metadataOf = async (path: string): Promise<string | undefined> =>
      parseChallenges((await fetch(origin + path)).headers.get('www-authenticate') as string)[0]?.params[
        'resource_metadata'
      ];
    expect(await metadataOf('/notes')).toBe('https://mcp.example.com/.well-known/oauth-protected-resource/mcp');
    expect(await metadataOf('/notes/mail')).toBe('https://mcp.example.com/.well-known/oauth-protected-resource/mail');
  });
});

describe.each(PLATFORMS)('options that weaken protection, on %s', (platform) => {
  let issuer: TestIssuer;
  beforeAll(async () => {
    issuer = await TestIssuer.start({ alg: 'ES256', audience: RESOURCE });
  });
  afterEach(stop);
  afterAll(() => issuer.close());

  const warnings = (log: readonly LogLine[]): string[] =>
    log.filter(({ level }) => level === 'warn').map(({ text }) => text);

  @Controller('notes')
  class NotesController {
    @Get()
    list(): string[] {
      return [];
    }
  }

  it('logs plain http as a warning, for each URL once, at start and not again', async () => {
    const options = {
      resource: 'http://mcp.internal/mcp',
      authorizationServers: [
        { issuer: 'http://login.internal', jwksUri: 'http://keys.internal/keys' },
        { issuer: 'https://login.example.com', discovery: { url: 'http://login.internal/metadata' } },
        'http://127.0.0.1:9/loopback',
      ],
      allowInsecureHttp: true,
      checkAuthorizationServers: false,
    };
    const { origin, log } = await start(McpAuthModule.forRoot(options), [NotesController], platform);
    const why = 'is plain http: tokens and keys can be read and changed on the way';
    const expected = [
      `resource "http://mcp.internal/mcp" ${why}`,
      `authorizationServers[0] "http://login.internal" ${why}`,
      `authorizationServers[0].jwksUri "http://keys.internal/keys" ${why}`,
      `authorizationServers[1].discovery.url "http://login.internal/metadata" ${why}`,
    ];
    expect(
      warnings(log).map((text) => text.replace('authorizationServers[0].issuer', 'authorizationServers[0]')),
    ).toEqual(expected);
    for (let i = 0; i < 3; i++) {
      await fetch(`${origin}/notes`);
      await fetch(origin + METADATA);
    }
    expect(warnings(log)).toHaveLength(expected.length);
  });

  it('logs the warnings of options from a factory once too', async () => {
    const options = { ...GOOD, resource: 'http://mcp.internal/mcp', allowInsecureHttp: true };
    const { log } = await start(McpAuthModule.forRootAsync({ useFactory: () => options }), [], platform);
    expect(warnings(log)).toEqual([expect.stringContaining('http://mcp.internal/mcp')]);
  });

  it.each([
    ['with plain http allowed but not used', { ...GOOD, allowInsecureHttp: true }],
    ['with nothing but the defaults', GOOD],
    ['with everything off', { ...GOOD, allowInsecureHttp: false, exposeErrorDetails: false }],
  ])('logs no warning %s', async (_, options) => {
    const { log } = await start(McpAuthModule.forRoot(options), [], platform);
    expect(warnings(log)).toEqual([]);
  });

  const refused = async (
    options: object,
    token: string,
  ): Promise<{ description: string | undefined; body: string; log: LogLine[] }> => {
    const { origin, log } = await start(
      McpAuthModule.forRoot({ ...GOOD, authorizationServers: [issuer.issuer], ...options }),
      [NotesController],
      platform,
    );
    const response = await fetch(`${origin}/notes`, { headers: { authorization: `Bearer ${token}` } });
    expect(response.status).toBe(401);
    const [challenge] = parseChallenges(response.headers.get('www-authenticate') as string);
    return { description: challenge?.params['error_description'], body: await response.text(), log };
  };

  it('does not tell clients why a token was refused, unless exposeErrorDetails is on', async () => {
    const token = await issuer.mint({ exp: 1 });
    const { description, body, log } = await refused({}, token);
    expect(description).toBe('The access token is invalid or has expired.');
    expect(JSON.parse(body)).toEqual({ error: 'invalid_token', error_description: description });
    expect(log).toContainEqual({
      level: 'debug',
      text: expect.stringMatching(/^Refused 401 invalid_token for GET \/notes .*: the token has expired/),
    });
  });

  it('tells clients the reason with exposeErrorDetails, and nothing of the token, with a warning at start', async () => {
    const token = await issuer.mint({ aud: 'https://other.example.com/mcp' });
    const { description, body, log } = await refused({ exposeErrorDetails: true }, token);
    expect(description).toBe(
      'The access token is invalid or has expired. Reason: the token was issued for another audience.',
    );
    expect(JSON.parse(body)).toEqual({ error: 'invalid_token', error_description: description });
    expect(warnings(log)).toEqual([
      'exposeErrorDetails is on: clients are told why tokens are refused',
      expect.stringContaining('aud is "https://other.example.com/mcp"'),
    ]);
    for (const secret of [token, ...token.split('.'), 'other.example.com'])
      expect(body + description).not.toContain(secret);
  });
});
