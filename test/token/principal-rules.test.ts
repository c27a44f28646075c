import { describe, expect, it } from '@jest/globals';
import { McpAuthError } from '../../lib/core/error.js';
import type { KindRules } from '../../lib/core/principal-kind.js';
import type { ScopeGrant } from '../../lib/core/token-format.js';
import { describeGrant, grantedScopes, scopeClaims, scopesOf } from '../../lib/token/granted-scopes.js';
import { kindOfToken } from '../../lib/token/principal-kind.js';
import { identify } from '../../lib/token/principal.js';

// Whom a token names, and what it grants, claim by claim. The other files of this folder have the same over HTTP.

type Members = Record<string, unknown>;

const NAMES = { scopes: ['scope', 'scp'], clientId: ['client_id', 'azp'], subject: ['sub'] };

/** The reason of the refusal and what it shows; undefined if there is none. */
function refusalOf(check: () => unknown): unknown {
  try {
    check();
    return undefined;
  } catch (error) {
    const { reason, seen } = error as { reason: string; seen: Members };
    return [reason, seen];
  }
}

describe('the scopes in claims', () => {
  it.each<[Members, string[]]>([
    [{ scope: 'a b  a' }, ['a', 'b']],
    [{ scope: ['a', 'b c', 1, 'a'] }, ['a']],
    [{ scp: 'a' }, ['a']],
    [{ scope: '', scp: ['a'] }, ['a']],
    [{ scope: [], scp: '' }, []],
    [{ scope: null, scp: 'a' }, ['a']],
    [{ scope: 'a', scp: 'b' }, ['a']],
    [{ scope: { a: true } }, []],
    [{}, []],
  ])('%j are %j', (claims, scopes) => {
    expect(scopesOf(claims, NAMES)).toEqual(scopes);
  });

  it('of other names are not read in the place of an empty claim', () => {
    expect(scopesOf({ scope: 'a', permissions: [] }, { scopes: ['permissions', 'scope'] })).toEqual([]);
    expect(scopesOf({ scope: '', permissions: ['b'] }, { scopes: ['scope', 'permissions'] })).toEqual([]);
    expect(scopesOf({ scope: '', scp: '', permissions: ['b'] }, { scopes: ['scope', 'scp', 'permissions'] })).toEqual(
      [],
    );
    expect(scopesOf({ permissions: ['b'], scope: 'a' }, { scopes: ['scope', 'permissions'] })).toEqual(['a']);
  });

  it('are in no claim where none is written', () => {
    expect(scopeClaims({ scope: null, permissions: ['b'] }, NAMES)).toEqual([]);
    expect(scopeClaims({ scope: '', scp: 'a' }, NAMES)).toEqual([{ name: 'scp', value: 'a' }]);
  });

  it('are united where the options say so', () => {
    const names = { scopes: ['scope', 'permissions'], unitesScopes: true };
    expect(scopesOf({ scope: 'a b', permissions: ['b', 'c'] }, names)).toEqual(['a', 'b', 'c']);
    expect(scopesOf({ permissions: ['c'] }, names)).toEqual(['c']);
  });
});

describe('granted scopes', () => {
  const grants: ScopeGrant[] = [
    { claim: 'role', scopes: { admin: ['a', 'b'], constructor: ['c'] } },
    { claim: '/realm/roles', scopes: { user: ['b', 'd'] } },
  ];
  it.each<[Members, string[]]>([
    [{ role: 'admin' }, ['x', 'a', 'b']],
    [{ role: ['admin', 'other', 1], realm: { roles: ['user'] } }, ['x', 'a', 'b', 'd']],
    [{ role: 'admin user' }, ['x']],
    [{ role: 'toString' }, ['x']],
    [{ role: { admin: true } }, ['x']],
    [{}, ['x']],
  ])('of %j are %j', (claims, scopes) => {
    expect(grantedScopes(claims, ['x'], { grants, scopesOf: undefined })).toEqual(scopes);
  });

  it.each<[unknown, unknown, unknown]>([
    ['admin', ['admin'], { others: 0, type: undefined }],
    [['admin', 'b', 'c', 1], ['admin'], { others: 2, type: undefined }],
    [undefined, [], { others: 0, type: undefined }],
    [{ admin: 1 }, [], { others: 0, type: 'an object' }],
    [7, [], { others: 0, type: 'a number' }],
  ])('are described: %j', (role, granting, rest) => {
    expect(describeGrant({ role }, { claim: 'role', scopes: { admin: ['a'] } })).toEqual({
      claim: 'role',
      granting,
      ...(rest as object),
    });
  });

  const asked = (returns: () => unknown): readonly string[] =>
    grantedScopes({ role: 'r' }, ['x'], { grants, scopesOf: returns as () => string });

  it('are refused with the error that the function throws, if it is one of this library', () => {
    const error = new McpAuthError('invalid_token', 'expired');
    const throws = (): never => {
      throw error;
    };
    expect(() => asked(throws)).toThrow(error);
  });

  it('are those that the function of the application returns', () => {
    expect(asked(() => 'a b a')).toEqual(['a', 'b']);
    expect(asked(() => ['a', 'b', 'a'])).toEqual(['a', 'b']);
    expect(asked(() => [])).toEqual([]);
    expect(asked(() => Array.from({ length: 1_000 }, (_, at) => `s${at}`))).toHaveLength(1_000);
  });

  it.each<[string, () => unknown, Members]>([
    ['a promise', () => Promise.reject(new Error('late')), { returned: 'a promise' }],
    ['nothing', () => undefined, { returned: 'of no type of JSON' }],
    ['an object', () => ({ a: 1 }), { returned: 'an object' }],
    ['a bad name', () => ['a b'], { returned: 'a list with a member that is not a scope name' }],
    [
      'a bad name as the last of as many as may be',
      () => [...Array.from({ length: 999 }, () => 'a'), 'a b'],
      { returned: 'a list with a member that is not a scope name' },
    ],
    ['too many', () => Array.from({ length: 1_001 }, () => 'a'), { returned: 'more than 1000 scopes' }],
    [
      'an error',
      () => {
        throw new TypeError('broken');
      },
      { error: '"TypeError: broken"' },
    ],
  ])('are refused where it returns %s', (_what, returns, seen) => {
    expect(refusalOf(() => asked(returns))).toEqual(['scopes_of_failed', seen]);
  });
});

