import { describe, expect, it } from '@jest/globals';
import { McpAuthConfigError } from 'nestjs-mcp-auth';
import { readOptions } from '../../lib/options/read-options.js';

const verify = (): undefined => undefined;
const header = { header: 'x-api-key' };

function read(credentials: unknown, servers: readonly unknown[] = ['https://login.example.com']): unknown {
  return readOptions({
    resource: 'https://mcp.example.com/mcp',
    authorizationServers: servers,
    credentials,
  } as never);
}

const one = (more: object): object[] => [{ name: 'api-key', from: header, verify, ...more }];

describe('the option credentials', () => {
  it.each([
    [{}, 'credentials: saw something else; must be a list'],
    [['api-key'], 'credentials[0]: saw something else; must be an object'],
    [[{}], 'credentials[0].name: saw nothing; it is required'],
    [[{}], 'credentials[0].from: saw nothing; must name one place'],
    [[{}], 'credentials[0].verify: saw nothing; it is required'],
    [one({ secret: 'S3cret' }), 'credentials[0].secret: saw a value; there is no such option here'],
    [one({ name: 'API key' }), 'must begin with a letter'],
    [one({ name: '' }), 'must be a non-empty string'],
    [one({ name: 'https://login.example.com' }), 'must begin with a letter'],
    [one({ name: 'a'.repeat(65) }), 'must begin with a letter'],
    [one({ verify: 'secret' }), 'must be a function'],
    [one({ cacheSeconds: 3_601 }), 'must be a whole number from 0 to 3600'],
    [one({ from: 'x-api-key' }), 'must name one place'],
    [one({ from: {} }), 'must name one place'],
    [one({ from: { header: 'x-api-key', bearerPrefix: 'sk_' } }), 'must name one place'],
    [one({ from: { header: 'x-api-key', query: 'key' } }), 'there is no such option here'],
    [one({ from: { header: '' } }), 'must be a non-empty string'],
    [one({ from: { header: 'X-Api-Key' } }), 'must be at most 64 lower case letters'],
    [one({ from: { header: 'x_api_key' } }), 'must be at most 64 lower case letters'],
    [one({ from: { header: 'x-api-key:' } }), 'must be at most 64 lower case letters'],
    [one({ from: { header: '__proto__' } }), 'must be at most 64 lower case letters'],
    [one({ from: { bearerPrefix: '' } }), 'must be a non-empty string'],
    [one({ from: { bearerPrefix: 'sk ' } }), 'token68'],
    [one({ from: { bearerPrefix: 'sk=' } }), 'token68'],
    [one({ from: { bearerPrefix: 'Bearer sk_' } }), 'token68'],
    [[...one({}), ...one({ from: { header: 'x-other' } })], 'several credentials have this name'],
    [[...one({}), ...one({ name: 'other' })], 'several credentials have this header'],
  ])('refuses %j', (credentials, words) => {
    expect(() => read(credentials)).toThrow(McpAuthConfigError);
    expect(() => read(credentials)).toThrow(words);
    expect(() => read(credentials)).not.toThrow('S3cret');
  });

  const RESERVED = [
    'authorization proxy-authorization cookie host connection transfer-encoding te upgrade dpop origin forwarded',
    'mcp-session-id mcp-protocol-version mcp-method mcp-anything last-event-id content-type content-length accept',
    'sec-websocket-protocol x-forwarded-for constructor',
  ].flatMap((names) => names.split(' '));

  it.each(RESERVED)('refuses the header field %s, which has a meaning of its own', (name) => {
    expect(() => read(one({ from: { header: name } }))).toThrow('this header field has a meaning of its own');
  });

  it.each([
    'x-api-key',
    'api-key',
    'x-goog-iap-jwt-assertion',
    'cf-access-jwt-assertion',
    'x-amzn-oidc-data',
    'x-forwarded-access-token',
  ])('accepts the header field %s', (name) => {
    expect(read(one({ from: { header: name } }))).toMatchObject({ credentials: [{ header: name, cacheSeconds: 0 }] });
  });

  it.each(['e', 'ey', 'eyJ', 'eyJhbGciOiJub25lIn0', 'eyA', 'ew', 'ewo'])(
    'refuses the prefix %s: a JWT can begin so',
    (prefix) => {
      expect(() => read(one({ from: { bearerPrefix: prefix } }))).toThrow('a JWT can begin like this');
    },
  );

  it.each(['sk_', 'e2b_', 'ghp_', 'a.b/c+d~e', 'eyes_'])('accepts the prefix %s', (prefix) => {
    expect(read(one({ from: { bearerPrefix: prefix } }))).toMatchObject({ credentials: [{ bearerPrefix: prefix }] });
  });

  it.each([
    ['sk_', 'sk_'],
    ['sk_', 'sk_live_'],
    ['sk_live_', 'sk_'],
  ])('refuses the prefixes %s and %s together', (first, second) => {
    const credentials = [
      ...one({ from: { bearerPrefix: first } }),
      ...one({ name: 'other', from: { bearerPrefix: second } }),
    ];
    expect(() => read(credentials)).toThrow('could belong to another credential');
  });

  it('LIB-15: refuses a prefix that tokens of an authorization server have, too', () => {
    const auth = { method: 'client_secret_basic', clientSecret: 'S3cret' };
    const server = {
      issuer: 'https://login.example.com',
      introspection: { clientId: 'c', auth, tokenPrefix: 'sk_at_' },
    };
    expect(() => read(one({ from: { bearerPrefix: 'sk_' } }), [server])).toThrow('could belong to another credential');
    expect(read(one({ from: { bearerPrefix: 'pat_' } }), [server])).toMatchObject({
      credentials: [{ name: 'api-key' }],
    });
  });

  it('is none by default, and stays as it was read', () => {
    expect(read(undefined)).toMatchObject({ credentials: [] });
    const [given] = one({}) as [{ name: string; verify: unknown }];
    const { credentials } = read([given]) as ReturnType<typeof readOptions>;
    given.name = 'changed';
    expect(credentials).toEqual([
      { name: 'api-key', header: 'x-api-key', bearerPrefix: undefined, verify, cacheSeconds: 0 },
    ]);
    expect(Object.isFrozen(credentials[0])).toBe(true);
  });
});
