import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { DevAuthorizationServer } from 'nestjs-mcp-auth/dev-server';
import { start } from './fixtures.js';
import { Client, registerClient } from './flow.js';

const WELL_KNOWN = ['/.well-known/oauth-authorization-server', '/.well-known/openid-configuration'];

describe('metadata', () => {
  let server: DevAuthorizationServer;

  beforeAll(async () => {
    server = await start();
  });
  afterAll(() => server.close());

  it.each(WELL_KNOWN)('is at %s, with what an MCP client looks for', async (path) => {
    const response = await fetch(server.issuer + path);
    expect(response.headers.get('content-type')).toContain('application/json');
    expect(await response.json()).toMatchObject({
      issuer: server.issuer,
      authorization_endpoint: `${server.issuer}/authorize`,
      token_endpoint: `${server.issuer}/token`,
      registration_endpoint: `${server.issuer}/register`,
      revocation_endpoint: `${server.issuer}/revoke`,
      jwks_uri: `${server.issuer}/jwks`,
      response_types_supported: ['code'],
      grant_types_supported: ['authorization_code', 'refresh_token'],
      code_challenge_methods_supported: ['S256'],
      authorization_response_iss_parameter_supported: true,
      client_id_metadata_document_supported: true,
      token_endpoint_auth_methods_supported: expect.arrayContaining(['none']),
      scopes_supported: ['openid', 'offline_access', 'profile', 'email', 'notes:read', 'notes:write'],
    });
  });

  it.each([
    [undefined, false],
    [false, false],
    [true, true],
  ])('offers to bind tokens to a key (DPoP) where dpop is %s: %s', async (dpop, isOffered) => {
    const other = await start(dpop === undefined ? {} : { dpop });
    const metadata = (await (await fetch(other.issuer + WELL_KNOWN[0])).json()) as Record<string, unknown>;
    await other.close();
    expect('dpop_signing_alg_values_supported' in metadata).toBe(isOffered);
  });

  it('publishes no private key', async () => {
    const { keys } = (await (await fetch(`${server.issuer}/jwks`)).json()) as { keys: Record<string, string>[] };
    expect(keys).toEqual([
      { kty: 'RSA', use: 'sig', alg: 'RS256', kid: expect.any(String), n: expect.any(String), e: 'AQAB' },
    ]);
  });
});

describe('CORS', () => {
  const ORIGIN = 'http://localhost:6274';
  let server: DevAuthorizationServer;

  beforeAll(async () => {
    server = await start();
  });
  afterAll(() => server.close());

  it.each([...WELL_KNOWN, '/jwks', '/token', '/register', '/revoke'])(
    'lets a web page of any origin call %s',
    async (path) => {
      const preflight = await fetch(server.issuer + path, {
        method: 'OPTIONS',
        headers: {
          origin: ORIGIN,
          'access-control-request-method': 'POST',
          'access-control-request-headers': 'content-type, mcp-protocol-version',
        },
      });
      expect(preflight.status).toBe(204);
      expect(preflight.headers.get('access-control-allow-origin')).toBe('*');
      expect(preflight.headers.get('access-control-allow-headers')).toBe('content-type, mcp-protocol-version');
      expect(preflight.headers.get('access-control-allow-methods')).toContain('POST');
    },
  );

  it('lets the page read the answers, errors included', async () => {
    const metadata = await fetch(`${server.issuer}${WELL_KNOWN[0]}`, { headers: { origin: ORIGIN } });
    expect(metadata.headers.get('access-control-allow-origin')).toBe('*');
    const refused = await fetch(`${server.issuer}/token`, {
      method: 'POST',
      headers: { origin: ORIGIN },
      body: new URLSearchParams({ grant_type: 'refresh_token' }),
    });
    expect(refused.status).toBe(400);
    expect(refused.headers.get('access-control-allow-origin')).toBe('*');
  });

  it('lets no page of another origin read the sign-in', async () => {
    const client = new Client(server.issuer, await registerClient(server.issuer));
    const response = await fetch(client.authorizationUrl(), { headers: { origin: ORIGIN }, redirect: 'manual' });
    expect(response.status).toBe(303);
    expect(response.headers.has('access-control-allow-origin')).toBe(false);
  });
});
