import { describe, expect, it } from '@jest/globals';
import type { McpAuthModuleOptions } from 'nestjs-mcp-auth';
import { startDevAuthorizationServer } from 'nestjs-mcp-auth/dev-server';
import { withKeyedClient } from '../support/dpop-client.js';
import { freePort } from '../support/free-port.js';
import { startNotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';

const SCOPES = { 'notes:read': 'Read your notes' };
const INTROSPECTION = { clientId: 'notes-server', clientSecret: 'the secret of the notes server' };

const CASES: readonly [string, NonNullable<McpAuthModuleOptions['dpop']>, boolean][] = [
  ['JWTs', 'accepted', false],
  ['JWTs, and a nonce', { mode: 'required', nonce: { secret: 'a secret that nobody can guess, of this test' } }, false],
  ['introspected tokens', 'required', true],
];

describe.each(PLATFORMS)('8. DPoP with the official client, on %s', (platform) => {
  it.each(CASES)('RFC9449-7.1-a: signs in and calls with %s', async (_what, dpop, isOpaque) => {
    // The issuer must be known before the resource, whose port the authorization server must know.
    const port = await freePort();
    const issuer = `http://127.0.0.1:${port}`;
    const auth = { method: 'client_secret_basic', clientSecret: INTROSPECTION.clientSecret } as const;
    const introspection = { clientId: INTROSPECTION.clientId, auth };
    const server = await startNotesServer(platform, {
      options: {
        dpop,
        scopes: { required: ['notes:read'] },
        authorizationServers: [isOpaque ? { issuer, introspection } : issuer],
      },
    });
    const authorizationServer = await startDevAuthorizationServer({
      port,
      resources: [{ resource: server.resource, name: 'Notes', scopes: SCOPES }],
      dpop: true,
      ...(isOpaque && { introspection: INTROSPECTION }),
    });
    try {
      expect(authorizationServer.issuer).toBe(issuer);
      await withKeyedClient(server.resource, async (client, provider) => {
        expect(provider.tokens()?.token_type.toLowerCase()).toBe('dpop');
        expect(await client.callTool({ name: 'ping', arguments: {} })).toMatchObject({ content: [{ text: 'pong' }] });
        expect(await client.callTool({ name: 'ping', arguments: {} })).toMatchObject({ content: [{ text: 'pong' }] });
        const stolen = await server.callTool('ping', provider.tokens()?.access_token as string);
        expect(stolen.status).toBe(401);
      });
    } finally {
      await server.close();
      await authorizationServer.close();
    }
  });
});