describe('the principal of a token', () => {
  it.each<[Members, unknown]>([
    [
      { sub: 'alice', client_id: 'c', scope: 'a' },
      { subject: 'alice', clientId: 'c', scopes: ['a'] },
    ],
    [
      { sub: 'alice', azp: 'c' },
      { subject: 'alice', clientId: 'c', scopes: [] },
    ],
    [{ client_id: 'c' }, { subject: undefined, clientId: 'c', scopes: [] }],
    [
      { sub: 'c', client_id: 'c' },
      { subject: 'c', clientId: 'c', scopes: [] },
    ],
    [
      { sub: 'alice', email: 'a@b' },
      { subject: 'alice', clientId: undefined, scopes: [] },
    ],
    [
      { azp: 'c', gty: 'client-credentials' },
      { subject: undefined, clientId: 'c', scopes: [] },
    ],
  ])('of %j is %j', (claims, identity) => {
    expect(identify(claims, NAMES)).toEqual(identity);
  });

  it.each<[Members, string]>([
    [{ client_id: 'c', auth_time: 1 }, 'auth_time'],
    [{ client_id: 'c', email: 'a@b' }, 'email'],
    [{ client_id: 'c', userId: 'a' }, 'userId'],
    [{ client_id: 'c', 'https://a.example/Family-Name': 'a' }, 'https://a.example/Family-Name'],
    [{ client_id: 'c', 'urn:x:emails': ['a'] }, 'urn:x:emails'],
    [{ client_id: 'c', scope: 'a openid' }, 'scope'],
    [{ client_id: 'c', scp: ['offline_access'] }, 'scope'],
    [{ client_id: 'c', typ: 'Bearer' }, 'typ'],
    [{ azp: 'c' }, 'azp'],
    [{ sub: 'c', client_id: 'c', username: 'alice' }, 'username'],
    [{ sub: 'c', client_id: 'c', preferred_username: 'alice' }, 'preferred_username'],
    [{ sub: 'c', client_id: 'c', upn: 'service-account-c', user_name: 'a-service-account-' }, 'user_name'],
  ])('of %j is a user whom it does not name, as %s shows', (claims, sign) => {
    const seen = { 'looked for': '["sub"]', 'shown by': `"${sign}"` };
    expect(refusalOf(() => identify(claims, NAMES))).toEqual(['subject_missing', seen]);
  });

  it('is not lost where the claim of the subject is another one', () => {
    const names = { ...NAMES, subject: ['uid_of_app'] };
    const seen = { 'looked for': '["uid_of_app"]', 'shown by': '"sub"' };
    expect(refusalOf(() => identify({ client_id: 'c', sub: 'alice' }, names))).toEqual(['subject_missing', seen]);
    expect(identify({ client_id: 'c', sub: 'c' }, names)).toEqual({ subject: undefined, clientId: 'c', scopes: [] });
    expect(identify({ sub: 'c', client_id: 'c', username: 'c' }, NAMES).subject).toBe('c');
    expect(identify({ sub: 'c', client_id: 'c', username: 'service-account-c' }, NAMES).subject).toBe('c');
    expect(identify({ sub: 'alice', client_id: 'c', username: 'alice' }, NAMES).subject).toBe('alice');
    // Only `azp` is a claim of ID tokens.
    expect(identify({ appid: 'c' }, { ...NAMES, clientId: ['appid', 'azp'] }).clientId).toBe('c');
    // The client is named by `azp` first, and by `client_id` too.
    expect(identify({ azp: 'c', client_id: 'c' }, { ...NAMES, clientId: ['azp', 'client_id'] }).clientId).toBe('c');
  });

  it('is nobody where it names neither a subject nor a client', () => {
    const seen = { 'looked for': '["sub", "client_id", "azp"]' };
    expect(refusalOf(() => identify({ scope: 'a' }, NAMES))).toEqual(['no_principal', seen]);
    expect(refusalOf(() => identify({ sub: '', client_id: null }, NAMES))).toEqual(['no_principal', seen]);
  });
});

