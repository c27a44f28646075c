import { describe, expect, it } from '@jest/globals';
import { McpAuthConfigError, type AuthorizationServerOptions } from 'nestjs-mcp-auth';
import { readOptions } from '../../lib/options/read-options.js';
import { checkAudience, namedClaim, stringClaim } from '../../lib/token/claims.js';
import { scopesOf } from '../../lib/token/granted-scopes.js';
import type { ClaimNames } from '../../lib/core/token-format.js';

const ISSUER = 'https://login.example.com';

function resolve(server: Partial<AuthorizationServerOptions>): ReturnType<typeof readOptions> {
  return readOptions({
    resource: 'https://mcp.example.com/mcp',
    authorizationServers: [{ issuer: ISSUER, ...server }],
  });
}

describe('a claim named by a JSON Pointer', () => {
  const claims = JSON.parse(`{
    "realm_access": { "roles": ["editor"], "a/b": { "~": 1, "": 2 } },
    "/realm_access/roles": ["forged"],
    "https://example.com/roles": ["named with slashes"],
    "list": [{ "roles": ["x"] }],
    "text": "abc",
    "nothing": null,
    "__proto__": { "roles": ["polluted"] }
  }`) as Record<string, unknown>;

  it.each([
    ['/realm_access/roles', ['editor']],
    ['/realm_access/a~1b/~0', 1],
    ['/realm_access/a~1b/', 2],
    ['https://example.com/roles', ['named with slashes']],
    ['/__proto__/roles', ['polluted']],
  ])('reads %s', (name, value) => {
    expect(namedClaim(claims, name)).toEqual(value);
  });

  it.each([
    '/realm_access/groups',
    '/missing/roles',
    '/list/0/roles',
    '/list/length',
    '/text/length',
    '/nothing/roles',
    '/realm_access/constructor',
    '/realm_access/__proto__',
    '/constructor/name',
    'realm_access.roles',
    '/',
  ])('finds nothing at %s', (name) => {
    expect(namedClaim(claims, name)).toBeUndefined();
  });

  it('holds for scopes, client, subject and audience alike', () => {
    const nested = { a: { scope: 'x y', client: 'c', user: 'u', aud: ['r'] } };
    const names: ClaimNames = {
      scopes: ['/a/scope'],
      clientId: ['/a/client'],
      subject: ['/a/user'],
      audience: ['/a/aud'],
    };
    expect(scopesOf(nested, names)).toEqual(['x', 'y']);
    expect(stringClaim(nested, names.clientId)).toBe('c');
    expect(stringClaim(nested, names.subject)).toBe('u');
    expect(checkAudience(nested, new Set(['r']), names.audience)).toEqual(['r']);
  });

  it.each(['/a~', '/a~2b', '/~x/y'])('is refused at start where it is malformed: %s', (scopes) => {
    expect(() => resolve({ claims: { scopes } })).toThrow(/claims\.scopes.*must be a JSON Pointer \(RFC 6901\)/);
  });
});

describe('the claim that is compared with the audience', () => {
  const accepted = new Set(['here']);

  it('is aud, unless the configuration says otherwise', () => {
    expect(resolve({}).resources[0].authorizationServers[0]?.claimNames.audience).toEqual(['aud']);
    expect(resolve({}).warnings).toEqual([]);
  });

  it('is the first one present, even where a later one would be accepted', () => {
    const names = ['aud', 'client_id'];
    expect(checkAudience({ client_id: 'here' }, accepted, names)).toEqual(['here']);
    expect(() => checkAudience({ aud: 'there', client_id: 'here' }, accepted, names)).toThrow(/another audience/);
    for (const aud of [null, '', []])
      expect(checkAudience({ aud, client_id: 'here' }, accepted, names)).toEqual(['here']);
    expect(() => checkAudience({ aud: 7, client_id: 'here' }, accepted, names)).toThrow(/wrong type/);
    expect(() => checkAudience({}, accepted, names)).toThrow(/no audience/);
  });

  it('is warned of at start where it is another one than aud', () => {
    expect(resolve({ claims: { audience: ['aud', 'client_id'] } }).warnings).toEqual([
      'authorizationServers[0].claims.audience names "client_id": its tokens need not be issued for this resource alone',
    ]);
  });

  it.each([[[]], [''], [null], [[7]]])('cannot be turned off: %j', (audience) => {
    expect(() => resolve({ claims: { audience } } as never)).toThrow(McpAuthConfigError);
  });
});

describe('the issuer that clients are told of', () => {
  it('is that of the tokens, unless the configuration says otherwise', () => {
    const { advertisedIssuer, issuer } = resolve({}).resources[0].authorizationServers[0]!;
    expect(advertisedIssuer).toBe(issuer);
  });

  it.each([
    'login',
    'http://login.example.com',
    'https://login.example.com/?x',
    'https://a:b@login.example.com',
    '',
    7,
    null,
  ])('is refused where it could be no issuer: %j', (advertisedIssuer) => {
    expect(() => resolve({ advertisedIssuer } as never)).toThrow(/authorizationServers\[0\]\.advertisedIssuer/);
  });
});
