import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  auth0,
  cognito,
  entraId,
  McpAuthConfigError,
  okta,
  supabase,
  workos,
  type AuthorizationServerOptions,
  type KindOf,
} from 'nestjs-mcp-auth';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { readOptions } from '../../lib/options/read-options.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { whoami } from '../support/tokens.js';

// Whether a user stands behind a token is told by what products document, and is never guessed.

type Claims = Readonly<Record<string, unknown>>;

const JWT = { typ: 'JWT' };
const NOBODY: Claims = { sub: undefined, client_id: undefined };

const KEYCLOAK_SERVICE: Claims = {
  ...NOBODY,
  sub: '0f1e',
  azp: 'machine',
  client_id: 'machine',
  acr: '1',
  typ: 'Bearer',
  clientHost: '10.0.0.1',
  clientAddress: '10.0.0.1',
};

/** Of any issuer, with nothing configured. */
const BY_DEFAULT: readonly [what: string, claims: Claims, kind: string][] = [
  [
    'a user of Keycloak',
    { sub: '0f1e', client_id: undefined, azp: 'web', typ: 'Bearer', sid: 's', acr: '1', scope: 'email' },
    'user',
  ],
  ['a service account of Keycloak', { ...KEYCLOAK_SERVICE, preferred_username: 'service-account-machine' }, 'client'],
  ['a service account of Keycloak without the client scope profile', KEYCLOAK_SERVICE, 'client'],
  [
    'a service account of Keycloak with a session, or a user who took its name',
    { ...KEYCLOAK_SERVICE, sid: 's', preferred_username: 'service-account-machine' },
    'unknown',
  ],
  ['such a service account without the client scope profile', { ...KEYCLOAK_SERVICE, sid: 's' }, 'unknown'],
  [
    'such a service account without the client scope service_account',
    { sub: '0f1e', azp: 'machine', client_id: undefined, sid: 's', preferred_username: 'service-account-machine' },
    'unknown',
  ],
  [
    'such a service account in an introspection answer',
    { sub: '0f1e', azp: 'machine', client_id: 'machine', sid: 's', username: 'service-account-machine' },
    'unknown',
  ],
  [
    'such a user without a session',
    { sub: '0f1e', azp: 'web', client_id: undefined, preferred_username: 'service-account-web' },
    'unknown',
  ],
  [
    'a user of Cognito',
    { sub: '0f1e', client_id: 'app', token_use: 'access', username: 'alice', auth_time: 1 },
    'user',
  ],
  [
    'an app client of Cognito, which has a time of sign-in too',
    { sub: 'app', client_id: 'app', token_use: 'access', auth_time: 1 },
    'client',
  ],
  ['a user of WorkOS or Better Auth', { sub: 'u', client_id: 'c', sid: 's' }, 'user'],
  [
    'a user of Supabase',
    { sub: 'u', client_id: 'c', session_id: 's', aal: 'aal1', amr: [{ method: 'password', timestamp: 1 }] },
    'user',
  ],
  ['a user of Hydra, Spring or node-oidc-provider', { sub: 'alice', client_id: 'c' }, 'unknown'],
  ['an application of Logto', { sub: 'app', client_id: 'app' }, 'client'],
  ['a workload of Kubernetes', { sub: 'system:serviceaccount:a:b', client_id: undefined, scope: 'x' }, 'unknown'],
  [
    'a workload of GitHub',
    { sub: 'repo:o/r:ref:refs/heads/main', client_id: undefined, actor: 'alice', scope: 'x' },
    'unknown',
  ],
  [
    'a service account of Google',
    { sub: '1', client_id: undefined, azp: '2', email: 'a@p.iam.gserviceaccount.com', email_verified: true },
    'unknown',
  ],
  [
    'signs that say nothing',
    { sub: 'u', client_id: 'c', sid: '', amr: [], auth_time: null, session_state: null, username: '' },
    'unknown',
  ],
  [
    'signs of the wrong type',
    { sub: 'u', client_id: 'c', sid: 7, amr: 'pwd', auth_time: 'x', username: ['a'] },
    'unknown',
  ],
  [
    'a time of sign-in of zero, as old versions write where there is none',
    { sub: 'u', client_id: 'c', auth_time: 0 },
    'unknown',
  ],
];

const SUPABASE = { projectUrl: 'https://abcdefghijklmnop.supabase.co' };
const POOL = { region: 'eu-central-1', userPoolId: 'eu-central-1_aB3dE5fGh' };

