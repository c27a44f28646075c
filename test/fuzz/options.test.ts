import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { McpAuthConfigError, type McpAuthModuleOptions } from 'nestjs-mcp-auth';
import { parseChallenges } from 'nestjs-mcp-auth/testing';
import { formatChallenge } from '../../lib/core/challenge.js';
import { readOptions } from '../../lib/options/read-options.js';
import type { ResolvedOptions } from '../../lib/options/options.js';
import type { ResolvedResource } from '../../lib/options/resource-options.js';
import { always, memberName } from './property.js';

const ASYMMETRIC = /^(?:RS|PS|ES)(?:256|384|512)$|^EdDSA$|^Ed25519$/;
const SCOPE = /^[\x21\x23-\x5B\x5D-\x7E]+$/;

/** Anything that JavaScript has. */
const anything: fc.Arbitrary<unknown> = fc.anything({
  key: memberName,
  maxDepth: 3,
  withBigInt: true,
  withBoxedValues: true,
  withDate: true,
  withMap: true,
  withNullPrototype: true,
  withObjectString: true,
  withSet: true,
  withSparseArray: true,
  withTypedArray: true,
});
const circular: fc.Arbitrary<unknown> = fc.constantFrom('object', 'list', 'bare').map((kind) => {
  if (kind === 'list') {
    const list: unknown[] = [];
    list.push(list);
    return list;
  }
  const object = (kind === 'bare' ? Object.create(null) : {}) as Record<string, unknown>;
  object['self'] = object;
  return object;
});
const odd: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 8, arbitrary: anything },
  { weight: 1, arbitrary: circular },
  {
    weight: 1,
    arbitrary: fc.constantFrom<unknown>(
      () => 'f',
      Symbol('s'),
      NaN,
      -0,
      Infinity,
      1n,
      new Error('e'),
      new URL('https://x.example'),
      Object.create(null),
    ),
  },
);

/** URLs and what looks like one. */
const url: fc.Arbitrary<string> = fc.oneof(
  fc.webUrl(),
  fc.webUrl({ withFragments: true, withQueryParameters: true, validSchemes: ['http', 'https', 'ftp'] }),
  fc
    .tuple(
      fc.constantFrom(
        'https://',
        'http://',
        'HTTPS://',
        'https:/',
        'https:',
        'ftp://',
        'file:///',
        '//',
        '',
        ' https://',
        'https:\\\\',
      ),
      fc.constantFrom(
        'mcp.example.com',
        'MCP.Example.Com',
        'localhost',
        '127.0.0.1',
        '127.1',
        '[::1]',
        'user:pw@h.example',
        'h.example:443',
        'h.example:8443',
        'm\u00fcnchen.example',
        'xn--mnchen-3ya.example',
        'h.example.',
        '',
        'a b',
        '0x7f.1',
        '\u212aelvin.example',
      ),
      fc.constantFrom(
        '',
        '/',
        '/mcp',
        '/mcp/',
        '/a//b',
        '/a/../b',
        '/a/./b',
        '/%2e%2e/x',
        '/a b',
        '/\u00fc',
        '/%zz',
        '/a?b',
        '/a#b',
        '/?',
        '/#',
        '/a\n',
        '/a\t',
        '/"',
        '/\\',
        "/'",
        '/a;b',
        '/a|b',
        '/{id}',
        ' ',
        '/\ud800',
      ),
    )
    .map((parts) => parts.join('')),
  fc.string(),
);
const loopback = fc.constantFrom(
  'http://localhost:3000/mcp',
  'http://127.0.0.1:3000/mcp',
  'http://[::1]:3000/mcp',
  'https://mcp.example.com/mcp',
);
const scope = fc.oneof(
  fc.constantFrom(
    'a',
    'notes:read',
    'offline_access',
    'openid',
    '',
    ' ',
    'a b',
    '"',
    '\\',
    '__proto__',
    'constructor',
    '\u00e9',
  ),
  fc.string(),
);

