import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { DevAuthorizationServer } from 'nestjs-mcp-auth/dev-server';
import { start } from './fixtures.js';
import { Browser, Client, register, registerClient, type Arrival } from './flow.js';

describe('dynamic client registration', () => {
  let server: DevAuthorizationServer;

  beforeAll(async () => {
    server = await start();
  });
  afterAll(() => server.close());

  async function consentPage(metadata: Record<string, unknown>, redirectUri?: string): Promise<Arrival> {
    const client = new Client(server.issuer, await registerClient(server.issuer, metadata), redirectUri);
    const browser = new Browser();
    return browser.submit(await browser.open(client.authorizationUrl()), 'login', {
      username: 'alice',
      password: 'alice',
    });
  }

  it('is open, and gives a public client no secret', async () => {
    const response = await register(server.issuer);
    expect(response.status).toBe(201);
    const body = (await response.json()) as Record<string, unknown>;
    expect(body).toMatchObject({
      client_id: expect.any(String),
      client_name: 'Notes client',
      token_endpoint_auth_method: 'none',
    });
    expect(body).not.toHaveProperty('client_secret');
    expect(body).not.toHaveProperty('registration_access_token');
  });

  it('drops grant types that this server does not have, instead of refusing the client', async () => {
    const grantTypes = ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'];
    expect(await (await register(server.issuer, { grant_types: grantTypes })).json()).toMatchObject({
      grant_types: ['authorization_code', 'refresh_token'],
    });
  });

  it('binds a client to no scope, also to none it does not know', async () => {
    const response = await register(server.issuer, { scope: 'notes:read something:else' });
    expect(response.status).toBe(201);
    expect(await response.json()).not.toHaveProperty('scope');
  });

  it('accepts the own scheme of an app and names it on the consent page', async () => {
    const redirectUri = 'com.example.notes://callback';
    const page = await consentPage({ redirect_uris: [redirectUri] }, redirectUri);
    expect(page.text).toContain('the application that opens com.example.notes: links');
    expect(page.headers.get('content-security-policy')).toContain(`form-action 'self' com.example.notes:;`);
  });

  it.each(['javascript:alert(1)', 'data:text/html,x', 'http://app.example/callback'])(
    'refuses the redirect URI %s',
    async (redirectUri) => {
      const response = await register(server.issuer, { redirect_uris: [redirectUri] });
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({ error: 'invalid_redirect_uri' });
    },
  );

  it('shows a hostile client name as text only', async () => {
    const hostile = `<img src=x onerror=alert(1)>"'&<script>alert(2)</script>`;
    const page = await consentPage({ client_name: hostile });
    expect(page.text).toContain('&lt;img src=x onerror=alert(1)&gt;&quot;&#39;&amp;&lt;script&gt;');
    expect(page.text).not.toMatch(/<img|<script/);
  });

  it('takes characters that turn text around out of a name, and cuts a long one', async () => {
    const page = await consentPage({ client_name: `\u202Eevil\u0000${'x'.repeat(200)}` });
    expect(page.text).toContain(`<bdi>evil${'x'.repeat(56)}…</bdi>`);
  });

  it('shows the identifier of a client whose name is nothing to see', async () => {
    expect((await consentPage({ client_name: '\u200b \u202e' })).text).toMatch(
      /<h1><bdi>[\w-]{20,}<\/bdi> asks for access/,
    );
  });
});
