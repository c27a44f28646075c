import 'reflect-metadata';
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { inspect } from 'node:util';
import { describe, expect, it, jest } from '@jest/globals';
import { readOptions } from '../../lib/options/read-options.js';
import type { McpAuthModuleOptions } from 'nestjs-mcp-auth';
import { TestCertificate } from 'nestjs-mcp-auth/testing';
import { GOOD, ISSUER, problems, expectProblems, type Row } from './started-app.js';

const ENTRY = {
  grant: 'token-exchange',
  clientId: 'notes',
  auth: { method: 'client_secret_basic', clientSecret: 'canary-secret' },
  audience: 'calendar',
};

const PEM = {
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
} as const;
const EC = generateKeyPairSync('ec', { namedCurve: 'P-256', ...PEM });
const SHORT = generateKeyPairSync('rsa', { modulusLength: 1024, ...PEM });

const { cert, key } = TestCertificate.generate();
const CERTIFIED = { method: 'tls_client_auth', certificate: cert, key };
const LOCKED = createPrivateKey(key).export({
  type: 'pkcs8',
  format: 'pem',
  cipher: 'aes-256-cbc',
  passphrase: 'canary-secret',
});

const withCalendar = (entry: unknown): object => ({ ...GOOD, downstream: { calendar: entry } });
const changed = (changes: object): object => withCalendar({ ...ENTRY, ...changes });
const at = (name: string): string => `downstream["calendar"].${name}`;

const PROVIDER = {
  authorizationServer: 'https://idp.test',
  clientId: 'notes-at-idp',
  auth: { method: 'client_secret_basic', clientSecret: 'canary-secret' },
  subjectToken: () => undefined,
};
const ID_JAG = {
  grant: 'id-jag',
  authorizationServer: 'https://api-as.test',
  audience: undefined,
  resource: 'https://api.test',
  identityProvider: PROVIDER,
};
const idJag = (changes: object): object => changed({ ...ID_JAG, ...changes });
const provider = (changes: object): object => idJag({ identityProvider: { ...PROVIDER, ...changes } });

const REFUSED_ID_JAG: readonly Row[] = [
  [
    'no identity provider',
    idJag({ identityProvider: undefined }),
    [at('identityProvider'), 'nothing', /needs the identity provider/],
  ],
  ['a text', idJag({ identityProvider: 'canary' }), [at('identityProvider'), 'something else', /must be an object/]],
  [
    'an identity provider for another grant',
    changed({ identityProvider: PROVIDER }),
    [at('identityProvider'), 'a value', /no use for it/],
  ],
  [
    'no authorization server of the API',
    idJag({ authorizationServer: undefined }),
    [at('authorizationServer'), 'nothing', /audience of the ID-JAG/],
  ],
  [
    'one server that is both',
    provider({ authorizationServer: 'https://api-as.test' }),
    [at('identityProvider.authorizationServer'), '"https://api-as.test"', /issued itself/],
  ],
  [
    'no issuer of the identity provider',
    provider({ authorizationServer: undefined }),
    [at('identityProvider.authorizationServer'), 'nothing', /required/],
  ],
  [
    'no function',
    provider({ subjectToken: undefined }),
    [at('identityProvider.subjectToken'), 'nothing', /it is required/],
  ],
  [
    'a token instead of a function',
    provider({ subjectToken: 1 }),
    [at('identityProvider.subjectToken'), '1', /must be a function/],
  ],
  ['no client', provider({ clientId: '' }), [at('identityProvider.clientId'), '""', /non-empty/]],
  ['a misspelt option', provider({ client: 'a' }), [at('identityProvider.client'), 'a value', /no such option/]],
  ['an audience', idJag({ audience: 'https://api.test' }), [at('audience'), 'a value', /no use for it/]],
  ['scopes of this server', idJag({ stepUpScopes: ['a'] }), [at('stepUpScopes'), 'a value', /no use for it/]],
  ['an actor', idJag({ actorToken: () => 'x' }), [at('actorToken'), 'a value', /no use for it/]],
];