const scopeList = fc.array(scope, { maxLength: 3 });
const members = fc.oneof(
  memberName,
  fc.constantFrom(
    'resourceName',
    'resourceDocumentation',
    'jwksUri',
    'jwks_uri',
    'resource_policy_uri',
    'signed_metadata',
    'dpop_x',
    'resource',
  ),
);

/** Where something may stand in the options of a resource, and what somebody may try there. */
const PLACES: readonly [path: readonly string[], arbitrary: fc.Arbitrary<unknown>][] = [
  [['resource'], fc.oneof(url, loopback)],
  [['id'], fc.string()],
  [['authorizationServers'], fc.array(fc.oneof(url, loopback), { maxLength: 3 })],
  [['authorizationServers', '0'], url],
  [['authorizationServers', '0', 'issuer'], url],
  [['authorizationServers', '0', 'advertisedIssuer'], url],
  [['authorizationServers', '0', 'discovery'], fc.oneof(fc.constantFrom('auto', 'oauth', 'oidc'), fc.record({ url }))],
  [['authorizationServers', '0', 'jwksUri'], url],
  [
    ['authorizationServers', '0', 'jwks'],
    fc.constantFrom<unknown>(
      { keys: [{ kty: 'OKP' }] },
      { keys: [] },
      { keys: [{ kty: 'oct' }] },
      { keys: [{ d: 'AA' }] },
    ),
  ],
  [
    ['authorizationServers', '0', 'algorithms'],
    fc.array(fc.constantFrom('RS256', 'ES256', 'none', 'HS256', 'EdDSA', 'toString'), { maxLength: 3 }),
  ],
  [['authorizationServers', '0', 'profile'], fc.constantFrom('compatible', 'rfc9068', 'RFC9068')],
  [
    ['authorizationServers', '0', 'claims'],
    fc.dictionary(
      fc.constantFrom('scopes', 'clientId', 'subject', 'audience', 'sub'),
      fc.constantFrom<unknown>('scp', '/a/b', '/~', '', ['cid', 'azp'], []),
    ),
  ],
  [
    ['authorizationServers', '0', 'introspection'],
    fc.record(
      {
        endpoint: url,
        clientId: fc.string(),
        auth: fc.oneof(
          fc.record({
            method: fc.constantFrom('client_secret_basic', 'client_secret_post', 'none'),
            clientSecret: fc.string(),
          }),
          fc.record({
            method: fc.constant('private_key_jwt'),
            privateKey: fc.oneof(odd, fc.string(), fc.constant({ kty: 'EC', d: 'AA' })),
          }),
        ),
        signed: fc.boolean(),
        audienceBound: fc.boolean(),
        cacheSeconds: fc.integer({ min: -1, max: 3_601 }),
        tokenPrefix: fc.string(),
      },
      { requiredKeys: ['clientId', 'auth'] },
    ),
  ],
  [['authorizationServers', '1'], fc.oneof(url, loopback)],
  [['trustedIssuer'], fc.constantFrom<unknown>(() => undefined, 'https://login.example.com', true)],
  [['verifier'], fc.constantFrom<unknown>(() => undefined, { verify: () => undefined }, class {}, 'verifier', {})],
  [['audience'], fc.oneof(fc.string(), fc.array(fc.string(), { maxLength: 3 }))],
  [['metadata'], fc.dictionary(members, fc.oneof(odd, url), { maxKeys: 2 })],
  [['scopes', 'required'], scopeList],
  [['scopes', 'supported'], scopeList],
  [['scopes', 'hierarchy'], fc.dictionary(fc.oneof(scope, memberName), scopeList, { maxKeys: 2 })],
  [
    ['scopes', 'operations'],
    fc.dictionary(
      fc.constantFrom('tools', 'resources', 'prompts', 'tool'),
      fc.dictionary(memberName, scopeList, { maxKeys: 2 }),
      {
        maxKeys: 2,
      },
    ),
  ],
  [['scopes', 'listing'], fc.constantFrom('show', 'hide', 'obtainable', 'SHOW')],
];
const COMMON_PLACES: typeof PLACES = [
  [['clockToleranceSeconds'], fc.integer({ min: -1, max: 301 })],
  [['maxTokenLifetimeSeconds'], fc.integer({ min: 0, max: 31_536_001 })],
  [['allowInsecureHttp'], fc.boolean()],
  [['exposeErrorDetails'], fc.boolean()],
  [['allowAnonymous'], fc.oneof(fc.boolean(), fc.record({ list: fc.boolean(), call: fc.constantFrom(true, 'yes') }))],
  [['allowUnguardedMounts'], fc.boolean()],
  [['tasks'], fc.constantFrom<unknown>('bound', 'bound-by-application', 'unbound')],
  [['followCaller'], fc.boolean()],
  [
    ['cache'],
    fc.oneof(
      fc.boolean(),
      fc.record({ maxEntries: fc.integer({ min: 0, max: 1_000_001 }), ttlSeconds: fc.integer({ min: 0, max: 3_601 }) }),
    ),
  ],
  [['challenge'], fc.constantFrom<unknown>('http', 'tool-result', 'HTTP', () => 'http')],
  [['allowedOrigins'], fc.array(url, { maxLength: 2 })],
  [['stdio'], fc.constantFrom<unknown>('deny', 'trust', { tokenEnv: 'X' }, { tokenEnv: '' })],
];