describe('the kind of principal', () => {
  const kindOf = (claims: Members, rules?: KindRules): string => {
    const { sub, client_id: client } = claims as { sub?: string; client_id?: string };
    return kindOfToken({ subject: sub, clientId: client, claims }, rules);
  };

  it.each<[Members, string]>([
    [{ sub: 'alice', client_id: 'c' }, 'unknown'],
    [{ client_id: 'c' }, 'client'],
    [{ sub: 'c', client_id: 'c' }, 'client'],
    [{ sub: 'c@clients', client_id: 'c' }, 'client'],
    [{ sub: 'c@client', client_id: 'c' }, 'unknown'],
    [{ sub: 'a', idtyp: 'app' }, 'client'],
    [{ sub: 'a', idtyp: 'user' }, 'user'],
    [{ sub: 'a', idtyp: 'device' }, 'unknown'],
    [{ sub: 'a', gty: 'client-credentials' }, 'client'],
    [{ sub: 'a', grant_type: 'client_credentials' }, 'client'],
    [{ sub: 'a', gty: ['client-credentials', 'refresh'] }, 'unknown'],
    [{ sub: 'a', gty: 'password' }, 'user'],
    [{ sub: 'a', auth_time: 1 }, 'user'],
    [{ sub: 'a', auth_time: 0 }, 'unknown'],
    [{ sub: 'a', auth_time: '1' }, 'unknown'],
    [{ sub: 'a', amr: ['pwd'] }, 'user'],
    [{ sub: 'a', amr: [{ method: 'pwd' }] }, 'user'],
    [{ sub: 'a', amr: [1] }, 'unknown'],
    [{ sub: 'a', amr: [1, 'pwd'] }, 'user'],
    [{ sub: 'a', amr: 'pwd' }, 'unknown'],
    [{ sub: 'a', sid: 's' }, 'user'],
    [{ sub: 'a', session_state: 's' }, 'user'],
    [{ sub: 'a', sid: 1 }, 'unknown'],
    [{ sub: 'a', username: 'alice' }, 'user'],
    [{ sub: 'a', username: 1 }, 'unknown'],
    [{ sub: 'a', email: 'a@b', name: 'A', acr: '1' }, 'unknown'],
    [{ sub: 'a', client_id: 'c', azp: 'c', clientHost: 'h' }, 'client'],
    [{ sub: 'a', client_id: 'c', azp: 'c', clientAddress: '::1' }, 'client'],
    [{ sub: 'a', client_id: 'c', azp: 'd', clientHost: 'h' }, 'unknown'],
    [{ sub: 'a', client_id: 'c', azp: 'c', clientHost: 1 }, 'unknown'],
    [{ sub: 'a', client_id: 'c', azp: 'c', clientHost: 'h', sid: 's' }, 'unknown'],
    [{ sub: 'a', client_id: 'c', azp: 'c', clientHost: 'h', session_state: 's' }, 'unknown'],
    [{ sub: 'a', client_id: 'c', azp: 'c', clientHost: 'h', auth_time: 1 }, 'unknown'],
    [{ sub: 'a', clientHost: 'h' }, 'unknown'],
    [{ sub: 'a', sid: 's', preferred_username: 'service-account-c' }, 'unknown'],
    [{ sub: 'a', sid: 's', username: 'service-account-c' }, 'unknown'],
    [{ sub: 'a', sid: 's', preferred_username: 'my-service-account-c' }, 'user'],
  ])('of %j is %s', (claims, kind) => {
    expect(kindOf(claims)).toBe(kind);
  });

  const rules = [{ claim: 'kind', kinds: { app: 'client', person: 'user', 1: 'user' } }] as const;
  it.each<[unknown, string]>([
    ['app', 'client'],
    ['person', 'user'],
    [['person', 'other', 1], 'user'],
    [['person', 'app'], 'unknown'],
    [['app', 'other'], 'client'],
    ['other', 'client'],
    ['toString', 'client'],
    [1, 'client'],
    [undefined, 'client'],
  ])('of the value %j of a claim is %s', (kind, expected) => {
    expect(kindOf({ client_id: 'c', kind }, rules)).toBe(expected);
  });

  it('is what the function of the application returns, or unknown', () => {
    const claims = { client_id: 'c' };
    const asked = (answer: () => unknown): string => kindOf(claims, answer as () => 'user');
    expect([asked(() => 'user'), asked(() => undefined)]).toEqual(['user', 'client']);
    const throws = (): never => {
      throw new Error('broken');
    };
    const sub = { sub: 'alice', sid: 's' };
    expect(kindOf(sub, throws)).toBe('unknown');
    expect(kindOf(sub, (() => Promise.resolve('client')) as unknown as () => 'client')).toBe('unknown');
    for (const bad of [() => 'admin', () => null, () => Promise.reject(new Error('late')), throws])
      expect(asked(bad)).toBe('unknown');
  });
});
