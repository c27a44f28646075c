import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  auth0,
  cognito,
  descope,
  entraId,
  google,
  keycloak,
  logto,
  McpAuthConfigError,
  okta,
  scalekit,
  stytch,
  supabase,
  workos,
  type AuthorizationServerOptions,
  type IssuerPreset,
  type ProtectedResourceOptions,
} from 'nestjs-mcp-auth';
import { TestIssuer, type MintOptions, type TestIssuerOptions, type WellKnownForm } from 'nestjs-mcp-auth/testing';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { expectAccepted, expectRejected, whoami } from '../support/tokens.js';

const TENANT = '72f988bf-86f1-41af-91ab-2d7cd011db47';
const OTHER_TENANT = '8eaef023-2b34-4da1-9baa-8bc8c9d6a490';
const API = '6e74172b-be56-4843-9ff4-e66a39bb12e3';
const CLIENT = '75dbe77f-10a3-4e59-85fd-8c127544f17c';
const STYTCH_PROJECT = 'project-live-d0dbafe6-a019-47ea-8550-d021c1c76ea9';

type Claims = Readonly<Record<string, unknown>>;

/** What a product documents of its tokens and of its metadata. */
interface Product {
  readonly preset: IssuerPreset;
  /** The same preset for somebody else. */
  readonly neighbour: IssuerPreset;
  /** The whole result of the preset, so that none of its URLs is wrong in the same way twice. */
  readonly result: IssuerPreset;
  /** Where the product has its metadata. */
  readonly wellKnown: readonly WellKnownForm[];
  /** What to set as `audience`. @default the resource identifier */
  readonly audience?: string;
  readonly alg?: TestIssuerOptions['alg'];
  readonly header?: MintOptions['header'];
  /** Claims of an access token besides `iss`, `iat` and `exp`. */
  readonly token: (resource: string) => Claims;
  readonly caller: { readonly subject: string; readonly clientId: string; readonly scopes: readonly string[] };
  /** Claims of an ID token, but for its audience: that is made one which is accepted, the hardest case. */
  readonly idToken: Claims;
}

/** Minted claims that no product sends but the one that says so. */
const NOTHING: Claims = { client_id: undefined, jti: undefined };
const JWT = { typ: 'JWT' };
/** What it says of tokens is tested where tokens are. */
const ANY_KIND_OF = expect.any(Function) as unknown as NonNullable<IssuerPreset['kindOf']>;
const NO_TYPE = { typ: undefined };

