import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { entraId, keycloak, type AuthorizationServerOptions } from 'nestjs-mcp-auth';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { scopesOf } from '../../lib/token/granted-scopes.js';
import { expectRefusal, resetRecorded } from '../support/expectations.js';
import { introspecting } from '../support/introspection.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { expectRejected, whoami } from '../support/tokens.js';

// An empty claim of scopes says that none were granted: what another claim lists is no substitute, such as all that a user may do.

type Claims = Readonly<Record<string, unknown>>;

const EMPTY = ['', []];

describe('RFC9068-2.2.3: the claim that scopes are read from', () => {
  const OTHERS: Claims = { permissions: ['admin'], roles: ['admin'], realm_access: { roles: ['admin'] } };

  it.each(['permissions', 'roles', '/realm_access/roles'])(
    'RFC9068-2.2.3: is an empty scope or scp, and not %s after it',
    (other) => {
      for (const empty of EMPTY) {
        for (const name of ['scope', 'scp']) {
          expect(scopesOf({ ...OTHERS, [name]: empty }, { scopes: [name, other] })).toEqual([]);
          expect(scopesOf({ ...OTHERS, [name]: empty }, { scopes: ['scope', 'scp', other] })).toEqual([]);
          expect(scopesOf({ ...OTHERS, [name]: empty }, { scopes: [other, name] })).toEqual(['admin']);
        }
        expect(scopesOf({ ...OTHERS, scope: empty, scp: empty }, { scopes: ['scope', 'scp', other] })).toEqual([]);
      }
    },
  );

  it('RFC9068-2.2.3: is an empty one of any name, and none after it', () => {
    for (const empty of EMPTY) {
      expect(scopesOf({ granted: empty, scope: 'admin' }, { scopes: ['granted', 'scope'] })).toEqual([]);
      expect(scopesOf({ a: { granted: empty }, scope: 'admin' }, { scopes: ['/a/granted', 'scope'] })).toEqual([]);
      expect(scopesOf({ scope: empty, scp: 'b' }, { scopes: ['/scope', 'scp'] })).toEqual([]);
    }
  });

  it('RFC9068-2.2.3: is a later one where the first is absent or null', () => {
    for (const claims of [OTHERS, { ...OTHERS, scp: null }]) {
      expect(scopesOf(claims, { scopes: ['scp', 'permissions'] })).toEqual(['admin']);
      expect(scopesOf(claims, { scopes: ['/scp', '/realm_access/roles'] })).toEqual(['admin']);
    }
  });

  it('RFC9068-2.2.3: is the other one of scope and scp where one of them is empty, since they mean the same', () => {
    for (const empty of EMPTY) {
      expect(scopesOf({ scope: empty, scp: 'a' }, { scopes: ['scope', 'scp'] })).toEqual(['a']);
      expect(scopesOf({ scope: 'a', scp: empty }, { scopes: ['scp', 'permissions', 'scope'] })).toEqual(['a']);
    }
  });
});

describe.each(PLATFORMS)('RFC9068-2.2.3: an empty claim of scopes, on %s', (platform) => {
  let issuer: TestIssuer;
  const servers: NotesServer[] = [];
  let byPermissions: NotesServer;
  let byRoles: NotesServer;
  let byAnswer: NotesServer;
  let byPointer: NotesServer;

  beforeAll(async () => {
    issuer = await TestIssuer.start({ alg: 'ES256', introspection: true });
    const start = async (server: object): Promise<NotesServer> => {
      const started = await startNotesServer(platform, {
        sharedIssuer: issuer,
        options: { authorizationServers: [server as AuthorizationServerOptions] },
      });
      servers.push(started);
      return started;
    };
    const own = { issuer: issuer.issuer };
    byPermissions = await start({ ...own, claims: { scopes: ['scp', 'permissions'] } });
    byRoles = await start({
      ...entraId({ tenantId: '72f988bf-86f1-41af-91ab-2d7cd011db47' }),
      ...own,
      algorithms: ['ES256'],
      discovery: 'oidc',
    });
    const uncached = { cacheSeconds: 0, negativeCacheSeconds: 0 };
    byAnswer = await start({ ...introspecting(issuer, uncached), claims: { scopes: ['scope', 'permissions'] } });
    const realm = keycloak({ url: 'https://login.example.com', realm: 'main' });
    byPointer = await start({
      ...realm,
      ...own,
      discovery: 'oidc',
      claims: { ...realm.claims, scopes: ['scope', '/realm_access/roles'] },
    });
  });
  afterAll(async () => {
    await Promise.all(servers.map((server) => server.close()));
    await issuer.close();
  });
  beforeEach(() => servers.forEach(resetRecorded));

  it.each([[''], [[]]])(
    'RFC9068-2.2.3: %j grants nothing beside permissions, roles or roles of a realm',
    async (empty) => {
      const others = { permissions: ['admin'], roles: ['admin'], realm_access: { roles: ['admin'] }, azp: 'web' };
      const cases: [NotesServer, string][] = [
        [byPermissions, await byPermissions.mint({ scope: undefined, scp: empty, ...others })],
        [byRoles, await byRoles.mint({ scope: undefined, scp: empty, ...others })],
        [byPointer, await byPointer.mint({ scope: empty, ...others })],
        [byAnswer, issuer.opaque({ aud: byAnswer.resource, scope: empty, ...others })],
      ];
      for (const [server, token] of cases) {
        resetRecorded(server);
        await expectRefusal(server, await server.callTool('admin', token), {
          status: 403,
          error: 'insufficient_scope',
          scope: 'admin',
          token,
        });
        expect(await whoami(server, token)).toMatchObject({ scopes: [] });
      }
    },
  );

  it('RFC9068-2.2.3: an absent scp leaves tokens of applications their roles, as Entra ID issues them', async () => {
    const token = await byRoles.mint({ scope: undefined, sub: 'app', azp: 'app', roles: ['admin'], idtyp: 'app' });
    expect(await whoami(byRoles, token)).toMatchObject({ scopes: ['admin'], kind: 'client' });
  });

  it('LIB-22: scopes of users show a user in whichever claim they stand', async () => {
    for (const permissions of [[], ['a']]) {
      const token = await byPermissions.mint({ sub: undefined, scope: 'openid', permissions });
      await expectRejected(byPermissions, token, 'subject_missing');
    }
  });
});