interface Change {
  readonly path: readonly string[];
  readonly value: unknown;
}

/** What fits in kind, for the most part, and now and then anything else. */
function changeAt(places: typeof PLACES, inside: readonly string[] = []): fc.Arbitrary<Change> {
  const each = places.map(([path, arbitrary]) =>
    fc
      .oneof({ weight: 4, arbitrary }, { weight: 1, arbitrary: odd })
      .map((value): Change => ({ path: [...inside, ...path], value })),
  );
  return fc.oneof(...each);
}

function goodResource(path: string): Record<string, unknown> {
  return {
    resource: `https://mcp.example.com${path}`,
    authorizationServers: [{ issuer: 'https://login.example.com' }],
    scopes: { required: ['a'] },
  };
}

/** Sets what stands at a path; a place below something else than an object is left alone. */
function put(target: unknown, [name = '', ...rest]: readonly string[], value: unknown): void {
  if (typeof target !== 'object' || target === null || !Object.isExtensible(target)) return;
  const object = target as Record<string, unknown>;
  if (rest.length === 0) object[name] = value;
  else put((object[name] ??= {}), rest, value);
}

function changed(base: () => Record<string, unknown>, change: fc.Arbitrary<Change>): fc.Arbitrary<unknown> {
  return fc.array(change, { maxLength: 3 }).map((changes) => {
    const given = base();
    for (const { path, value } of changes) put(given, path, value);
    return given;
  });
}

const options: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 8, arbitrary: changed(() => goodResource('/mcp'), changeAt([...PLACES, ...COMMON_PLACES])) },
  {
    weight: 4,
    arbitrary: changed(
      () => ({ resources: [goodResource('/notes'), goodResource('/billing')] }),
      fc.oneof(
        changeAt(PLACES, ['resources', '0']),
        changeAt(PLACES, ['resources', '1']),
        changeAt([[['resources'], odd], ...COMMON_PLACES]),
      ),
    ),
  },
  { weight: 1, arbitrary: odd },
);

/** The options resolved, or the problems with them; any other error is thrown. */
function resolved(given: unknown): ResolvedOptions | McpAuthConfigError {
  try {
    return readOptions(given as McpAuthModuleOptions);
  } catch (error) {
    if (error instanceof McpAuthConfigError) return error;
    throw error;
  }
}

