import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { auth0, cognito, entraId, okta, type AuthorizationServerOptions } from 'nestjs-mcp-auth';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { resetRecorded } from '../support/expectations.js';
import { introspecting } from '../support/introspection.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { expectRejected, whoami } from '../support/tokens.js';

// What products document, or were seen, to put into their tokens: each access token has its caller, its scopes and its kind.

type Claims = Readonly<Record<string, unknown>>;

const ID = '0f1e2d3c-aaaa-4bbb-8ccc-1234567890ab';
const NOBODY: Claims = { sub: undefined, client_id: undefined, scope: undefined };

const PRESETS = {
  none: {},
  auth0: auth0({ domain: 'acme.eu.auth0.com' }),
  entraId: entraId({ tenantId: ID }),
  okta: okta({ domain: 'acme.okta.com' }),
  cognito: cognito({ region: 'eu-central-1', userPoolId: 'eu-central-1_aB3' }),
} as const;
type Preset = keyof typeof PRESETS;

const ACCEPTED: readonly [what: string, preset: Preset, claims: Claims, caller: Claims][] = [
  [
    'a user of Auth0',
    'auth0',
    { sub: 'auth0|1', azp: 'c', scope: 'openid a' },
    { subject: 'auth0|1', clientId: 'c', scopes: ['openid', 'a'], kind: 'user' },
  ],
  [
    'an application of Auth0',
    'auth0',
    { sub: 'c@clients', azp: 'c', gty: 'client-credentials', scope: 'a', permissions: ['a', 'admin'] },
    { clientId: 'c', scopes: ['a'], kind: 'client' },
  ],
  [
    'an application whose grant is named, without a subject',
    'none',
    { azp: 'c', gty: 'client-credentials', scope: 'a' },
    { clientId: 'c', kind: 'client' },
  ],
  [
    'a user of Entra ID',
    'entraId',
    {
      sub: 's',
      azp: 'c',
      azpacr: '0',
      oid: 'o',
      tid: ID,
      ver: '2.0',
      scp: 'a',
      roles: ['admin'],
      preferred_username: 'a@b',
    },
    { subject: 's', clientId: 'c', scopes: ['a'], kind: 'user' },
  ],
  [
    'an application of Entra ID',
    'entraId',
    { sub: 'o', azp: 'c', azpacr: '1', oid: 'o', tid: ID, ver: '2.0', roles: ['a'] },
    { subject: 'o', scopes: ['a'], kind: 'unknown' },
  ],
  [
    'a user of Okta',
    'okta',
    { sub: 'a@b', uid: '00u1', cid: '0oa1', scp: ['openid', 'a'], auth_time: 1, ver: 1 },
    { subject: '00u1', clientId: '0oa1', scopes: ['openid', 'a'], kind: 'user' },
  ],
  [
    'an application of Okta',
    'okta',
    { sub: '0oa1', cid: '0oa1', scp: ['a'], ver: 1 },
    { subject: '0oa1', kind: 'client' },
  ],
  [
    'a user of Cognito',
    'cognito',
    {
      sub: ID,
      client_id: 'c',
      username: 'alice',
      token_use: 'access',
      scope: 'x/a',
      auth_time: 1,
      'cognito:groups': ['g'],
    },
    { subject: ID, clientId: 'c', scopes: ['x/a'], kind: 'user' },
  ],
  [
    'an app client of Cognito',
    'cognito',
    { sub: 'c', client_id: 'c', token_use: 'access', scope: 'x/a', auth_time: 1 },
    { subject: 'c', kind: 'client' },
  ],
  [
    'a user of Authelia',
    'none',
    { sub: ID, client_id: 'c', scp: ['a'] },
    { subject: ID, scopes: ['a'], kind: 'unknown' },
  ],
  [
    'a client of Authelia',
    'none',
    { sub: '', client_id: 'c', scp: ['a'] },
    { clientId: 'c', scopes: ['a'], kind: 'client' },
  ],
  [
    'a user of authentik',
    'none',
    { sub: 'h', azp: 'c', uid: 'x', acr: '1', amr: ['pwd'], auth_time: 1, scope: 'a' },
    { subject: 'h', clientId: 'c', kind: 'user' },
  ],
  [
    'a user of ZITADEL, whose tokens have no scopes',
    'none',
    { sub: '1', client_id: 'c' },
    { subject: '1', clientId: 'c', scopes: [], kind: 'unknown' },
  ],
  ['a worker of PingOne', 'none', { client_id: 'c', env: ID, org: ID, scope: 'a' }, { clientId: 'c', kind: 'client' }],
  [
    'a user of PingFederate',
    'none',
    { sub: 'alice', client_id: 'c', Username: 'alice', scope: ['a'] },
    { subject: 'alice', scopes: ['a'], kind: 'unknown' },
  ],
  [
    'a user of ForgeRock AM',
    'none',
    {
      sub: '(usr!alice)',
      subname: 'alice',
      client_id: 'c',
      tokenName: 'access_token',
      token_type: 'Bearer',
      grant_type: 'authorization_code',
      scope: ['a'],
    },
    { subject: '(usr!alice)', kind: 'unknown' },
  ],
  [
    'a client of ForgeRock AM',
    'none',
    { sub: '(age!c)', client_id: 'c', tokenName: 'access_token', grant_type: 'client_credentials', scope: ['a'] },
    { subject: '(age!c)', kind: 'client' },
  ],
  [
    'a user of Curity',
    'none',
    { sub: 'alice', client_id: 'c', purpose: 'access_token', delegationId: ID, scope: 'a' },
    { subject: 'alice', kind: 'unknown' },
  ],
  [
    'a user of Casdoor',
    'none',
    { sub: ID, azp: 'c', tokenType: 'access-token', name: 'alice', scope: 'a' },
    { subject: ID, clientId: 'c', kind: 'unknown' },
  ],
  [
    'a user of Duende IdentityServer',
    'none',
    { sub: '1', client_id: 'c', sid: 's', idp: 'local', amr: ['pwd'], auth_time: 1, scope: ['openid', 'a'] },
    { subject: '1', scopes: ['openid', 'a'], kind: 'user' },
  ],
  [
    'a client of Duende IdentityServer',
    'none',
    { client_id: 'c', client_tier: 'gold', scope: ['a'] },
    { clientId: 'c', scopes: ['a'], kind: 'client' },
  ],
  [
    'a user of AD FS',
    'none',
    { sub: 's', appid: 'c', apptype: 'Public', auth_time: '2026-01-01T00:00:00Z', upn: 'a@b', scp: 'a' },
    { subject: 's', clientId: 'c', scopes: ['a'], kind: 'unknown' },
  ],
  [
    'a client that is its own subject, and is called so',
    'none',
    { sub: 'c', client_id: 'c', username: 'c', preferred_username: 'service-account-c', scope: 'a' },
    { subject: 'c', kind: 'client' },
  ],
  [
    'a machine of Stytch',
    'none',
    { sub: 'm2m-client-live-1', scope: 'a' },
    { subject: 'm2m-client-live-1', kind: 'unknown' },
  ],
  [
    'a user of Supabase',
    'none',
    {
      sub: ID,
      client_id: 'c',
      role: 'authenticated',
      amr: [{ method: 'password', timestamp: 1 }],
      session_id: 's',
      phone: '',
    },
    { subject: ID, kind: 'user' },
  ],
  [
    'a claim of the application named as if it said a kind',
    'none',
    { sub: 'u', client_id: 'c', type: 'b2b', purpose: 'analytics', tokenType: 'JWTToken' },
    { subject: 'u' },
  ],
];

