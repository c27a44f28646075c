import { generateKeyPairSync } from 'node:crypto';
import { inspect } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { McpAuthConfigError, type McpAuthModuleOptions } from 'nestjs-mcp-auth';
import { generateTestKey } from 'nestjs-mcp-auth/testing';
import { readOptions } from '../lib/options/read-options.js';
import type { ResolvedOptions } from '../lib/options/options.js';

// What may be written for introspection, looked-up issuers, and the cache; and that no secret is shown on the way.

const SECRET = 'hunter2-and-then-some';
const BASE = { resource: 'https://mcp.example.com/mcp', authorizationServers: ['https://login.example.com'] };
const CLIENT = { clientId: 'notes', auth: { method: 'client_secret_basic', clientSecret: SECRET } };

const resolve = (options: unknown): ResolvedOptions => readOptions(options as McpAuthModuleOptions);
const withIntrospection = (introspection: unknown, more: object = {}): unknown => ({
  ...BASE,
  authorizationServers: [{ issuer: 'https://login.example.com', introspection, ...more }],
});

/** What is wrong, as option and what was seen; fails if the options are accepted. */
function problems(options: unknown): string[] {
  try {
    resolve(options);
  } catch (error) {
    if (!(error instanceof McpAuthConfigError)) throw error;
    expect(inspect(error, { depth: Infinity, showHidden: true })).not.toContain(SECRET);
    return error.problems.map(({ option, seen }) => `${option}: ${seen}`);
  }
  throw new Error('The options were accepted');
}

const AT = 'authorizationServers[0].introspection';

