import 'reflect-metadata';
import { afterEach, expect, it } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { McpAuthConfigError, McpAuthModule, type CommonOptions } from 'nestjs-mcp-auth';
import { Test } from '@nestjs/testing';
import { expectRefusal, expectServed } from '../support/expectations.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { sendRaw } from '../support/raw-http.js';

/** The code of docs/guides/behind-a-proxy.md, replicas.md and stdio.md, and what these pages say of it. */

let server: NotesServer;
afterEach(() => server?.close());

const resource = 'https://mcp.example.com/api/mcp';

async function behindProxy(app: INestApplication): Promise<void> {
  // #region proxy
  app.setGlobalPrefix('api');
  app.enableCors({
    origin: ['https://app.example.com'],
    exposedHeaders: ['WWW-Authenticate', 'Mcp-Session-Id'],
  });
  // #endregion
}

const options = {
  // #region proxy-options
  resource: 'https://mcp.example.com/api/mcp', // what clients type in, whatever the proxy makes of it
  allowedOrigins: ['https://app.example.com'],
  // #endregion
};

it('names the resource as configured, whatever the proxy puts into Host and X-Forwarded headers', async () => {
  server = await startNotesServer('express', {
    issuer: { alg: 'ES256' },
    resourcePath: '/api/mcp',
    prepare: behindProxy,
    options,
  });
  const headers = { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'http' };
  const refused = await fetch(`${server.origin}/api/mcp`, { method: 'POST', headers });
  expect(refused.status).toBe(401);
  expect(refused.headers.get('www-authenticate')).toContain(
    'resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/api/mcp"',
  );
  const metadata = await fetch(`${server.origin}/.well-known/oauth-protected-resource/api/mcp`);
  expect(await metadata.json()).toMatchObject({ resource });
});

it('lets pages of the allowed origins through, and no others', async () => {
  server = await startNotesServer('express', {
    issuer: { alg: 'ES256' },
    resourcePath: '/api/mcp',
    prepare: behindProxy,
    options,
  });
  const from = (origin: string): Promise<Response> =>
    fetch(`${server.origin}/api/mcp`, { method: 'POST', headers: { origin } });
  const allowed = await from('https://app.example.com');
  expect(allowed.status).toBe(401);
  expect(allowed.headers.get('access-control-expose-headers')).toMatch(/WWW-Authenticate/);
  expect((await from('https://evil.example')).status).toBe(403);
});

it('accepts the hosts that a proxy writes, and no others', async () => {
  server = await startNotesServer('express', {
    issuer: { alg: 'ES256' },
    resourcePath: '/api/mcp',
    prepare: behindProxy,
    options: {
      ...options,
      // #region allowed-hosts
      allowedHosts: ['my-app.azurewebsites.net', '10.0.0.5:8080'],
      // #endregion
    },
  });
  const at = async (host: string): Promise<number> =>
    (await sendRaw(server.origin, { path: '/api/mcp', headers: [`Host: ${host}`] })).status;
  expect(await at('mcp.example.com')).toBe(401);
  expect(await at('my-app.azurewebsites.net')).toBe(401);
  expect(await at('10.0.0.5:8080')).toBe(401);
  expect(await at('10.0.0.6')).toBe(403);
  expect(await at('other.azurewebsites.net')).toBe(403);
});

it('answers 404 for a session that another replica opened, after which clients open a new one', async () => {
  server = await startNotesServer('express', { issuer: { alg: 'ES256' }, transport: { statefulMode: true } });
  const token = await server.mint();
  await expectRefusal(server, await server.callTool('ping', token, {}, { 'mcp-session-id': 'of-another-replica' }), {
    status: 404,
    transport: 'session_not_found',
  });
});

it('needs no session for a token that another replica has seen', async () => {
  server = await startNotesServer('express', { issuer: { alg: 'ES256' } });
  await expectServed(server, await server.callTool('ping', await server.mint()), 'ping');
});

const overStdio = {
  // #region stdio
  stdio: { tokenEnv: 'NOTES_ACCESS_TOKEN' },
  // #endregion
} satisfies CommonOptions;

it('takes the token for stdio from the environment, and knows no other words for it', async () => {
  const start = (stdio: unknown): Promise<unknown> =>
    Test.createTestingModule({
      imports: [
        McpAuthModule.forRoot({
          resource,
          authorizationServers: ['https://login.example.com'],
          stdio: stdio as 'deny',
        }),
      ],
    }).compile();
  await expect(start(overStdio.stdio)).resolves.toBeDefined();
  await expect(start('allow')).rejects.toThrow(McpAuthConfigError);
});