const REFUSED: readonly [what: string, claims: Claims, reason: 'not_an_access_token' | 'subject_missing'][] = [
  [
    'a refresh token of ForgeRock AM',
    { sub: '(usr!alice)', client_id: 'c', tokenName: 'refresh_token', scope: ['a'] },
    'not_an_access_token',
  ],
  ['a refresh token of Casdoor', { sub: 'u', azp: 'c', tokenType: 'refresh-token', scope: 'a' }, 'not_an_access_token'],
  [
    'a refresh token of Curity',
    { sub: 'u', client_id: 'c', purpose: 'refresh_token', scope: 'a' },
    'not_an_access_token',
  ],
  [
    'an ID token of Curity for several audiences',
    { sub: 'u', azp: 'c', purpose: 'id', auth_time: 1 },
    'not_an_access_token',
  ],
  [
    'a refresh token of a library that writes token_type',
    { sub: 'u', client_id: 'c', token_type: 'refresh' },
    'not_an_access_token',
  ],
  [
    'a refresh token of a library that writes type',
    { sub: 'u', client_id: 'c', type: 'Refresh' },
    'not_an_access_token',
  ],
  [
    'a workload of Kubernetes',
    { sub: 'system:serviceaccount:a:b', 'kubernetes.io': { namespace: 'a' } },
    'not_an_access_token',
  ],
  [
    'a workload of GitHub Actions, which anybody has',
    { sub: 'repo:o/r:ref:refs/heads/main', repository: 'o/r', actor: 'alice' },
    'not_an_access_token',
  ],
  ['a workload of SPIFFE', { sub: 'spiffe://example.org/worker' }, 'not_an_access_token'],
  [
    'a user of PingFederate whom no subject names',
    { client_id: 'c', Username: 'alice', OrgName: 'Ping', scope: ['a'] },
    'subject_missing',
  ],
  [
    'a user of AD FS whom no subject names',
    { appid: 'c', upn: 'a@b', auth_time: '2026-01-01T00:00:00Z', scp: 'a' },
    'subject_missing',
  ],
  [
    'an application as AD FS writes it, with a time of sign-in',
    { appid: 'c', apptype: 'Confidential', auth_time: '2026-01-01T00:00:00Z' },
    'subject_missing',
  ],
  [
    'a user whom claims in a namespace show',
    { client_id: 'c', 'https://acme.example/email': 'a@b', scope: 'a' },
    'subject_missing',
  ],
  [
    'a user whom claims of .NET show',
    { client_id: 'c', 'http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier': '7', scope: 'a' },
    'subject_missing',
  ],
  ['a user whom another spelling shows', { client_id: 'c', userId: 7, scope: 'a' }, 'subject_missing'],
  [
    'a user for whom the subject is the client',
    { sub: 'web', client_id: 'web', username: 'alice', scope: 'a' },
    'subject_missing',
  ],
  [
    'a user beside the grant of a client',
    { azp: 'c', gty: 'client-credentials', email: 'a@b', scope: 'a' },
    'subject_missing',
  ],
  [
    'several grants, one of them of a user',
    { azp: 'c', gty: ['authorization_code', 'client_credentials'], scope: 'a' },
    'subject_missing',
  ],
];