const STORE = { get: () => '', set: () => '', delete: () => '', forget: () => '' };
const SHARED = { store: STORE, secret: 'canary-secret-of-32-characters-00' };
const shared = (changes: object): object => changed({ sharedCache: { ...SHARED, ...changes } });

const REFUSED_SHARED: readonly Row[] = [
  ['no object', changed({ sharedCache: 'canary-secret' }), [at('sharedCache'), 'a value', /must be an object/]],
  ['no store', shared({ store: undefined }), [at('sharedCache.store'), 'nothing', /must have the methods/]],
  ['a Map as store', shared({ store: new Map() }), [at('sharedCache.store'), 'a value', /must have the methods/]],
  ['no secret', shared({ secret: undefined }), [at('sharedCache.secret'), 'nothing', /nobody can guess/]],
  [
    'a short secret',
    shared({ secret: 'canary-secret' }),
    [at('sharedCache.secret'), 'a value that is not shown', /nobody can guess/],
  ],
  [
    'a short secret among others',
    shared({ secret: [SHARED.secret, 'canary-secret'] }),
    [at('sharedCache.secret'), 'a value that is not shown', /nobody can guess/],
  ],
  ['a misspelt option', shared({ secrets: 'a' }), [at('sharedCache.secrets'), 'a value', /no such option/]],
  [
    'a key of each process',
    changed({ sharedCache: SHARED, dpop: true }),
    [at('sharedCache'), 'a value', /each process has a key of its own/],
  ],
  [
    'tokens that are not used again',
    changed({ sharedCache: SHARED, cacheSeconds: 0 }),
    [at('sharedCache'), 'a value', /no token is used again/],
  ],
];

