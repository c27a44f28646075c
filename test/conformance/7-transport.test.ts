import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { expectRefusal, expectServed, resetRecorded, messagesOf } from '../support/expectations.js';
import { sendMcp2026 } from '../support/mcp-2026.js';
import { givenTool } from '../support/given-tool.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { sendRaw } from '../support/raw-http.js';

/** For the caller's own tenant. */
const OF_TENANT = givenTool('of-tenant', {
  policies: [({ auth, args }) => auth.claims['tenant'] === (args as { tenant?: unknown }).tenant],
  parameters: z.object({ tenant: z.string() }),
});

const JSON_HEADERS = ['Content-Type: application/json', 'Accept: application/json, text/event-stream'];
const call = (name: string, id: number | undefined = 1): object => ({
  jsonrpc: '2.0',
  ...(id !== undefined && { id }),
  method: 'tools/call',
  params: { name, arguments: {} },
});

describe.each(PLATFORMS)('7. Streamable HTTP transport rules, on %s', (platform) => {
  let server: NotesServer;
  let full: string;
  let low: string;
  beforeAll(async () => {
    server = await startNotesServer(platform, {
      issuer: { alg: 'ES256' },
      tools: [OF_TENANT],
      options: { allowedOrigins: ['https://app.example.com', 'tauri://localhost', 'vscode-webview:'] },
    });
    full = await server.mint({ scope: 'a b admin' });
    low = await server.mint({ scope: '' });
  });
  afterAll(() => server.close());
  beforeEach(() => resetRecorded(server));

  const post = (body: unknown, headers: readonly string[] = []): ReturnType<typeof sendRaw> =>
    sendRaw(server.origin, {
      path: '/mcp',
      headers: [...JSON_HEADERS, ...headers],
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  const bearer = (token: string): string => `Authorization: Bearer ${token}`;

  describe('Origin and Host', () => {
    it.each([
      ['a page of somebody else', ['Origin: https://evil.test']],
      ['a page without an origin', ['Origin: null']],
      ['what is no origin', ['Origin: garbage']],
      ['an origin with a path', ['Origin: https://app.example.com/']],
      ['the allowed host on another scheme', ['Origin: http://app.example.com']],
      ['the allowed host on another port', ['Origin: https://app.example.com:8443']],
      ['a name that only begins like this machine', ['Origin: http://127.0.0.1.evil.test']],
      ['a scheme that is not listed', ['Origin: app://localhost']],
      ['another host of a listed scheme', ['Origin: tauri://evil.test']],
      ['a path behind an origin of a scheme that is listed alone', ['Origin: vscode-webview://abc/x']],
      ['two origins', ['Origin: https://app.example.com', 'Origin: https://evil.test']],
    ])('MCP-TR-01: refuses %s, with and without a token', async (_what, origin) => {
      for (const credentials of [[], [bearer(full)]]) {
        const response = await post(call('ping'), [...origin, ...credentials]);
        await expectRefusal(server, response, { status: 403, transport: 'origin_rejected' });
      }
    });

    it.each([
      ['none', []],
      ['its own', ['Origin: http://127.0.0.1']],
      ['any of this machine', ['Origin: http://localhost:6274']],
      ['one that the options name', ['Origin: https://app.example.com']],
      ['a web view that the options name', ['Origin: tauri://localhost']],
      ['a web view of a scheme that the options name', ['Origin: vscode-webview://1qcmnq7j6gfk']],
    ])('MCP-TR-01: lets %s go on', async (_what, origin) => {
      await expectServed(server, await post(call('ping'), [...origin, bearer(full)]), 'ping');
    });

    it('MCP-TR-01: goes for the stream and the end of a session too', async () => {
      for (const method of ['GET', 'DELETE']) {
        const headers = ['Accept: text/event-stream', 'Origin: https://evil.test', bearer(full)];
        const response = await sendRaw(server.origin, { method, path: '/mcp', headers });
        expect(response.status).toBe(403);
      }
    });

    it('MCP-TR-01: is no rule for other routes of the application', async () => {
      const headers = ['Origin: https://evil.test', bearer(full)];
      const response = await sendRaw(server.origin, { method: 'GET', path: '/plain', headers });
      await expectServed(server, response, 'plain');
    });

    it.each(['evil.example.com', 'localhost.evil.example', '127.0.0.1.evil.example', 'user@localhost', ''])(
      'MCP-TR-02: refuses the host name "%s" on this machine, whoever it resolves to',
      async (host) => {
        const response = await post(call('ping'), [`Host: ${host}`, bearer(full)]);
        expect([400, 403]).toContain(response.status);
        expect(server.ran).toEqual([]);
      },
    );

    it.each(['localhost:3000', '127.0.0.1', '[::1]:80', 'LOCALHOST'])(
      'MCP-TR-02: takes the host name %s',
      async (host) => {
        await expectServed(server, await post(call('ping'), [`Host: ${host}`, bearer(full)]), 'ping');
      },
    );
  });

  describe('headers that repeat the body', () => {
    it('MCP-TR-03: serves a request whose headers say what its body says', async () => {
      await expectServed(
        server,
        await sendMcp2026(server, 'tools/call', { name: 'ping', arguments: {} }, full),
        'ping',
      );
    });

    it.each([
      ['another method', { 'mcp-method': 'tools/list' }],
      ['the method in another case', { 'mcp-method': 'TOOLS/CALL' }],
      ['another tool', { 'mcp-name': 'ping' }],
      ['two tools', { 'mcp-name': 'read-note, ping' }],
      ['a tool wrapped with bad padding', { 'mcp-name': '=?base64?cmVhZC1ub3Rl=?=' }],
      ['a tool wrapped in another alphabet', { 'mcp-name': '=?base64?-_-_?=' }],
      ['a wrapped tool with rubbish behind it', { 'mcp-name': '=?base64?cmVhZC1ub3Rl?=x' }],
    ])('MCP-TR-04: refuses %s in the headers, with the error MCP has for it', async (_what, headers) => {
      const response = await sendMcp2026(server, 'tools/call', { name: 'read-note', arguments: {} }, full, headers);
      const { body } = await expectRefusal(server, response, { status: 400, transport: 'header_mismatch' });
      expect(body).toMatchObject({ jsonrpc: '2.0', id: 1, error: { code: -32_020 } });
    });

    it('MCP-TR-04: unwraps a name before it compares', async () => {
      const wrapped = `=?base64?${Buffer.from('read-note').toString('base64')}?=`;
      const headers = { 'mcp-name': wrapped };
      const response = await sendMcp2026(server, 'tools/call', { name: 'read-note', arguments: {} }, full, headers);
      await expectServed(server, response, 'read-note');
    });

    it('MCP-TR-05: never decides by a header, in no protocol version', async () => {
      const claims = { 'mcp-method': 'tools/call', 'mcp-name': 'ping' };
      const modern = await sendMcp2026(server, 'tools/call', { name: 'admin', arguments: {} }, low, claims);
      await expectRefusal(server, modern, { status: 400, transport: 'header_mismatch' });
      const legacy = await server.callTool('admin', low, {}, claims);
      await expectRefusal(server, legacy, { status: 400, transport: 'header_mismatch' });
    });

    it('MCP-TR-06: lets a tenant in a header grant nothing', async () => {
      const token = await server.mint({ tenant: 'own' });
      const both = await server.callTool('of-tenant', token, { tenant: 'other' }, { 'mcp-param-tenant': 'other' });
      await expectRefusal(server, both, { status: 403 });
      const header = await server.callTool('of-tenant', token, { tenant: 'other' }, { 'mcp-param-tenant': 'own' });
      await expectRefusal(server, header, { status: 403 });
      expect((await server.callTool('of-tenant', token, { tenant: 'own' })).status).toBe(200);
    });
  });

  describe('batches, notifications and responses', () => {
    it('MCP-TR-07: judges a batch by all that is in it, where there are batches', async () => {
      const batch = [call('ping', 1), call('admin', 2)];
      const version = 'MCP-Protocol-Version: 2025-03-26';
      const refused = await post(batch, [version, bearer(low)]);
      await expectRefusal(server, refused, { status: 403, error: 'insufficient_scope', scope: 'admin' });
      const served = await post(batch, [version, bearer(full)]);
      expect(served.status).toBe(200);
      expect(server.ran).toEqual(['ping', 'admin']);
    });

    it.each(['2025-06-18', '2025-11-25', '2026-07-28'])('MCP-TR-07: refuses an array in %s', async (version) => {
      const response = await post([call('ping')], [`MCP-Protocol-Version: ${version}`, bearer(full)]);
      const { body } = await expectRefusal(server, response, { status: 400, transport: 'batch_rejected' });
      expect(body).toMatchObject({ error: { code: -32_600 } });
    });

    it.each([
      ['a notification', { jsonrpc: '2.0', method: 'notifications/initialized' }],
      ['a call without an id', call('admin', undefined)],
      ['a response', { jsonrpc: '2.0', id: 7, result: {} }],
    ])('MCP-TR-08: wants a token for %s too', async (_what, message) => {
      const response = await post(message);
      await expectRefusal(server, response, {
        status: 401,
        ...('params' in message && { scope: 'admin' }),
      });
    });

    it('MCP-TR-08: accepts a notification of an authenticated caller without a body', async () => {
      const response = await post({ jsonrpc: '2.0', method: 'notifications/initialized' }, [bearer(low)]);
      expect({ status: response.status, body: response.body.replace(/^0\s*$/, '') }).toEqual({ status: 202, body: '' });
    });
  });

  describe('one parse', () => {
    it.each([
      ['method', '{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call","params":{"name":"admin"}}'],
      ['name', '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ping","name":"admin"}}'],
      ['params', '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ping"},"params":{"name":"admin"}}'],
      [
        'an escaped name',
        '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ping","n\\u0061me":"admin"}}',
      ],
    ])('MCP-TR-09: sees the same of a doubled %s as the transport', async (_what, body) => {
      await expectRefusal(server, await post(body, [bearer(low)]), {
        status: 403,
        error: 'insufficient_scope',
        scope: 'admin',
      });
      expect((await post(body, [bearer(full)])).status).toBe(200);
      expect(server.ran).toEqual(['admin']);
    });

    it('MCP-TR-09: lets nothing run of a body that cannot be parsed', async () => {
      const response = await post('{"jsonrpc":"2.0",', [bearer(full)]);
      expect(response.status).toBe(400);
      expect(server.ran).toEqual([]);
    });

    it.each([
      ['an unknown method', 'foo/bar', {}, -32_601],
      ['an unknown tool', 'tools/call', { name: 'no-such-tool', arguments: {} }, -32_602],
    ])('MCP-TR-10: leaves %s to the transport, once the caller is known', async (_what, method, params, code) => {
      await expectRefusal(server, await sendMcp2026(server, method, params), { status: 401 });
      const response = await sendMcp2026(server, method, params, full);
      expect(messagesOf(await response.text())).toMatchObject([{ id: 1, error: { code } }]);
    });

    it('MCP-TR-10: leaves an unsupported protocol version to the transport, once the caller is known', async () => {
      const headers = { 'mcp-protocol-version': '1999-01-01' };
      await expectRefusal(server, await sendMcp2026(server, 'tools/list', {}, undefined, headers), { status: 401 });
      expect((await sendMcp2026(server, 'tools/list', {}, full, headers)).status).toBe(400);
    });
  });
});