describe.each(PLATFORMS)('LIB-22: tokens of products, on %s', (platform) => {
  let issuer: TestIssuer;
  const servers = new Map<string, NotesServer>();

  beforeAll(async () => {
    const startedAt = Date.now();
    issuer = await TestIssuer.start({ alg: 'ES256', introspection: true, now: () => startedAt });
    const start = async (name: string, entry: object): Promise<void> => {
      servers.set(
        name,
        await startNotesServer(platform, {
          sharedIssuer: issuer,
          options: { authorizationServers: [entry as AuthorizationServerOptions] },
        }),
      );
    };
    const own = { issuer: issuer.issuer, algorithms: ['ES256'], discovery: 'oidc' };
    for (const [name, { advertisedIssuer: _, ...preset }] of Object.entries(
      PRESETS as Record<string, Partial<AuthorizationServerOptions>>,
    )) {
      await start(name, { ...preset, ...own });
    }
    await start('answers', introspecting(issuer, { cacheSeconds: 0, negativeCacheSeconds: 0 }));
  });
  afterAll(async () => {
    await Promise.all([...servers.values()].map((server) => server.close()));
    await issuer.close();
  });
  beforeEach(() => servers.forEach(resetRecorded));

  const of = (name: string): NotesServer => servers.get(name) as NotesServer;
  const answer = (claims: Claims): string => issuer.opaque({ ...NOBODY, aud: of('answers').resource, ...claims });

  it.each(ACCEPTED)('LIB-22: accepts %s', async (_what, preset, claims, caller) => {
    const header = { typ: 'JWT' };
    expect(await whoami(of(preset), await of(preset).mint({ ...NOBODY, ...claims }, { header }))).toMatchObject(caller);
    if (preset === 'none') expect(await whoami(of('answers'), answer(claims))).toMatchObject(caller);
  });

  it.each(REFUSED)('LIB-22: refuses %s, as JWT and as introspection answer', async (what, claims, reason) => {
    const header = { typ: 'JWT' };
    await expectRejected(of('none'), await of('none').mint({ ...NOBODY, ...claims }, { header }), reason);
    // Where it is asked, the server itself calls a token of a workload active: it is its own then.
    if (!what.startsWith('a workload')) await expectRejected(of('answers'), answer(claims), reason);
  });
});