const REFUSED: readonly Row[] = [
  ['no object', { ...GOOD, downstream: 'calendar' }, ['downstream', '"calendar"', /must be an object/]],
  [
    'an entry that is not an object',
    withCalendar('x'),
    ['downstream["calendar"]', 'something else', /must be an object/],
  ],
  [
    'a name with a space',
    { ...GOOD, downstream: { 'my api': ENTRY } },
    ['downstream["my api"]', '"my api"', /must begin with a letter/],
  ],
  ['no grant', changed({ grant: undefined }), [at('grant'), 'nothing', /required/]],
  ['an unknown grant', changed({ grant: 'password' }), [at('grant'), '"password"', /not a known value/]],
  ['a misspelt option', changed({ scope: 'a' }), [at('scope'), 'a value', /no such option/]],
  ['no client', changed({ clientId: '' }), [at('clientId'), '""', /non-empty/]],
  ['no authentication', changed({ auth: undefined }), [at('auth'), 'nothing', /method is not known/]],
  [
    'an empty secret',
    changed({ auth: { method: 'client_secret_post', clientSecret: '' } }),
    [at('auth.clientSecret'), 'a value', /non-empty string/],
  ],
  [
    'nothing that names the API',
    changed({ audience: undefined }),
    ['downstream["calendar"]', 'no resource, audience or scopes', /for any/],
  ],
  [
    'plain http',
    changed({ tokenEndpoint: 'http://as.test/token' }),
    [at('tokenEndpoint'), '"http://as.test/token"', /loopback only/],
  ],
  [
    'an origin with a path',
    changed({ origins: ['https://api.test/v1'] }),
    [at('origins'), '"https://api.test/v1"', /must be an origin/],
  ],
  [
    'an origin on plain http',
    changed({ origins: ['http://api.test'] }),
    [at('origins'), '["http://api.test"]', /loopback only/],
  ],
  ['a scope with a space', changed({ scopes: ['a b'] }), [at('scopes'), '"a b"', /must be a scope/]],
  [
    'a scope for clients only',
    changed({ stepUpScopes: ['offline_access'] }),
    [at('stepUpScopes'), '"offline_access"', /may ask for/],
  ],
  [
    'a parameter of this library',
    changed({ parameters: { subject_token: 'canary-secret' } }),
    [at('parameters["subject_token"]'), 'a value', /written from the other options/],
  ],
  [
    'a parameter that is not a string',
    changed({ parameters: { a: 1 } }),
    [at('parameters["a"]'), 'something else', /text/],
  ],
  [
    'an issuer that nobody trusts',
    changed({ subjectIssuers: ['https://other.test'] }),
    [at('subjectIssuers'), '"https://other.test"', /not one of them/],
  ],
  [
    'another authorization server without subjectIssuers',
    changed({ authorizationServer: 'https://other.test' }),
    [at('subjectIssuers'), '"https://other.test"', /not one of them/],
  ],
  [
    'an actor for another grant',
    changed({ grant: 'jwt-bearer', actorToken: () => 'x' }),
    [at('actorToken'), 'a value', /no use for it/],
  ],
  [
    'a subject for client credentials',
    changed({ grant: 'client-credentials', subjectIssuers: [ISSUER] }),
    [at('subjectIssuers'), 'a value', /no use for it/],
  ],
  ['no key for proofs', changed({ dpop: false }), [at('dpop'), 'a value', /must be true or an object/]],
  [
    'a key for proofs as text',
    changed({ dpop: 'canary-secret' }),
    [at('dpop'), 'a value', /must be true or an object/],
  ],
  ['an empty key for proofs', changed({ dpop: {} }), [at('dpop.privateKey'), 'nothing', /must be a private key/]],
  [
    'an invalid key for proofs',
    changed({ dpop: { privateKey: 'canary-secret' } }),
    [at('dpop.privateKey'), 'a value', /must be a private key/],
  ],
  [
    'a public key for proofs',
    changed({ dpop: { privateKey: EC.publicKey } }),
    [at('dpop.privateKey'), 'a value', /must be a private key/],
  ],
  [
    'a short key for proofs',
    changed({ dpop: { privateKey: SHORT.privateKey } }),
    [at('dpop.privateKey'), 'a value', /at least 2048 bits/],
  ],
  [
    'a misspelt key for proofs',
    changed({ dpop: { privateKey: EC.privateKey, alg: 'canary-secret' } }),
    [at('dpop.alg'), 'a value', /no such option/],
  ],
  [
    'the key of another certificate',
    changed({ auth: { ...CERTIFIED, key: TestCertificate.generate().key } }),
    [at('auth'), 'values', /not that of the certificate/],
  ],
  [
    'a certificate without a key',
    changed({ auth: { ...CERTIFIED, key: undefined } }),
    [at('auth'), 'not both of certificate and key', /must be a private key as PEM text/],
  ],
  [
    'an invalid certificate',
    changed({ auth: { ...CERTIFIED, certificate: 'canary-secret' } }),
    [at('auth'), 'values', /must be a certificate as PEM text/],
  ],
  [
    'a key with a passphrase',
    changed({ auth: { ...CERTIFIED, key: LOCKED } }),
    [at('auth'), 'values', /without a passphrase/],
  ],
  [
    'a secret beside a certificate',
    changed({ auth: { ...CERTIFIED, clientSecret: 'canary-secret' } }),
    [at('auth.clientSecret'), 'a value', /no such option/],
  ],
  [
    'a certificate beside a function',
    changed({ auth: { ...CERTIFIED, key: undefined, keyPair: () => CERTIFIED } }),
    [at('auth.certificate'), 'a value', /no such option/],
  ],
  [
    'a value that is not a function',
    changed({ auth: { method: 'tls_client_auth', keyPair: 'canary-secret' } }),
    [at('auth.keyPair'), 'a value', /must be a function/],
  ],
  [
    'authorities of which one is cut off',
    changed({ auth: { ...CERTIFIED, ca: `${CERTIFIED.certificate}\n${CERTIFIED.certificate.slice(0, 200)}` } }),
    [at('auth.ca'), 'a value', /must be certificates as PEM text/],
  ],
  [
    'authorities with a broken one',
    changed({
      auth: {
        ...CERTIFIED,
        ca: `${CERTIFIED.certificate}\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`,
      },
    }),
    [at('auth.ca'), 'a value', /must be certificates as PEM text/],
  ],
  [
    'invalid authorities',
    changed({ auth: { ...CERTIFIED, ca: 'canary-secret' } }),
    [at('auth.ca'), 'a value', /must be certificates as PEM text/],
  ],
  [
    'a certificate over plain http',
    changed({ auth: CERTIFIED, tokenEndpoint: 'http://127.0.0.1:9/token' }),
    [at('tokenEndpoint'), '"http://127.0.0.1:9/token"', /over https only/],
  ],
  [
    'several issuers, and none named',
    { ...changed({}), authorizationServers: [ISSUER, 'https://other.test'] },
    [at('authorizationServer'), 'nothing', /exactly one issuer/],
  ],
];

