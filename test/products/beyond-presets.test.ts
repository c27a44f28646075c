import { afterAll, describe, expect, it } from '@jest/globals';
import {
  cognito,
  entraId,
  google,
  keycloak,
  McpAuthConfigError,
  okta,
  scalekit,
  supabase,
  type IssuerPreset,
  type ProtectedResourceOptions,
} from 'nestjs-mcp-auth';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { expectAccepted, expectRejected, whoami } from '../support/tokens.js';
import { TENANT, API, CLIENT, type Product, NOTHING, JWT, NO_TYPE, startIssuerOf, pointedAt } from './products.js';

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
