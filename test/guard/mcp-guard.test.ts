import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, UseGuards, type INestApplication } from '@nestjs/common';
import { AuthInfo, McpAuthGuard, Public, RequireAnyScope, RequireScopes, type McpAuthInfo } from 'nestjs-mcp-auth';
import { expectRefusal, expectServed, resetRecorded, messagesOf } from '../support/expectations.js';
import { startNotesServer, type NotesServer, type NotesServerSettings } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { bearer } from '../support/rpc.js';

const issuer = { alg: 'ES256' } as const;

describe.each(PLATFORMS)('globalGuard: "mcp", on %s', (platform) => {
  const reached: string[] = [];

  @Controller('guarded')
  @UseGuards(McpAuthGuard)
  class GuardedController {
    @Get()
    get(@AuthInfo('subject') subject: string): object {
      reached.push('guarded');
      return { subject };
    }

    @Get('public')
    @Public()
    open(): object {
      reached.push('guarded-public');
      return { ok: true };
    }
  }

  @Controller('partly')
  class PartlyGuardedController {
    @Get()
    get(@AuthInfo() auth: McpAuthInfo | undefined): object {
      reached.push('partly');
      return { caller: auth?.subject ?? null };
    }

    @Get('guarded')
    @UseGuards(McpAuthGuard)
    guarded(@AuthInfo('clientId') clientId: string): object {
      reached.push('partly-guarded');
      return { clientId };
    }

    @Get('scoped')
    @RequireScopes('a')
    scoped(@AuthInfo('scopes') scopes: string[]): object {
      reached.push('partly-scoped');
      return { scopes };
    }

    @Get('any')
    @RequireAnyScope('a', 'admin')
    any(): object {
      reached.push('partly-any');
      return { ok: true };
    }
  }

  let server: NotesServer;
  let witness: Pick<NotesServer, 'ran' | 'log' | 'resource'>;
  const get = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(server.origin + path, { headers });

  describe('with the guard bound by decorators', () => {
    beforeAll(async () => {
      server = await startNotesServer(platform, {
        issuer,
        options: { globalGuard: 'mcp' },
        controllers: [GuardedController, PartlyGuardedController],
      });
      witness = { ran: reached, log: server.log, resource: server.resource };
    });
    afterAll(() => server.close());
    beforeEach(() => {
      resetRecorded(server);
      reached.length = 0;
    });

    it('leaves routes without a decorator alone, and looks at no token there', async () => {
      for (const headers of [{}, bearer('garbage'), bearer(await server.mint())]) {
        reached.length = 0;
        expect(await expectServed(witness, await get('/partly', headers), 'partly')).toBe('{"caller":null}');
      }
    });

    it('protects a controller with @UseGuards(McpAuthGuard), but for what is public in it', async () => {
      const token = await server.mint();
      await expectRefusal(witness, await get('/guarded'), { status: 401 });
      const bad = await get('/guarded', bearer('garbage'));
      await expectRefusal(witness, bad, { status: 401, error: 'invalid_token', token: 'garbage' });
      expect(await expectServed(witness, await get('/guarded', bearer(token)), 'guarded')).toBe('{"subject":"alice"}');
      reached.length = 0;
      await expectServed(witness, await get('/guarded/public'), 'guarded-public');
    });

    it('protects a method with @UseGuards(McpAuthGuard)', async () => {
      await expectRefusal(witness, await get('/partly/guarded'), { status: 401 });
      const response = await get('/partly/guarded', bearer(await server.mint()));
      expect(await expectServed(witness, response, 'partly-guarded')).toBe('{"clientId":"test-client"}');
    });

    it('protects a method with @RequireScopes alone, which binds the guard by itself', async () => {
      await expectRefusal(witness, await get('/partly/scoped'), { status: 401, scope: 'a' });
      const poor = await server.mint({ scope: 'b' });
      const expected = { status: 403, error: 'insufficient_scope', scope: 'a', token: poor } as const;
      await expectRefusal(witness, await get('/partly/scoped', bearer(poor)), expected);
      await expectRefusal(witness, await get('/partly/any', bearer(poor)), expected);
      const rich = await server.mint({ scope: 'a b' });
      expect(await expectServed(witness, await get('/partly/scoped', bearer(rich)), 'partly-scoped')).toBe(
        '{"scopes":["a","b"]}',
      );
      reached.length = 0;
      const admin = await server.mint({ scope: 'admin' });
      await expectServed(witness, await get('/partly/any', bearer(admin)), 'partly-any');
    });

    it('protects the MCP endpoint all the same, for tools with and without a decorator', async () => {
      await expectRefusal(server, await server.callTool('ping'), { status: 401 });
      await expectRefusal(server, await server.callTool('write-note'), { status: 401, scope: 'a b' });
      const poor = await server.mint({ scope: 'a' });
      const refused = await server.callTool('write-note', poor);
      await expectRefusal(server, refused, { status: 403, error: 'insufficient_scope', scope: 'a b', token: poor });
      await expectServed(server, await server.callTool('ping', poor), 'ping');
    });

    it('lists a tool that needs scopes with these scopes, never as one for everybody', async () => {
      const answer = await server.rpc('tools/list', {}, bearer(await server.mint()));
      const [message] = messagesOf(await answer.text()) as [{ result: { tools: { name: string; _meta?: object }[] } }];
      const tool = message.result.tools.find(({ name }) => name === 'write-note');
      expect(tool).toMatchObject({ _meta: { securitySchemes: [{ type: 'oauth2', scopes: ['a', 'b'] }] } });
      expect(JSON.stringify(tool)).not.toContain('noauth');
    });
  });

  it.each<[string, NotesServerSettings]>([
    ['at another path than the resource', { path: '/elsewhere/mcp', resourcePath: '/mcp' }],
    ['below a prefix', { prepare: (app: INestApplication) => void app.setGlobalPrefix('api'), resourcePath: '/mcp' }],
    // Fastify answers 415 where nothing parses JSON.
    ...(platform === 'express'
      ? [
          ['where nothing parses its body', { path: '/elsewhere/mcp', resourcePath: '/mcp', bodyParser: false }] as [
            string,
            NotesServerSettings,
          ],
        ]
      : []),
  ])('protects MCP that a controller serves %s', async (_where, settings) => {
    const elsewhere = await startNotesServer(platform, { issuer, options: { globalGuard: 'mcp' }, ...settings });
    try {
      const url = `${elsewhere.origin}${settings.path ?? '/api/mcp'}`;
      const message = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'ping', arguments: {} } };
      const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
      const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(message) });
      await expectRefusal(elsewhere, response, { status: 401 });
    } finally {
      await elsewhere.close();
    }
  });

  it('protects the MCP endpoint whole with @UseGuards(McpAuthGuard) on its controller', async () => {
    server = await startNotesServer(platform, {
      issuer,
      options: { globalGuard: 'mcp' },
      decorateEndpoint: UseGuards(McpAuthGuard) as ClassDecorator,
    });
    try {
      await expectRefusal(server, await server.callTool('ping'), { status: 401 });
      await expectRefusal(server, await server.callTool('write-note'), { status: 401, scope: 'a b' });
      const poor = await server.mint({ scope: 'a' });
      const refused = await server.callTool('write-note', poor);
      await expectRefusal(server, refused, { status: 403, error: 'insufficient_scope', scope: 'a b', token: poor });
      const rich = await server.mint({ scope: 'a b' });
      await expectServed(server, await server.callTool('write-note', rich), 'write-note');
    } finally {
      await server.close();
    }
  });

  it('protects the MCP endpoint with @RequireScopes on its controller, for every operation', async () => {
    server = await startNotesServer(platform, {
      issuer,
      options: { globalGuard: 'mcp' },
      decorateEndpoint: RequireScopes('mcp'),
    });
    try {
      await expectRefusal(server, await server.callTool('ping'), { status: 401, scope: 'mcp' });
      const token = await server.mint({ scope: 'mcp' });
      const refused = await server.callTool('read-note', token);
      await expectRefusal(server, refused, { status: 403, error: 'insufficient_scope', scope: 'mcp a', token });
      await expectServed(server, await server.callTool('ping', token), 'ping');
    } finally {
      await server.close();
    }
  });
});