describe('The option downstream', () => {
  it.each(REFUSED)('stops the start: %s', expectProblems);
  it.each(REFUSED_SHARED)('stops the start with tokens that replicas share: %s', expectProblems);
  it.each(REFUSED_ID_JAG)('stops the start with the grant id-jag: %s', expectProblems);

  it('shows no secret in a problem', async () => {
    const { message } = await problems(
      changed({ parameters: { subject_token: 'canary-secret' }, auth: 'canary-secret' }),
    );
    expect(message).not.toContain('canary-secret');
  });

  it('reports all problems of all entries together', async () => {
    const { problems: found } = await problems({
      ...GOOD,
      downstream: { one: { ...ENTRY, grant: 1 }, two: { ...ENTRY, clientId: 2 } },
    });
    expect(found.map(({ option }) => option)).toEqual(['downstream["one"].grant', 'downstream["two"].clientId']);
  });

  it('has no secret in the resolved options', () => {
    const resolved = readOptions(changed({}) as McpAuthModuleOptions);
    expect(resolved.downstream).toHaveLength(1);
    expect(resolved.downstream[0]).toMatchObject({ issuer: ISSUER, subjectIssuers: [ISSUER], cacheSeconds: 300 });
    expect(JSON.stringify(resolved)).not.toContain('canary-secret');
  });

  it('shows nothing of the key of a certificate', () => {
    const resolved = readOptions(changed({ auth: CERTIFIED }) as McpAuthModuleOptions);
    const shown = JSON.stringify(resolved) + inspect(resolved, { depth: Infinity, showHidden: true });
    expect(shown).toContain('ClientCertificate');
    expect(shown).not.toContain(key.split('\n')[1]);
  });

  it('takes as many authorities as an operating system has', () => {
    // Those of Debian are 220,000 characters.
    const ca = CERTIFIED.certificate.repeat(Math.ceil(220_000 / CERTIFIED.certificate.length));
    const { downstream } = readOptions(changed({ auth: { ...CERTIFIED, ca } }) as McpAuthModuleOptions);
    expect(downstream[0]?.authenticate.certificate).toBeDefined();
  });

  it('warns of a certificate that is not valid now', () => {
    const warningsAt = (year: number): string => {
      const now = jest.spyOn(Date, 'now').mockReturnValue(Date.UTC(year, 0, 1));
      const { warnings } = readOptions(changed({ auth: CERTIFIED }) as McpAuthModuleOptions);
      now.mockRestore();
      return warnings.join('\n');
    };
    expect(warningsAt(2020)).toBe('');
    expect(warningsAt(1999)).toContain('auth.certificate is not valid before Jan  1 00:00:00 2000 GMT');
    expect(warningsAt(2051)).toContain('auth.certificate has expired at Dec 31 23:59:59 2049 GMT');
  });

  it('shows nothing of the secret of tokens that replicas share', () => {
    const resolved = readOptions(changed({ sharedCache: SHARED }) as McpAuthModuleOptions);
    const shown = JSON.stringify(resolved) + inspect(resolved, { depth: Infinity, showHidden: true });
    expect(shown).toContain('SealedValues');
    expect(shown).not.toContain('canary-secret');
  });

  it('shows nothing of the key for proofs', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const jwk = privateKey.export({ format: 'jwk' });
    const resolved = readOptions(changed({ dpop: { privateKey: jwk } }) as McpAuthModuleOptions);
    const shown = JSON.stringify(resolved) + inspect(resolved, { depth: Infinity, showHidden: true });
    expect(shown).toContain('DpopKey');
    expect(shown).not.toContain(jwk.d);
  });
});
