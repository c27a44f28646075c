import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { DevAuthorizationServer } from 'nestjs-mcp-auth/dev-server';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { freePort } from '../support/free-port.js';
import { start, verify } from './fixtures.js';
import { Browser, Client, registerClient } from './flow.js';

describe('a resource without scopes', () => {
  let dev: DevAuthorizationServer;
  let mcp: NotesServer;

  beforeAll(async () => {
    const port = await freePort();
    mcp = await startNotesServer('express', {
      issuer: { alg: 'ES256' },
      options: { authorizationServers: [`http://127.0.0.1:${port}`] },
    });
    dev = await start({ port, resources: [{ resource: mcp.resource, name: 'Notes', scopes: {} }] });
  });
  afterAll(async () => {
    await mcp.close();
    await dev.close();
  });

  it.each([undefined, '', 'offline_access', 'openid', 'openid offline_access'])(
    'lets a client sign in that asks for the scope %j',
    async (scope) => {
      const client = new Client(dev.issuer, await registerClient(dev.issuer));
      const url = client.authorizationUrl({
        scope,
        resource: mcp.resource,
        ...(scope?.includes('offline_access') && { prompt: 'consent' }),
      });
      const { status, body } = await client.exchange(await new Browser().signInAndAllow(url));
      expect(status).toBe(200);
      expect((await verify(body.access_token, dev.issuer, mcp.resource)).payload).toMatchObject({ sub: 'alice' });
      // The authorization server goes by the time of the machine.
      mcp.clock.now = Date.now();
      expect((await mcp.callTool('ping', body.access_token)).status).toBe(200);
      expect((await mcp.callTool('read-note', body.access_token)).status).toBe(403);
    },
  );

  it('shows what is asked for on the consent page', async () => {
    const client = new Client(dev.issuer, await registerClient(dev.issuer));
    const browser = new Browser();
    const signIn = await browser.open(client.authorizationUrl({ resource: mcp.resource }));
    const consent = await browser.submit(signIn, 'login', { username: 'alice', password: 'alice' });
    expect(consent.text).toContain('Know who you are');
  });

  it('still refuses a scope that nobody has', async () => {
    const client = new Client(dev.issuer, await registerClient(dev.issuer));
    const { url, text } = await new Browser().open(
      client.authorizationUrl({ scope: 'notes:read', resource: mcp.resource }),
    );
    expect(url.searchParams.get('error') ?? text).toContain('invalid_scope');
  });
});
