import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  auth0,
  cognito,
  descope,
  entraId,
  keycloak,
  logto,
  okta,
  scalekit,
  stytch,
  supabase,
  workos,
  type AuthorizationServerOptions,
  type IssuerPreset,
} from 'nestjs-mcp-auth';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { expectAccepted, expectRejected, whoami } from '../support/tokens.js';
import {
  TENANT,
  API,
  CLIENT,
  STYTCH_PROJECT,
  type Claims,
  type Product,
  NOTHING,
  JWT,
  NO_TYPE,
  startIssuerOf,
  pointedAt,
} from './products.js';

const OTHER_TENANT = '8eaef023-2b34-4da1-9baa-8bc8c9d6a490';

/** What it says of tokens is tested where tokens are. */
const ANY_KIND_OF = expect.any(Function) as unknown as NonNullable<IssuerPreset['kindOf']>;

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
      kindOf: ANY_KIND_OF,
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
