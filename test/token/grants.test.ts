import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { entraId, McpAuthConfigError, McpAuthError, type AuthorizationServerOptions } from 'nestjs-mcp-auth';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { readOptions } from '../../lib/options/read-options.js';
import { expectNoTrace, expectRefusal, resetRecorded } from '../support/expectations.js';
import { introspecting } from '../support/introspection.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { expectReason, expectRejected, whoami } from '../support/tokens.js';

// Scopes from other claims than `scope`: a union of claims, scopes that roles grant, and a function of the application.

type Settings = Omit<AuthorizationServerOptions, 'issuer'>;

const ISSUER = 'https://login.example.com';

const GRANTS = {
  '/realm_access/roles': { editor: ['a', 'b'], reader: ['a'] },
  permissions: { 'notes:all': ['a', 'b'] },
  'https://example.com/groups': { 'Note Readers': ['a'] },
};

describe.each(PLATFORMS)('scopes that a product keeps elsewhere, on %s', (platform) => {
  let issuer: TestIssuer;
  let server: NotesServer | undefined;
  const now = (): number => server?.clock.now ?? Date.now();
  beforeAll(async () => {
    issuer = await TestIssuer.start({ alg: 'ES256', introspection: true, now });
  });
  afterAll(() => issuer.close());
  afterEach(async () => {
    await server?.close();
    server = undefined;
  });

  const start = async (settings: Settings, isIntrospected = false): Promise<NotesServer> => {
    const entry = isIntrospected ? introspecting(issuer) : { issuer: issuer.issuer };
    server = await startNotesServer(platform, {
      sharedIssuer: issuer,
      options: { authorizationServers: [{ ...entry, ...settings }] },
    });
    return server;
  };
  const tokenWith = async (notes: NotesServer, claims: object, isIntrospected = false): Promise<string> =>
    isIntrospected ? issuer.opaque({ aud: notes.resource, ...claims }) : notes.mint({ scope: undefined, ...claims });

  describe.each([
    ['a JWT', false],
    ['an opaque token', true],
  ])('in %s', (_what, isIntrospected) => {
    const scopesOf = async (settings: Settings, claims: object): Promise<unknown> => {
      const notes = await start(settings, isIntrospected);
      return (await whoami(notes, await tokenWith(notes, claims, isIntrospected)))['scopes'];
    };

    it('unites the claims that claims.scopes names under `union`', async () => {
      const claims = { scopes: { union: ['scope', '/realm_access/roles'] } };
      const token = { scope: 'a c', realm_access: { roles: ['b', 'a', 'not a name'] } };
      expect(await scopesOf({ claims }, token)).toEqual(['a', 'c', 'b']);
    });

    it('unites the claims even where the first one is empty', async () => {
      const claims = { scopes: { union: ['scope', 'permissions'] } };
      expect(await scopesOf({ claims }, { scope: '', permissions: ['b'] })).toEqual(['b']);
    });

    it('adds the scopes that roles, permissions and groups grant to those of the token', async () => {
      const claims = {
        scope: 'c',
        realm_access: { roles: ['reader', 'offline_access', 'reader'] },
        'https://example.com/groups': 'Note Readers',
        permissions: ['notes:all', 'notes:none'],
      };
      expect(await scopesOf({ grants: GRANTS }, claims)).toEqual(['c', 'a', 'b']);
    });

    it.each([
      ['a number', { permissions: 7 }],
      ['an object with the role as a member', { permissions: { 'notes:all': true } }],
      ['a list in a list', { permissions: [['notes:all']] }],
      ['a text with several values', { permissions: 'notes:all notes:none' }],
      ['a value in another case', { permissions: ['Notes:All'] }],
      ['names of members that every object has', { permissions: ['__proto__', 'constructor', 'toString'] }],
      ['a claim whose path is one name', { '/realm_access/roles': ['editor'] }],
      ['null', { permissions: null, realm_access: null }],
    ])('grants nothing for %s', async (_shape, claims) => {
      expect(await scopesOf({ grants: GRANTS }, { scope: 'c', ...claims })).toEqual(['c']);
    });

    it('takes the scopes that scopesOf returns, and no others', async () => {
      const settings: Settings = {
        claims: { scopes: ['scope'] },
        scopesOf: ({ tier }) => (tier === 'gold' ? ['a', 'b', 'a'] : 'a'),
      };
      expect(await scopesOf(settings, { scope: 'c', tier: 'gold' })).toEqual(['a', 'b']);
      await server?.close();
      expect(await scopesOf(settings, { scope: 'c' })).toEqual(['a']);
    });

    it.each([
      ['throws', () => JSON.parse('no JSON')],
      ['returns nothing', () => undefined],
      ['returns null', () => null],
      ['returns an object', () => ({ a: true })],
      ['returns an invalid name', () => ['a', 'b c']],
      ['returns too many', () => Array.from({ length: 1_001 }, (_one, index) => `s${index}`)],
      ['returns a promise', async () => ['a']],
      ['returns a promise that is rejected', () => Promise.reject(new Error('late'))],
      [
        'changes the claims',
        (claims: Record<string, unknown>) => {
          claims['sub'] = 'somebody else';
          return ['a'];
        },
      ],
    ])('refuses the token if scopesOf %s, and names the option', async (_how, scopesOf_) => {
      const notes = await start({ scopesOf: scopesOf_ as never }, isIntrospected);
      await expectRejected(notes, await tokenWith(notes, { scope: 'a' }, isIntrospected), 'scopes_of_failed');
      expect(notes.log.join('\n')).toContain('scopesOf');
    });
  });

  it('lets scopesOf refuse a token itself', async () => {
    const notes = await start({
      scopesOf: () => {
        throw new McpAuthError('invalid_token', 'subject_missing');
      },
    });
    await expectRejected(notes, await notes.mint(), 'subject_missing');
  });

  it('asks scopesOf only about verified tokens, once for each', async () => {
    const seen: unknown[] = [];
    const notes = await start({
      scopesOf: ({ sub }) => {
        seen.push(sub);
        return [];
      },
    });
    const good = await notes.mint({ sub: 'alice' });
    await notes.callTool('ping', `${(await notes.mint({ sub: 'eve' })).slice(0, -4)}AAAA`);
    await notes.callTool('ping', good);
    await notes.callTool('ping', good);
    expect(seen).toEqual(['alice']);
  });

  it('a granted scope opens the operation, and a missing one is named in the challenge', async () => {
    const notes = await start({ grants: GRANTS });
    const reader = await notes.mint({ scope: undefined, realm_access: { roles: ['reader'] } });
    expect((await notes.callTool('read-note', reader)).status).toBe(200);
    resetRecorded(notes);
    await expectRefusal(notes, await notes.callTool('write-note', reader), {
      status: 403,
      error: 'insufficient_scope',
      scope: 'a b',
      token: reader,
    });
  });

  it('the log names the roles that stand in the options, and no others', async () => {
    const notes = await start({ grants: GRANTS });
    const token = await notes.mint({
      scope: 'c',
      realm_access: { roles: ['reader', 'secret-project'] },
      permissions: 7,
    });
    await notes.callTool('write-note', token);
    expectReason(notes, 'scope_missing');
    const log = notes.log.join('\n');
    expect(log).toContain('/realm_access/roles is ["reader"] and 1 value that grants nothing');
    expect(log).toContain('permissions is a number');
    expectNoTrace('secret-project', { log });
  });

  it('a claim of a wrong type is said at the level of a warning, with what to write', async () => {
    const notes = await start({ grants: { realm_access: { editor: ['a'] } } });
    const token = await notes.mint({ scope: undefined, realm_access: { roles: ['editor'] } });
    await notes.callTool('read-note', token);
    const log = notes.log.join('\n');
    expect(log).toContain('realm_access is an object');
    expect(log).toContain('or that with the roles in grants');
  });

  it('nothing that a client sends is looked up', async () => {
    const notes = await start({ grants: { permissions: { 'notes:all': ['a'] } } });
    const token = await notes.mint({ scope: 'c' });
    const answer = await notes.callTool(
      'read-note',
      token,
      { permissions: ['notes:all'] },
      { permissions: 'notes:all' },
    );
    expect(answer.status).toBe(403);
  });

  it.each([
    [{ gty: { pat: 'user' } }, { gty: 'pat' }, 'user'],
    [{ '/app/kind': { robot: 'client' } }, { app: { kind: ['x', 'robot'] } }, 'client'],
    [{ tier: { a: 'user' }, type: { b: 'client' } }, { tier: 'a', type: 'b' }, 'unknown'],
    [{ tier: { toString: 'user' } }, { tier: 'valueOf' }, 'client'],
    [{ tier: { a: 'user' } }, { tier: { a: 'a' } }, 'client'],
    [{ tier: { a: 'unknown' } }, { tier: 'a' }, 'unknown'],
  ] as const)('RFC9700-4.15-a: kindOf reads %j', async (kindOf, claims, kind) => {
    const notes = await start({ kindOf: kindOf as never });
    const token = await notes.mint({ sub: 'c', client_id: 'c', ...claims });
    expect((await whoami(notes, token))['kind']).toBe(kind);
  });
});