const PRESETS: readonly [what: string, kindOf: KindOf | undefined, claims: Claims, kind: string][] = [
  [
    'a user of Auth0',
    auth0({ domain: 'a.eu.auth0.com' }).kindOf,
    { sub: 'auth0|1', azp: 'c', client_id: undefined },
    'user',
  ],
  [
    'an application of Auth0',
    auth0({ domain: 'a.eu.auth0.com' }).kindOf,
    { sub: 'c@clients', azp: 'c', client_id: undefined },
    'client',
  ],
  [
    'an application of Auth0 by gty',
    auth0({ domain: 'a.eu.auth0.com' }).kindOf,
    { sub: 'a|b', azp: 'c', gty: 'client-credentials' },
    'client',
  ],
  [
    'a user of Okta',
    okta({ domain: 'a.okta.com' }).kindOf,
    { sub: 'alice@example.com', uid: '00u1', cid: '0oa1' },
    'user',
  ],
  [
    'an application of Okta',
    okta({ domain: 'a.okta.com' }).kindOf,
    { sub: '0oa1', cid: '0oa1', client_id: undefined },
    'client',
  ],
  [
    'a user of Entra ID',
    entraId({ tenantId: '72f988bf-86f1-41af-91ab-2d7cd011db47' }).kindOf,
    { sub: 'u', azp: 'c', oid: 'o', scp: 'read' },
    'user',
  ],
  [
    'an application of Entra ID',
    entraId({ tenantId: '72f988bf-86f1-41af-91ab-2d7cd011db47' }).kindOf,
    { sub: 'o', azp: 'c', oid: 'o', roles: ['read'], idtyp: 'app' },
    'client',
  ],
  [
    'an application of Entra ID without idtyp',
    entraId({ tenantId: '72f988bf-86f1-41af-91ab-2d7cd011db47' }).kindOf,
    { sub: 'o', azp: 'c', oid: 'o', roles: ['read'] },
    'unknown',
  ],
  [
    'a user of Cognito',
    cognito(POOL).kindOf,
    { sub: 'u', client_id: 'c', username: 'alice', token_use: 'access' },
    'user',
  ],
  [
    'an application of Cognito, whose tokens have auth_time',
    cognito(POOL).kindOf,
    { sub: 'c', client_id: 'c', token_use: 'access', auth_time: 1_700_000_000 },
    'client',
  ],
  [
    'a user of Supabase',
    supabase(SUPABASE).kindOf,
    { sub: 'u', client_id: 'c', role: 'authenticated', session_id: 's', is_anonymous: false },
    'user',
  ],
  [
    'an anonymous user of Supabase',
    supabase(SUPABASE).kindOf,
    {
      sub: 'u',
      client_id: 'c',
      role: 'authenticated',
      session_id: 's',
      is_anonymous: true,
      amr: [{ method: 'anonymous' }],
    },
    'unknown',
  ],
  [
    'a token of Supabase that is not of a signed-in user',
    supabase(SUPABASE).kindOf,
    { sub: 'u', client_id: 'c', role: 'service_role', session_id: 's' },
    'unknown',
  ],
  [
    'a user of WorkOS',
    workos({ authkitDomain: 'acme.authkit.app' }).kindOf,
    { sub: 'user_1', client_id: 'client_1', sid: 'app_consent_1' },
    'user',
  ],
  [
    'an application of WorkOS',
    workos({ authkitDomain: 'acme.authkit.app' }).kindOf,
    { sub: 'client_1', client_id: 'client_1', org_id: 'org_1' },
    'client',
  ],
];

const CONFIGURED: readonly [what: string, kindOf: unknown, kind: string][] = [
  ['the word of the application', (claims: Claims) => (claims['tier'] === 'human' ? 'user' : 'client'), 'user'],
  ['nothing, which leaves it to the claims', () => undefined, 'client'],
  ['anything else, which shows nothing', () => 'admin', 'unknown'],
  ['a promise, which shows nothing', async () => 'user', 'unknown'],
  [
    'an error, which shows nothing',
    () => {
      throw new Error('no');
    },
    'unknown',
  ],
];

describe.each(PLATFORMS)('RFC9700-4.15-a: the kind of a caller, on %s', (platform) => {
  let issuer: TestIssuer;
  beforeAll(async () => {
    issuer = await TestIssuer.start({ alg: 'ES256' });
  });
  afterAll(() => issuer.close());

  async function kindOfToken(claims: Claims, kindOf?: unknown): Promise<unknown> {
    const entry = { issuer: issuer.issuer, ...(kindOf !== undefined && { kindOf }) } as AuthorizationServerOptions;
    const server: NotesServer = await startNotesServer(platform, {
      sharedIssuer: issuer,
      options: { authorizationServers: [entry] },
    });
    try {
      return (await whoami(server, await server.mint(claims, { header: JWT })))['kind'];
    } finally {
      await server.close();
    }
  }

  it.each(BY_DEFAULT)('RFC9700-4.15-a: of %s, is told by the claims alone', async (_what, claims, kind) => {
    expect(await kindOfToken(claims)).toBe(kind);
  });

  it.each(PRESETS)(
    'RFC9700-4.15-a: of %s, is told as the product documents it',
    async (_what, kindOf, claims, kind) => {
      expect(await kindOfToken(claims, kindOf)).toBe(kind);
    },
  );

  it.each(CONFIGURED)('RFC9700-4.15-a: is decided by %s', async (_what, kindOf, kind) => {
    expect(await kindOfToken({ sub: 'c', client_id: 'c', tier: 'human' }, kindOf)).toBe(kind);
  });

  it('RFC9700-4.15-a: is asked for once a token is verified, and not of one that is not', async () => {
    const seen: unknown[] = [];
    const kindOf: KindOf = (claims) => void seen.push(claims['sub']) as undefined;
    const server = await startNotesServer(platform, {
      sharedIssuer: issuer,
      options: { authorizationServers: [{ issuer: issuer.issuer, kindOf }] },
    });
    const good = await server.mint({ sub: 'alice' });
    await server.callTool('ping', `${(await server.mint({ sub: 'eve' })).slice(0, -4)}AAAA`);
    await server.callTool('ping', good);
    await server.callTool('ping', good);
    expect(seen).toEqual(['alice']);
    await server.close();
  });
});

describe('the option kindOf', () => {
  it.each(['user', 7, {}, null])('is refused at start where must be a function: %j', (kindOf) => {
    const options = {
      resource: 'https://mcp.example.com/mcp',
      authorizationServers: [{ issuer: 'https://login.example.com', kindOf }],
    };
    expect(() => readOptions(options as never)).toThrow(McpAuthConfigError);
  });
});