const PRODUCTS: Readonly<Record<string, Product>> = {
  'Auth0 with its own token profile': {
    preset: auth0({ domain: 'acme.eu.auth0.com' }),
    neighbour: auth0({ domain: 'other.eu.auth0.com' }),
    result: {
      issuer: 'https://acme.eu.auth0.com/',
      discovery: 'oidc',
      algorithms: ['RS256', 'PS256'],
      claims: { clientId: ['client_id', 'azp'] },
      kindOf: ANY_KIND_OF,
    },
    wellKnown: ['oauth', 'oidc-append'],
    alg: 'RS256',
    header: JWT,
    token: (resource) => ({
      sub: 'auth0|123456',
      aud: [resource, 'https://acme.eu.auth0.com/userinfo'],
      azp: 'my_client_id',
      scope: 'openid profile notes:read',
      permissions: ['notes:read', 'notes:write'],
    }),
    caller: { subject: 'auth0|123456', clientId: 'my_client_id', scopes: ['openid', 'profile', 'notes:read'] },
    idToken: { sub: 'auth0|123456', nickname: 'alice', email: 'alice@example.com', sid: 'xyz' },
  },
  'Auth0 with the profile of RFC 9068': {
    preset: auth0({ domain: 'login.example.com' }),
    neighbour: auth0({ domain: 'login.example.net' }),
    result: {
      issuer: 'https://login.example.com/',
      discovery: 'oidc',
      algorithms: ['RS256', 'PS256'],
      claims: { clientId: ['client_id', 'azp'] },
      kindOf: ANY_KIND_OF,
    },
    wellKnown: ['oidc-append'],
    alg: 'PS256',
    header: { typ: 'at+jwt' },
    token: (resource) => ({
      sub: 'tpc_abc@clients',
      aud: resource,
      client_id: 'tpc_abc',
      jti: '73WakrfVbNJBaAmhQtEeDv',
      scope: 'notes:read',
    }),
    caller: { subject: 'tpc_abc@clients', clientId: 'tpc_abc', scopes: ['notes:read'] },
    idToken: { sub: 'auth0|123456', nonce: 'n-0S6_WzA2Mj' },
  },
  Keycloak: {
    preset: keycloak({ url: 'https://login.example.com/auth', realm: 'Main' }),
    neighbour: keycloak({ url: 'https://login.example.com/auth', realm: 'main' }),
    result: {
      issuer: 'https://login.example.com/auth/realms/Main',
      discovery: { url: 'https://login.example.com/auth/realms/Main/.well-known/openid-configuration' },
      claims: { clientId: ['azp', 'client_id'] },
    },
    wellKnown: ['oidc-append'],
    header: JWT,
    token: (resource) => ({
      jti: 'onrtac:7b2e6c52-4f6b-4c0e-a6d3-0d3b6f1f7a11',
      sub: 'f:1:alice',
      aud: [resource, 'account'],
      typ: 'Bearer',
      azp: 'https://claude.ai/oauth/claude-code-client-metadata',
      sid: 'b1c0',
      acr: '1',
      realm_access: { roles: ['offline_access', 'editor'] },
      resource_access: { account: { roles: ['manage-account'] } },
      scope: 'mcp:tools profile email',
    }),
    caller: {
      subject: 'f:1:alice',
      clientId: 'https://claude.ai/oauth/claude-code-client-metadata',
      scopes: ['mcp:tools', 'profile', 'email'],
    },
    idToken: { sub: 'f:1:alice', typ: 'ID', azp: 'mcp-client', sid: 'b1c0', acr: '1', scope: 'openid' },
  },
  'Entra ID, version 2': {
    preset: entraId({ tenantId: TENANT.toUpperCase() }),
    neighbour: entraId({ tenantId: OTHER_TENANT }),
    result: {
      issuer: `https://login.microsoftonline.com/${TENANT}/v2.0`,
      discovery: { url: `https://login.microsoftonline.com/${TENANT}/v2.0/.well-known/openid-configuration` },
      algorithms: ['RS256'],
      claims: { scopes: ['scp', 'roles'], clientId: ['azp'] },
      kindOf: ANY_KIND_OF,
    },
    wellKnown: ['oidc-append'],
    audience: API,
    alg: 'RS256',
    header: JWT,
    token: () => ({
      aud: API,
      azp: CLIENT,
      azpacr: '0',
      oid: '690222be-ff1a-4d56-abd1-7e4f7d38e474',
      scp: 'notes.read notes.write',
      roles: ['Notes.Admin'],
      sub: 'HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ',
      tid: TENANT,
      uti: 'fqiBqXLPj0eQa82S-IYFAA',
      ver: '2.0',
    }),
    caller: {
      subject: 'HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ',
      clientId: CLIENT,
      // The roles of a user are not what the client was granted.
      scopes: ['notes.read', 'notes.write'],
    },
    idToken: {
      sub: 'AAAA',
      oid: '690222be',
      tid: TENANT,
      ver: '2.0',
      preferred_username: 'alice@contoso.com',
      roles: ['x'],
    },
  },
  'Entra ID, version 1': {
    preset: entraId({ tenantId: TENANT, version: 1 }),
    neighbour: entraId({ tenantId: OTHER_TENANT, version: 1 }),
    result: {
      issuer: `https://sts.windows.net/${TENANT}/`,
      advertisedIssuer: `https://login.microsoftonline.com/${TENANT}/v2.0`,
      discovery: { url: `https://login.microsoftonline.com/${TENANT}/.well-known/openid-configuration` },
      algorithms: ['RS256'],
      claims: { scopes: ['scp', 'roles'], clientId: ['appid'] },
      kindOf: ANY_KIND_OF,
    },
    wellKnown: ['oidc-append'],
    audience: `api://${API}`,
    alg: 'RS256',
    header: JWT,
    // An application for itself: no `scp`, and its permissions among the roles.
    token: () => ({
      aud: `api://${API}`,
      appid: CLIENT,
      appidacr: '1',
      idp: `https://sts.windows.net/${TENANT}/`,
      idtyp: 'app',
      oid: '02223b6b',
      roles: ['Notes.Read.All'],
      sub: '02223b6b',
      tid: TENANT,
      ver: '1.0',
    }),
    caller: { subject: '02223b6b', clientId: CLIENT, scopes: ['Notes.Read.All'] },
    idToken: { sub: 'AAAA', oid: '02223b6b', tid: TENANT, ver: '1.0', unique_name: 'alice@contoso.com' },
  },
  Okta: {
    preset: okta({ domain: 'acme.okta.com', authorizationServerId: 'aus9o8wzkhckw9TLa0h7' }),
    neighbour: okta({ domain: 'acme.okta.com' }),
    result: {
      issuer: 'https://acme.okta.com/oauth2/aus9o8wzkhckw9TLa0h7',
      discovery: { url: 'https://acme.okta.com/oauth2/aus9o8wzkhckw9TLa0h7/.well-known/openid-configuration' },
      claims: { scopes: ['scp'], clientId: ['cid'], subject: ['uid', 'sub'] },
      kindOf: ANY_KIND_OF,
    },
    wellKnown: ['oauth', 'oidc-append'],
    header: NO_TYPE,
    token: (resource) => ({
      ver: 1,
      jti: 'AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE',
      aud: resource,
      sub: 'joe.smith@example.com',
      cid: 'nmdP1fcyvdVO11AL7ECm',
      uid: '00ujmkLgagxeRrAg20g3',
      scp: ['openid', 'notes:read'],
      auth_time: 1_467_142_021,
    }),
    caller: { subject: '00ujmkLgagxeRrAg20g3', clientId: 'nmdP1fcyvdVO11AL7ECm', scopes: ['openid', 'notes:read'] },
    idToken: { ver: 1, jti: 'ID.1', sub: '00ujmkLgagxeRrAg20g3', amr: ['pwd'], idp: '00o1', name: 'Joe' },
  },
  'Cognito with resource binding': {
    preset: cognito({ region: 'us-east-1', userPoolId: 'us-east-1_EXAMPLE' }),
    neighbour: cognito({ region: 'us-east-1', userPoolId: 'us-east-1_OTHER' }),
    result: {
      issuer: 'https://cognito-idp.us-east-1.amazonaws.com/us-east-1_EXAMPLE',
      discovery: {
        url: 'https://cognito-idp.us-east-1.amazonaws.com/us-east-1_EXAMPLE/.well-known/openid-configuration',
      },
      algorithms: ['RS256'],
      claims: { clientId: ['client_id'] },
    },
    wellKnown: ['oidc-append'],
    alg: 'RS256',
    header: NO_TYPE,
    token: (resource) => ({
      sub: 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee',
      aud: resource,
      client_id: '1example23456789',
      token_use: 'access',
      scope: 'openid',
      'cognito:groups': ['editors'],
      username: 'alice',
      origin_jti: 'o',
      version: 2,
    }),
    caller: { subject: 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee', clientId: '1example23456789', scopes: ['openid'] },
    idToken: { sub: 'aaaaaaaa', token_use: 'id', 'cognito:username': 'alice', origin_jti: 'o', scope: 'openid' },
  },
  'Cognito by app client': {
    preset: cognito({ region: 'us-east-1', userPoolId: 'us-east-1_EXAMPLE', clientIdAsAudience: true }),
    neighbour: cognito({ region: 'us-east-1', userPoolId: 'us-east-1_OTHER', clientIdAsAudience: true }),
    result: {
      issuer: 'https://cognito-idp.us-east-1.amazonaws.com/us-east-1_EXAMPLE',
      discovery: {
        url: 'https://cognito-idp.us-east-1.amazonaws.com/us-east-1_EXAMPLE/.well-known/openid-configuration',
      },
      algorithms: ['RS256'],
      claims: { clientId: ['client_id'], audience: ['aud', 'client_id'] },
    },
    wellKnown: ['oidc-append'],
    audience: '1example23456789',
    alg: 'RS256',
    header: NO_TYPE,
    token: () => ({
      sub: 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee',
      aud: undefined,
      client_id: '1example23456789',
      token_use: 'access',
      scope: 'notes/read',
      username: 'alice',
    }),
    caller: { subject: 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee', clientId: '1example23456789', scopes: ['notes/read'] },
    idToken: { sub: 'aaaaaaaa', token_use: 'id', 'cognito:username': 'alice' },
  },
  Logto: {
    preset: logto({ endpoint: 'https://acme.logto.app/' }),
    neighbour: logto({ endpoint: 'https://other.logto.app' }),
    result: {
      issuer: 'https://acme.logto.app/oidc',
      discovery: { url: 'https://acme.logto.app/oidc/.well-known/openid-configuration' },
      claims: { clientId: ['client_id'] },
    },
    wellKnown: ['oidc-append'],
    alg: 'ES384',
    header: { typ: 'at+jwt' },
    token: (resource) => ({ jti: 'j', sub: 'foo', aud: resource, client_id: 'm-12', scope: 'notes:read notes:write' }),
    caller: { subject: 'foo', clientId: 'm-12', scopes: ['notes:read', 'notes:write'] },
    idToken: { sub: 'foo', at_hash: 'x', name: 'Foo' },
  },
  WorkOS: {
    preset: workos({ authkitDomain: 'acme.authkit.app' }),
    neighbour: workos({ authkitDomain: 'other.authkit.app' }),
    result: { issuer: 'https://acme.authkit.app', discovery: 'oauth' },
    wellKnown: ['oauth'],
    header: JWT,
    token: (resource) => ({ sub: 'user_01', aud: resource, client_id: 'client_01', sid: 's', scope: 'openid profile' }),
    caller: { subject: 'user_01', clientId: 'client_01', scopes: ['openid', 'profile'] },
    idToken: { sub: 'user_01', name: 'Alice', email: 'alice@example.com' },
  },
  Descope: {
    preset: descope({ projectId: 'P2abc123', mcpServerId: 'MS456' }),
    neighbour: descope({ projectId: 'P2abc124', mcpServerId: 'MS456' }),
    result: {
      issuer: 'https://api.descope.com/v1/apps/P2abc123',
      advertisedIssuer: 'https://api.descope.com/v1/apps/agentic/P2abc123/MS456',
      discovery: { url: 'https://api.descope.com/v1/apps/P2abc123/.well-known/openid-configuration' },
      claims: { clientId: ['azp'] },
    },
    wellKnown: ['oidc-append'],
    header: JWT,
    token: (resource) => ({
      sub: 'U2alice',
      aud: ['TPA456', 'P2abc123', resource],
      azp: 'TPA456',
      scope: 'weather:read',
    }),
    caller: { subject: 'U2alice', clientId: 'TPA456', scopes: ['weather:read'] },
    idToken: { sub: 'U2alice', email: 'alice@example.com', nonce: 'n' },
  },
  Stytch: {
    preset: stytch({ domain: 'humble-otter-1234.customers.stytch.com' }),
    neighbour: stytch({ domain: 'other-otter-1234.customers.stytch.com' }),
    result: {
      issuer: 'https://humble-otter-1234.customers.stytch.com',
      discovery: 'oauth',
      algorithms: ['RS256'],
      claims: { clientId: ['client_id'] },
    },
    wellKnown: ['oauth', 'oidc-append'],
    audience: STYTCH_PROJECT,
    alg: 'RS256',
    header: JWT,
    token: () => ({
      sub: 'user-live-16d9ba61-97a1-4ba4-9720-b03761dc50c6',
      aud: [STYTCH_PROJECT],
      client_id: 'connected-app-live-d731954d',
      jti: 'LOe49j3s9d9d',
      nbf: 0,
      scope: 'openid notes:read',
    }),
    caller: {
      subject: 'user-live-16d9ba61-97a1-4ba4-9720-b03761dc50c6',
      clientId: 'connected-app-live-d731954d',
      scopes: ['openid', 'notes:read'],
    },
    idToken: { sub: 'user-live-16d9ba61', nbf: 0, name: 'Jane Doe', email: 'sandbox@stytch.com' },
  },
  'Scalekit, named by its environment': {
    preset: scalekit({ environmentUrl: 'https://acme.scalekit.com', resourceId: 'res_92015146095' }),
    neighbour: scalekit({ environmentUrl: 'https://acme.scalekit.com', resourceId: 'res_1', tokenIssuer: 'resource' }),
    result: {
      issuer: 'https://acme.scalekit.com',
      advertisedIssuer: 'https://acme.scalekit.com/resources/res_92015146095',
      jwksUri: 'https://acme.scalekit.com/keys',
      claims: { scopes: ['scope', 'scopes'], clientId: ['client_id'] },
    },
    wellKnown: [],
    header: JWT,
    token: (resource) => ({
      sub: 'usr_8967800122',
      aud: [resource, 'res_92015146095'],
      client_id: 'prd_skc_1',
      jti: 'tkn_1',
      sid: 'ses_1',
      scope: 'todo:read',
    }),
    caller: { subject: 'usr_8967800122', clientId: 'prd_skc_1', scopes: ['todo:read'] },
    idToken: { sub: 'usr_8967800122', azp: 'skc_1', client_id: 'skc_1', at_hash: 'ec_j', c_hash: '6wM', sid: 'ses_1' },
  },
  'Scalekit, named by the MCP server': {
    preset: scalekit({
      environmentUrl: 'https://acme.scalekit.com',
      resourceId: 'res_92015146095',
      tokenIssuer: 'resource',
    }),
    neighbour: scalekit({ environmentUrl: 'https://acme.scalekit.com', resourceId: 'res_1', tokenIssuer: 'resource' }),
    result: {
      issuer: 'https://acme.scalekit.com/resources/res_92015146095',
      jwksUri: 'https://acme.scalekit.com/keys',
      claims: { scopes: ['scope', 'scopes'], clientId: ['client_id'] },
    },
    wellKnown: [],
    audience: 'res_92015146095',
    header: JWT,
    // Client credentials: scopes in an array of another name.
    token: () => ({
      sub: 'm2morg_1',
      aud: 'res_92015146095',
      client_id: 'm2morg_1',
      scopes: ['todo:read', 'todo:write'],
    }),
    caller: { subject: 'm2morg_1', clientId: 'm2morg_1', scopes: ['todo:read', 'todo:write'] },
    idToken: { sub: 'usr_1', azp: 'skc_1', client_id: 'skc_1', at_hash: 'ec_j' },
  },
  Supabase: {
    preset: supabase({ projectUrl: 'https://abcdefghijklmnop.supabase.co' }),
    neighbour: supabase({ projectUrl: 'https://ponmlkjihgfedcba.supabase.co' }),
    result: {
      issuer: 'https://abcdefghijklmnop.supabase.co/auth/v1',
      discovery: 'oauth',
      algorithms: ['ES256', 'RS256'],
      claims: { clientId: ['client_id'] },
    },
    wellKnown: ['oauth'],
    audience: 'authenticated',
    header: JWT,
    token: () => ({
      sub: 'user-uuid',
      role: 'authenticated',
      aud: 'authenticated',
      client_id: '9a8b7c6d-5e4f-3a2b-1c0d-9e8f7a6b5c4d',
      aal: 'aal1',
      amr: [{ method: 'password', timestamp: 1_735_815_600 }],
      session_id: 'session-uuid',
    }),
    caller: { subject: 'user-uuid', clientId: '9a8b7c6d-5e4f-3a2b-1c0d-9e8f7a6b5c4d', scopes: [] },
    idToken: { sub: 'user-uuid', auth_time: 1_735_815_600, email: 'user@example.com' },
  },
};

describe.each(Object.entries(PRODUCTS))('the preset of %s', (_name, product) => {
  const { preset, neighbour, result, audience, caller } = product;
  let issuer: TestIssuer;
  let server: NotesServer;
  /** A token of this product; `iss` is that of the test issuer, as everything else it signs. */
  const mint = (claims: Claims = {}): Promise<string> =>
    issuer.mint({ ...NOTHING, ...product.token(server.resource), ...claims }, { header: product.header ?? {} });

  beforeAll(async () => {
    issuer = await startIssuerOf(preset, product);
    server = await startNotesServer('express', {
      sharedIssuer: issuer,
      options: { authorizationServers: [pointedAt(preset, issuer)], ...(audience !== undefined && { audience }) },
    });
  });
  afterAll(async () => {
    await server?.close();
    await issuer?.close();
  });

  it('spells issuer, metadata and claims as the product does', () => {
    expect(preset).toEqual(result);
  });

  it('is an entry of authorizationServers, with no further option', () => {
    // Compiled, too: the test is that this line needs no cast.
    const servers: AuthorizationServerOptions[] = [preset, { ...preset, algorithms: ['ES256'] }];
    expect(servers).toHaveLength(2);
  });

  it('accepts an access token of the product, and finds its caller', async () => {
    expect(await whoami(server, await mint())).toMatchObject({ ...caller, issuer: pointedAt(preset, issuer).issuer });
  });

  it('finds the keys where the product has them, at the first try', async () => {
    await expectAccepted(server, await mint());
    const asked = issuer.requests.map(({ endpoint }) => endpoint);
    expect(asked).toEqual(preset.jwksUri === undefined ? ['metadata', 'jwks'] : ['jwks']);
  });

  it('sends clients to where the product has them begin', async () => {
    const response = await fetch(`${server.origin}/.well-known/oauth-protected-resource/mcp`);
    const { advertisedIssuer, issuer: own } = pointedAt(preset, issuer);
    expect(await response.json()).toMatchObject({ authorization_servers: [advertisedIssuer ?? own] });
  });

  it('refuses an ID token of the product, even one with an audience that is accepted', async () => {
    const accepted = audience ?? server.resource;
    const idToken = await issuer.mint({ ...NOTHING, ...product.idToken, aud: accepted }, { header: JWT });
    await expectRejected(server, idToken, 'not_an_access_token');
  });

  it('refuses a token for another audience', async () => {
    // By the app client, the audience is the client.
    const other = preset.claims?.audience
      ? { client_id: '2example23456789' }
      : { aud: 'https://elsewhere.example.com/mcp' };
    await expectRejected(server, await mint(other), 'audience_rejected');
  });

  it('refuses a token without an audience', async () => {
    const none = preset.claims?.audience ? { client_id: undefined } : { aud: undefined };
    await expectRejected(server, await mint(none), 'audience_missing');
  });

  it('refuses a token of another tenant', async () => {
    const isNextDoor = new URL(neighbour.issuer).host === new URL(preset.issuer).host;
    const iss = pointedAt(neighbour, issuer, isNextDoor ? undefined : 'http://other.test').issuer;
    expect(iss).not.toBe(issuer.issuer);
    await expectRejected(server, await mint({ iss }), 'issuer_unknown');
    const withOrWithoutSlash = issuer.issuer.endsWith('/') ? issuer.issuer.slice(0, -1) : `${issuer.issuer}/`;
    await expectRejected(server, await mint({ iss: withOrWithoutSlash }), 'issuer_unknown');
  });

  if (preset.algorithms) {
    it('refuses a signature that the product does not make, even with a key of its own', async () => {
      const key = await issuer.addKey({ alg: 'EdDSA' });
      const claims = { ...NOTHING, ...product.token(server.resource) };
      await expectRejected(
        server,
        await issuer.mint(claims, { key, header: product.header ?? {} }),
        'algorithm_rejected',
      );
    });
  }
});

describe('what a product does beyond that', () => {
  const open: { close(): Promise<void> }[] = [];
  afterAll(() => Promise.all(open.map((one) => one.close())));

  async function start(
    preset: IssuerPreset,
    product: Partial<Product>,
    options: Partial<ProtectedResourceOptions> = {},
  ): Promise<{ issuer: TestIssuer; server: NotesServer }> {
    const issuer = await startIssuerOf(preset, { wellKnown: ['oidc-append', 'oauth'], ...product });
    const server = await startNotesServer('express', {
      sharedIssuer: issuer,
      options: { authorizationServers: [pointedAt(preset, issuer)], ...options },
    });
    open.push(server, issuer);
    return { issuer, server };
  }

  it('Entra ID: a client that is the API itself gets no token that is told from an ID token', async () => {
    const { issuer, server } = await start(entraId({ tenantId: TENANT }), { alg: 'RS256' }, { audience: API });
    const token = await issuer.mint({ ...NOTHING, aud: API, azp: API, scp: 'access_as_user' }, { header: JWT });
    await expectRejected(server, token, 'not_an_access_token');
  });

  it('Entra ID: the scope that clients must ask for is satisfied by the short one that tokens carry', async () => {
    const full = `api://${API}/notes.read`;
    const { issuer, server } = await start(
      entraId({ tenantId: TENANT }),
      { alg: 'RS256' },
      { audience: API, scopes: { required: [full], hierarchy: { 'notes.read': [full] } } },
    );
    const claims = { ...NOTHING, aud: API, azp: CLIENT };
    const lacking = await server.callTool(
      'ping',
      await issuer.mint({ ...claims, scp: 'notes.write' }, { header: JWT }),
    );
    expect(lacking.status).toBe(403);
    expect(lacking.headers.get('www-authenticate')).toContain(`scope="${full}"`);
    await expectAccepted(server, await issuer.mint({ ...claims, scp: 'notes.read' }, { header: JWT }));
  });

  it('Okta: an application for itself, which has no uid, is a client', async () => {
    const { issuer, server } = await start(okta({ domain: 'acme.okta.com' }), {});
    const token = await issuer.mint(
      { ...NOTHING, sub: '0oa1', cid: '0oa1', scp: ['a'], aud: server.resource },
      { header: NO_TYPE },
    );
    expect(await whoami(server, token)).toMatchObject({ kind: 'client', subject: '0oa1', clientId: '0oa1' });
  });

  it('Okta: a token of the org authorization server is refused by its type', async () => {
    const { issuer, server } = await start(okta({ domain: 'acme.okta.com' }), {});
    const claims = { ...NOTHING, cid: '0oa1', scp: ['openid'], aud: server.resource };
    const token = await issuer.mint(claims, { header: { typ: 'application/okta-internal-at+jwt' } });
    await expectRejected(server, token, 'type_rejected');
  });

  it('Cognito: without resource binding a token is refused, though its client is listed', async () => {
    const { issuer, server } = await start(
      cognito({ region: 'us-east-1', userPoolId: 'us-east-1_EXAMPLE' }),
      { alg: 'RS256' },
      { audience: 'app-client' },
    );
    const token = await issuer.mint({ ...NOTHING, client_id: 'app-client', token_use: 'access' }, { header: NO_TYPE });
    await expectRejected(server, token, 'audience_missing');
  });

  it('Cognito: by app client, a token bound to another resource is refused all the same, and the start warns', async () => {
    const { issuer, server } = await start(
      cognito({ region: 'us-east-1', userPoolId: 'us-east-1_EXAMPLE', clientIdAsAudience: true }),
      { alg: 'RS256' },
      { audience: 'app-client' },
    );
    expect(server.log.join('\n')).toContain('authorizationServers[0].claims.audience names "client_id"');
    const claims = {
      ...NOTHING,
      client_id: 'app-client',
      token_use: 'access',
      aud: 'https://elsewhere.example.com/mcp',
    };
    await expectRejected(server, await issuer.mint(claims, { header: NO_TYPE }), 'audience_rejected');
  });

  it('Cognito: scopes carry the identifier of their resource server', async () => {
    const { issuer, server } = await start(cognito({ region: 'us-east-1', userPoolId: 'us-east-1_EXAMPLE' }), {
      alg: 'RS256',
    });
    const scope = `${server.resource}/notes.read`;
    const claims = { ...NOTHING, client_id: 'app-client', token_use: 'access', aud: server.resource, scope };
    expect(await whoami(server, await issuer.mint(claims, { header: NO_TYPE }))).toMatchObject({ scopes: [scope] });
  });

  it('Keycloak: roles of realm and client serve as scopes where a JSON Pointer says so', async () => {
    const realm = keycloak({ url: 'https://login.example.com', realm: 'main' });
    const pointer = '/resource_access/https:~1~1mcp.example.com~1mcp/roles';
    const { issuer, server } = await start(
      { ...realm, claims: { ...realm.claims, scopes: [pointer, '/realm_access/roles'] } },
      {},
    );
    const claims = {
      ...NOTHING,
      aud: server.resource,
      azp: 'c',
      typ: 'Bearer',
      realm_access: { roles: ['editor', 'no scope'] },
    };
    expect(await whoami(server, await issuer.mint(claims, { header: JWT }))).toMatchObject({ scopes: ['editor'] });
    const withClientRoles = { ...claims, resource_access: { 'https://mcp.example.com/mcp': { roles: ['reader'] } } };
    expect(await whoami(server, await issuer.mint(withClientRoles, { header: JWT }))).toMatchObject({
      scopes: ['reader'],
    });
  });

  it('Keycloak: a refresh token, which has the realm as its audience, is refused by its kind', async () => {
    const { issuer, server } = await start(keycloak({ url: 'https://login.example.com', realm: 'main' }), {});
    const claims = { ...NOTHING, aud: server.resource, azp: 'c', typ: 'Refresh', scope: 'openid' };
    await expectRejected(server, await issuer.mint(claims, { header: JWT }), 'not_an_access_token');
  });

  it('Scalekit: while its issuer changes, both are accepted, and clients are told of one server', async () => {
    const both = (['environment', 'resource'] as const).map((tokenIssuer) =>
      scalekit({ environmentUrl: 'https://acme.scalekit.com', resourceId: 'res_1', tokenIssuer }),
    );
    const issuer = await startIssuerOf(both[0]!, { wellKnown: [] });
    const options = { authorizationServers: both.map((one) => pointedAt(one, issuer)) };
    const server = await startNotesServer('express', { sharedIssuer: issuer, options });
    open.push(server, issuer);
    for (const iss of [issuer.issuer, `${issuer.issuer}/resources/res_1`]) {
      const claims = { ...NOTHING, iss, aud: [server.resource, 'res_1'], client_id: 'c', scope: 'a' };
      await expectAccepted(server, await issuer.mint(claims, { header: JWT }));
    }
    const metadata = await fetch(`${server.origin}/.well-known/oauth-protected-resource/mcp`);
    expect(await metadata.json()).toMatchObject({ authorization_servers: [`${issuer.issuer}/resources/res_1`] });
  });

  it('Supabase: what a user has for the app itself names no client, and is refused', async () => {
    const project = supabase({ projectUrl: 'https://abc.supabase.co' });
    const { issuer, server } = await start(project, {}, { audience: 'authenticated' });
    const session = { ...NOTHING, aud: 'authenticated', role: 'authenticated', session_id: 's', aal: 'aal1' };
    await expectRejected(server, await issuer.mint(session, { header: JWT }), 'not_an_access_token');
  });

  it('Google: there is no entry to be had, and the start says why', () => {
    expect(() => google()).toThrow(/google\(\).*opaque.*lets users sign in with Google/);
    expect(() => google()).toThrow(McpAuthConfigError);
  });
});

describe('arguments of presets', () => {
  const REFUSED: [name: string, call: () => unknown, message: RegExp][] = [
    [
      'a URL for a domain',
      () => auth0({ domain: 'https://acme.eu.auth0.com/' }),
      /auth0\(\)\.domain: saw "https:\/\/acme\.eu\.auth0\.com\/"; it is a URL.* Write "acme\.eu\.auth0\.com"/,
    ],
    [
      'a domain with a path',
      () => workos({ authkitDomain: 'acme.authkit.app/oauth2' }),
      /workos\(\)\.authkitDomain.*no host name/,
    ],
    ['a domain in upper case', () => stytch({ domain: 'Login.example.com' }), /no host name in lower case/],
    [
      'a missing domain',
      () => auth0({} as never),
      /auth0\(\)\.domain: saw nothing; it is required.*"acme\.eu\.auth0\.com"/,
    ],
    ['no arguments at all', () => auth0(undefined as never), /auth0\(\)\.domain: saw nothing/],
    [
      'an issuer for the arguments',
      () => auth0('https://acme.eu.auth0.com/' as never),
      /auth0\(\): saw "https:.*it is no object/,
    ],
    [
      'a misspelt argument',
      () => okta({ domain: 'acme.okta.com', serverId: 'x' } as never),
      /okta\(\)\.serverId: saw a value; there is no such option here.*authorizationServerId/,
    ],
    [
      'a password in a URL',
      () => keycloak({ url: 'https://me:hunter2@a.example.com', realm: 'x' }),
      /^(?!.*hunter2).*saw "https:\/\/…@a\.example\.com"; it holds a user name/s,
    ],
    [
      'an argument that is no text',
      () => keycloak({ url: 'https://a.example.com', realm: 7 } as never),
      /keycloak\(\)\.realm: saw 7; it is no text/,
    ],
    [
      'a URL that names the realm already',
      () => keycloak({ url: 'https://a.example.com/realms/main', realm: 'main' }),
      /holds "\/realms\/" already.*Write "https:\/\/a\.example\.com"/,
    ],
    [
      'a realm with a path',
      () => keycloak({ url: 'https://a.example.com', realm: 'realms/main' }),
      /no name of a realm/,
    ],
    [
      'a host name for a URL',
      () => keycloak({ url: 'a.example.com', realm: 'main' }),
      /no absolute http or https URL.*Write "https:\/\/a\.example\.com"/,
    ],
    ['a URL with a query', () => logto({ endpoint: 'https://acme.logto.app?x=1' }), /a query or a fragment/],
    ['a URL with a password', () => logto({ endpoint: 'https://a:b@acme.logto.app' }), /user name or password/],
    [
      'a URL that is not in normal form',
      () => logto({ endpoint: 'https://acme.logto.app:443' }),
      /normal form.*Write "https:\/\/acme\.logto\.app\/"/,
    ],
    [
      'an endpoint of Logto with /oidc',
      () => logto({ endpoint: 'https://acme.logto.app/oidc' }),
      /holds "\/oidc" already/,
    ],
    [
      'the tenant "common"',
      () => entraId({ tenantId: 'common' }),
      /saw "common"; it stands for many tenants.*one entraId\(\) for each/,
    ],
    [
      'a domain for a tenant',
      () => entraId({ tenantId: 'contoso.onmicrosoft.com' }),
      /saw "contoso\.onmicrosoft\.com"; it is no GUID/,
    ],
    ['a missing tenant', () => entraId({} as never), /tenantId: saw nothing; it is required/],
    [
      'a version of Entra ID that does not exist',
      () => entraId({ tenantId: TENANT, version: '2.0' as never }),
      /version: saw "2\.0"; it is not known. Write 2 or 1/,
    ],
    [
      'the admin console of Okta',
      () => okta({ domain: 'acme-admin.okta.com' }),
      /admin console. Write "acme\.okta\.com"/,
    ],
    [
      'a path for an authorization server of Okta',
      () => okta({ domain: 'acme.okta.com', authorizationServerId: 'oauth2/default' }),
      /no identifier of an authorization server/,
    ],
    [
      'an empty authorization server of Okta',
      () => okta({ domain: 'acme.okta.com', authorizationServerId: '' }),
      /authorizationServerId: saw ""; it is no text/,
    ],
    [
      'a pool of another region',
      () => cognito({ region: 'us-east-1', userPoolId: 'eu-west-1_abc' }),
      /the user pool "eu-west-1_abc" is in another one. Write the region of the pool, "eu-west-1"/,
    ],
    [
      'an ARN for a pool',
      () => cognito({ region: 'us-east-1', userPoolId: 'arn:aws:cognito-idp:us-east-1:1:userpool/us-east-1_a' }),
      /no ID of a user pool/,
    ],
    [
      'a region that is none',
      () => cognito({ region: 'Frankfurt', userPoolId: 'eu-central-1_a' }),
      /no name of a region/,
    ],
    ['an ID of Descope in the wrong place', () => descope({ projectId: 'MS456' }), /no project ID/],
    [
      'a well-known URL for a server of Descope',
      () => descope({ projectId: 'P2abc', mcpServerId: 'https://api.descope.com/v1/apps/agentic/P2abc/MS1' }),
      /no ID of an MCP server/,
    ],
    [
      'a base URL of Descope with its path',
      () => descope({ projectId: 'P2abc', baseUrl: 'https://api.descope.com/v1/apps/P2abc' }),
      /holds "\/v1\/apps" already/,
    ],
    [
      'a project of Stytch for its domain',
      () => stytch({ projectId: STYTCH_PROJECT } as never),
      /projectId: saw "project-live-.*no URL.*Write the project domain as `domain`, and the project ID as `audience`/,
    ],
    [
      'a URL of Scalekit that names the resource',
      () => scalekit({ environmentUrl: 'https://acme.scalekit.com/resources/res_1' }),
      /holds "\/resources\/" already/,
    ],
    [
      'a missing resource of Scalekit',
      () => scalekit({ environmentUrl: 'https://acme.scalekit.com', tokenIssuer: 'resource' }),
      /resourceId: saw nothing; it is required/,
    ],
    [
      'a URL for a resource of Scalekit',
      () => scalekit({ environmentUrl: 'https://acme.scalekit.com', resourceId: 'https://mcp.example.com' }),
      /no resource ID/,
    ],
    [
      'a project URL of Supabase with /auth/v1',
      () => supabase({ projectUrl: 'https://abc.supabase.co/auth/v1' }),
      /holds "\/auth\/v1" already.*Write "https:\/\/abc\.supabase\.co"/,
    ],
  ];

  it.each(REFUSED)('refuses %s, and says what to write', (_name, call, message) => {
    expect(call).toThrow(McpAuthConfigError);
    expect(call).toThrow(message);
  });

  it('lists every problem of a call at once', () => {
    const call = (): unknown => keycloak({ url: 'login', realm: '', relm: 'main' } as never);
    expect(call).toThrow(/has 3 problems:\n.*\(\)\.relm.*\n.*\(\)\.url.*\n.*\(\)\.realm/);
  });

  it('shortens what it saw', () => {
    const call = (): unknown => auth0({ domain: `${'a'.repeat(500)}/` });
    expect(call).toThrow(/a{119}…/);
  });

  it('takes a URL with or without a slash at its end', () => {
    expect(logto({ endpoint: 'https://acme.logto.app' })).toEqual(logto({ endpoint: 'https://acme.logto.app/' }));
  });

  it('leaves out what was not given', () => {
    expect(okta({ domain: 'acme.okta.com' }).issuer).toBe('https://acme.okta.com/oauth2/default');
    expect(descope({ projectId: 'P2abc' })).not.toHaveProperty('advertisedIssuer');
    expect(descope({ projectId: 'P2abc', baseUrl: 'https://auth.example.com' }).issuer).toBe(
      'https://auth.example.com/v1/apps/P2abc',
    );
    expect(scalekit({ environmentUrl: 'https://acme.scalekit.com' })).not.toHaveProperty('advertisedIssuer');
    expect(okta({ domain: 'acme.okta.com', authorizationServerId: undefined } as never).issuer).toMatch(/default$/);
  });
});

/** An issuer on loopback with the path and the metadata of this product. */
function startIssuerOf(
  preset: IssuerPreset,
  { wellKnown, alg = 'ES256' }: Pick<Product, 'wellKnown' | 'alg'>,
): Promise<TestIssuer> {
  const path = preset.issuer.slice(new URL(preset.issuer).origin.length);
  // The clock of the server starts a little later than this.
  const now = Date.now();
  return TestIssuer.start({ path, wellKnown, alg, now: () => now });
}

/** The preset with the test issuer in place of the product: every origin replaced, and nothing else. */
function pointedAt(preset: IssuerPreset, issuer: TestIssuer, origin = new URL(issuer.issuer).origin): IssuerPreset {
  const moved = JSON.parse(JSON.stringify(preset).replaceAll(/https:\/\/[^/"]+/g, origin)) as IssuerPreset;
  return preset.jwksUri === undefined ? moved : { ...moved, jwksUri: issuer.jwksUri };
}