describe('the options for scopes of a product', () => {
  const read = (entry: object, options: object = {}): unknown =>
    readOptions({
      resource: 'https://mcp.example.com/mcp',
      authorizationServers: [{ issuer: ISSUER, ...entry }],
      ...options,
    } as never);

  it.each([
    [{ grants: 'roles' }, 'authorizationServers[0].grants: saw "roles"; must be an object'],
    [{ grants: { roles: ['a'] } }, 'grants["roles"]: saw ["a"]; must be an object'],
    [{ grants: { roles: {} } }, 'it lists no value of the claim'],
    [{ grants: { '': { a: ['x'] } } }, 'must be the name of a claim'],
    [{ grants: { '/a~2': { a: ['x'] } } }, 'must be a JSON Pointer (RFC 6901)'],
    [{ grants: { roles: { a: 'x' } } }, 'must be a list of non-empty strings'],
    [{ grants: { roles: { a: undefined } } }, 'must be a list of scopes'],
    [{ grants: { roles: { a: ['x y'] } } }, 'a scope is visible ASCII'],
    [{ grants: { roles: { a: ['offline_access'] } } }, 'it concerns the authorization server alone'],
    [{ scopesOf: ['a'] }, 'must be a function'],
    [{ scopesOf: () => [], grants: { roles: { a: ['x'] } } }, 'scopesOf determines all scopes'],
    [{ claims: { scopes: {} } }, 'claims.scopes.union: saw nothing; it is required in an object'],
    [{ claims: { scopes: { union: [] } } }, 'must be a list of non-empty strings'],
    [{ claims: { scopes: { union: ['a'], all: true } } }, 'there is no such option here'],
    [{ kindOf: {} }, 'must be a function, or kinds by value of a claim'],
    [{ kindOf: { gty: { a: 'robot' } } }, 'is not a kind'],
    [{ kindOf: { gty: 'user' } }, 'must be an object'],
  ])('refuses %j', (entry, words) => {
    expect(() => read(entry)).toThrow(McpAuthConfigError);
    expect(() => read(entry)).toThrow(words);
  });

  it.each([{ grants: { roles: { a: ['x'] } } }, { scopesOf: () => [] }])(
    'refuses %j beside a verifier, which would not use it',
    (entry) => {
      expect(() => read(entry, { verifier: () => undefined })).toThrow('verifier: saw a verifier; it replaces');
    },
  );

  it('reads a member named __proto__ like any other', () => {
    const grants = JSON.parse('{"roles":{"__proto__":["x"]}}') as object;
    const { resources } = read({ grants }) as ReturnType<typeof readOptions>;
    const [grant] = resources[0].authorizationServers[0]!.scopeRules.grants;
    expect(Object.keys(grant!.scopes)).toEqual(['__proto__']);
    expect(({} as Record<string, unknown>)['x']).toBeUndefined();
  });

  it('the preset of Entra ID still reads the roles of an application only, and takes grants', () => {
    const { resources } = read({
      ...entraId({ tenantId: '72f988bf-86f1-41af-91ab-2d7cd011db47' }),
      grants: { roles: { 'Notes.Admin': ['notes:admin'] } },
    }) as ReturnType<typeof readOptions>;
    const [server] = resources[0].authorizationServers;
    expect(server?.claimNames).toMatchObject({ scopes: ['scp', 'roles'] });
    expect(server?.claimNames.unitesScopes).toBeUndefined();
  });
});