describe('introspection', () => {
  it('needs a client and its credentials, and nothing else', () => {
    const [server] = resolve(withIntrospection(CLIENT)).resources[0].authorizationServers;
    expect(server?.introspection).toEqual({
      endpoint: undefined,
      clientId: 'notes',
      authenticate: expect.any(Function),
      signed: false,
      audienceBound: false,
      accessTokensOnly: false,
      cacheSeconds: 60,
      negativeCacheSeconds: 10,
      tokenPrefix: undefined,
    });
    expect(Object.isFrozen(server?.introspection)).toBe(true);
  });

  it('is absent where it is not written', () => {
    expect(resolve(BASE).resources[0].authorizationServers[0]?.introspection).toBeUndefined();
  });

  it('keeps the secret out of the resolved options, however they are shown', async () => {
    const { privateKey } = await generateTestKey({ alg: 'ES256' });
    const jwk = privateKey.export({ format: 'jwk' });
    for (const introspection of [
      CLIENT,
      { clientId: 'notes', auth: { method: 'client_secret_post', clientSecret: SECRET } },
      { clientId: 'notes', auth: { method: 'private_key_jwt', privateKey: jwk } },
    ]) {
      const options = resolve(withIntrospection(introspection));
      const shown = `${JSON.stringify(options)} ${inspect(options, { depth: Infinity, showHidden: true })}`;
      expect(shown).not.toContain(SECRET);
      expect(shown).not.toContain(jwk.d);
    }
  });

  it.each<[seen: string, introspection: unknown, expected: string[]]>([
    ['a text', SECRET, [`${AT}: something else`]],
    ['true', true, [`${AT}: something else`]],
    ['a list', [CLIENT], [`${AT}: something else`]],
    ['nothing in it', {}, [`${AT}.clientId: nothing`, `${AT}.auth: nothing`]],
    ['no client id', { auth: CLIENT.auth }, [`${AT}.clientId: nothing`]],
    ['an empty client id', { ...CLIENT, clientId: '' }, [`${AT}.clientId: ""`]],
    ['no credentials', { clientId: 'notes' }, [`${AT}.auth: nothing`]],
    ['credentials that are text', { clientId: 'notes', auth: SECRET }, [`${AT}.auth: a value`]],
    [
      'an unknown method',
      { clientId: 'notes', auth: { method: 'none', clientSecret: SECRET } },
      [`${AT}.auth: a value`],
    ],
    ['no secret', { clientId: 'notes', auth: { method: 'client_secret_post' } }, [`${AT}.auth.clientSecret: nothing`]],
    [
      'an empty secret',
      { clientId: 'notes', auth: { method: 'client_secret_basic', clientSecret: '' } },
      [`${AT}.auth.clientSecret: a value`],
    ],
    [
      'a secret that is not a string',
      { clientId: 'notes', auth: { method: 'client_secret_basic', clientSecret: { SECRET } } },
      [`${AT}.auth.clientSecret: a value`],
    ],
    [
      'a secret that is misspelt',
      { clientId: 'notes', auth: { method: 'client_secret_basic', secret: SECRET } },
      [`${AT}.auth.secret: a value`, `${AT}.auth.clientSecret: nothing`],
    ],
    ['a secret beside the credentials', { ...CLIENT, clientSecret: SECRET }, [`${AT}.clientSecret: a value`]],
    ['an endpoint that is not a URL', { ...CLIENT, endpoint: '/introspect' }, [`${AT}.endpoint: "/introspect"`]],
    [
      'an endpoint that is not https',
      { ...CLIENT, endpoint: 'http://as.example/x' },
      [`${AT}.endpoint: "http://as.example/x"`],
    ],
    [
      'an endpoint with a password',
      { ...CLIENT, endpoint: `https://notes:${SECRET}@as.example/x` },
      [`${AT}.endpoint: "https://…@as.example/x"`],
    ],
    [
      'invalid flags',
      { ...CLIENT, signed: 'yes', audienceBound: 1 },
      [`${AT}.signed: "yes"`, `${AT}.audienceBound: 1`],
    ],
    [
      'times out of range',
      { ...CLIENT, cacheSeconds: -1, negativeCacheSeconds: 301 },
      [`${AT}.cacheSeconds: -1`, `${AT}.negativeCacheSeconds: 301`],
    ],
    [
      'times that are no numbers',
      { ...CLIENT, cacheSeconds: '60', negativeCacheSeconds: Infinity },
      [`${AT}.cacheSeconds: "60"`, `${AT}.negativeCacheSeconds: Infinity`],
    ],
    ['an empty prefix', { ...CLIENT, tokenPrefix: '' }, [`${AT}.tokenPrefix: ""`]],
  ])('is refused with %s, and shows no secret', (_seen, introspection, expected) => {
    expect(problems(withIntrospection(introspection))).toEqual(expected);
  });

  it('is refused where it is misspelt, and shows no secret', () => {
    expect(problems(withIntrospection(undefined, { introspecton: CLIENT }))).toEqual([
      'authorizationServers[0].introspecton: a value',
    ]);
  });

  const at = `${AT}.auth.privateKey`;
  it.each<[what: string, key: unknown, expected: string[]]>([
    ['nothing', undefined, [`${at}: nothing`]],
    ['text that is not a key', SECRET, [`${at}: a value`]],
    ['an object that is not a key', { kty: 'EC', d: SECRET }, [`${at}: a value`]],
    ['a secret', { kty: 'oct', k: SECRET }, [`${at}: a value`]],
    [
      'a public key',
      generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' }),
      [`${at}: a value`],
    ],
    [
      'public PEM',
      generateKeyPairSync('ed25519').publicKey.export({ format: 'pem', type: 'spki' }),
      [`${at}: a value`],
    ],
    ['a key for encryption', generateKeyPairSync('x25519').privateKey.export({ format: 'jwk' }), [`${at}: a value`]],
    [
      'a key with the algorithm of another',
      { ...generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }), alg: 'ES384' },
      [`${at}: a value`],
    ],
    [
      'a key with a symmetric algorithm',
      { ...generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }), alg: 'HS256' },
      [`${at}: a value`],
    ],
  ])('is refused with %s for a private key', (_what, privateKey, expected) => {
    expect(problems(withIntrospection({ clientId: 'notes', auth: { method: 'private_key_jwt', privateKey } }))).toEqual(
      expected,
    );
  });

  it.each<[string, () => unknown]>([
    ['an RSA JWK', () => generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' })],
    ['an EC JWK', () => generateKeyPairSync('ec', { namedCurve: 'P-521' }).privateKey.export({ format: 'jwk' })],
    ['an Ed25519 JWK', () => generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' })],
    ['PEM text', () => generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' })],
  ])('takes %s for a private key', (_what, key) => {
    expect(
      resolve(withIntrospection({ clientId: 'notes', auth: { method: 'private_key_jwt', privateKey: key() } })),
    ).toBeDefined();
  });

  it('is refused beside a verifier, which would never ask', () => {
    const verifier = (): never => {
      throw new Error('never');
    };
    expect(problems({ ...(withIntrospection(CLIENT) as object), verifier })).toEqual(['verifier: a verifier']);
    const { resource, authorizationServers } = withIntrospection(CLIENT) as typeof BASE;
    expect(problems({ resources: [{ resource, authorizationServers }], verifier })).toEqual([
      'resources[0].verifier: a verifier',
    ]);
  });

  it('warns where an audience need not be named', () => {
    expect(resolve(withIntrospection({ ...CLIENT, audienceBound: true })).warnings).toEqual([
      expect.stringContaining(`${AT}.audienceBound is on`),
    ]);
    expect(resolve(withIntrospection(CLIENT)).warnings).toEqual([]);
  });

  it('refuses prefixes of which one begins with another', () => {
    const server = (host: string, tokenPrefix?: string): object => ({
      issuer: `https://${host}.example`,
      introspection: { ...CLIENT, tokenPrefix },
    });
    const servers = (...authorizationServers: object[]): unknown => ({ ...BASE, authorizationServers });
    expect(problems(servers(server('a', 'x_'), server('b', 'x_y_')))).toEqual(['authorizationServers: "x_y_"']);
    expect(problems(servers(server('a', 'x_'), server('b', 'x_')))).toEqual([
      'authorizationServers: "x_"',
      'authorizationServers: "x_"',
    ]);
    expect(resolve(servers(server('a', 'x_'), server('b', 'y_'), server('c')))).toBeDefined();
  });
});

describe('trustedIssuer', () => {
  it.each(['https://a.example', ['https://a.example'], /example/, true, {}])(
    'is refused where it is %p, no function',
    (trustedIssuer) => {
      expect(problems({ ...BASE, trustedIssuer })).toEqual([expect.stringMatching(/^trustedIssuer: /)]);
    },
  );

  it('does not replace the servers that are published', () => {
    expect(problems({ ...BASE, authorizationServers: [], trustedIssuer: () => undefined })).toEqual([
      'authorizationServers: []',
    ]);
  });
});

describe('cache', () => {
  it.each<[what: string, cache: unknown, expected: ResolvedOptions['cache']]>([
    [
      'remembers JWTs, but not what a verifier of the application says',
      undefined,
      { maxEntries: 10_000, jwtSeconds: 300, customSeconds: 0 },
    ],
    ['remembers both where it is set up', {}, { maxEntries: 10_000, jwtSeconds: 300, customSeconds: 300 }],
    ['takes numbers', { maxEntries: 5, ttlSeconds: 7 }, { maxEntries: 5, jwtSeconds: 7, customSeconds: 7 }],
    ['can be off', false, { maxEntries: 10_000, jwtSeconds: 0, customSeconds: 0 }],
  ])('%s', (_what, cache, expected) => {
    expect(resolve({ ...BASE, cache }).cache).toEqual(expected);
  });

  it.each<[unknown, string[]]>([
    [true, ['cache: true']],
    [null, ['cache: null']],
    [{ maxEntries: 0 }, ['cache.maxEntries: 0']],
    [{ maxEntries: 1e9 }, ['cache.maxEntries: 1000000000']],
    [{ ttlSeconds: 3_601 }, ['cache.ttlSeconds: 3601']],
    [{ ttlSeconds: 0 }, ['cache.ttlSeconds: 0']],
    [{ ttl: 5 }, ['cache.ttl: a value']],
  ])('is refused where it is %j', (cache, expected) => {
    expect(problems({ ...BASE, cache })).toEqual(expected);
  });
});