function expectUsable({ identifier: { value: identifier, origin, path }, ...resource }: ResolvedResource): void {
  // What clients are told is what they would write themselves.
  const read = new URL(identifier);
  expect([identifier, `${identifier}/`]).toContain(read.href);
  expect(origin + path).toBe(identifier);
  expect(read.origin).toBe(origin);
  expect([read.username, read.password, read.hash, read.search]).toEqual(['', '', '', '']);
  expect(identifier).toMatch(/^https?:\/\/[^A-Z\s"\\?#@]+(?:\/[^\s"\\?#]*)?$/);
  const [challenge] = parseChallenges(formatChallenge({ resourceMetadata: resource.metadataUrl }));
  expect(challenge?.params['resource_metadata']).toBe(resource.metadataUrl);
  expect(new URL(resource.metadataUrl).href).toBe(resource.metadataUrl);

  expect(resource.audiences.length).toBeGreaterThan(0);
  expect(resource.audiences.every((audience) => typeof audience === 'string' && audience !== '')).toBe(true);
  const scopes = [
    ...resource.requiredScopes,
    ...(resource.supportedScopes ?? []),
    ...Object.entries(resource.scopeHierarchy).flat(2),
    ...resource.operationScopes.flatMap((one) => one.scopes),
  ];
  expect(scopes.filter((one) => !SCOPE.test(one) || one === 'offline_access')).toEqual([]);
  expect(JSON.parse(JSON.stringify(resource.metadata))).toEqual(resource.metadata);

  expect(resource.authorizationServers.length).toBeGreaterThan(0);
  for (const { issuer, algorithms, claimNames } of resource.authorizationServers) {
    expect(issuer).toMatch(/^https?:\/\/[^\s\p{Cc}\p{Cs}\\?#]+$/iu);
    expect(new URL(issuer).username + new URL(issuer).password).toBe('');
    expect(algorithms.filter((one) => !ASYMMETRIC.test(one))).toEqual([]);
    expect(algorithms.length).toBeGreaterThan(0);
    expect(
      Object.values(claimNames)
        .flat()
        .every((one) => typeof one === 'string' && one !== ''),
    ).toBe(true);
  }
}

/** No two of several resources may be one. */
function expectDistinct(resources: readonly ResolvedResource[]): void {
  for (const key of ['id', 'metadataUrl'] as const) {
    const values = resources.map((resource) => resource[key]);
    expect(new Set(values).size).toBe(values.length);
  }
}

function isFrozen(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return Object.isFrozen(value) && Object.values(value).every(isFrozen);
}

describe('any options', () => {
  it('are refused as a whole, with every problem in words, or come out usable, whole and frozen', () => {
    const seen = { usable: 0, refused: 0 };
    always(2_000, options, (given) => {
      const result = resolved(given);
      if (result instanceof McpAuthConfigError) {
        seen.refused++;
        expect(result.problems.length).toBeGreaterThan(0);
        for (const { seen: found, why, write } of result.problems) expect([found, why, write]).not.toContain('');
        return;
      }
      seen.usable++;
      for (const resource of result.resources) expectUsable(resource);
      expectDistinct(result.resources);
      expect(result.clockToleranceSeconds).toBeGreaterThanOrEqual(0);
      expect(result.clockToleranceSeconds).toBeLessThanOrEqual(300);
      expect(result.maxTokenLifetimeSeconds).toBeGreaterThan(0);
      expect(isFrozen(result)).toBe(true);
    });
    expect(Math.min(seen.usable, seen.refused)).toBeGreaterThan(400);
  });

  it('are read, and left as they were', () => {
    const plain = fc.record({
      resource: loopback,
      authorizationServers: fc.array(loopback, { minLength: 1 }),
      scopes: fc.record({ required: fc.array(scope) }),
    });
    always(300, plain, (given) => {
      const before = structuredClone(given);
      resolved(given);
      expect(given).toEqual(before);
      expect(Object.isFrozen(given) || Object.isFrozen(given.authorizationServers)).toBe(false);
    });
  });
});
