import 'reflect-metadata';
import { Body, Controller, Module, Post, type INestApplication, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { afterEach, describe, expect, it } from '@jest/globals';
import { McpAuthModule, ProtectedResource } from 'nestjs-mcp-auth';
import { adapterFor, listen, PLATFORMS } from '../support/platforms.js';

const ISSUER = 'https://login.example.com';

/** An API of the application that uses JSON-RPC, as blockchain nodes, language servers and many back ends do. */
@Controller('rpc')
class OwnApi {
  @Post()
  post(@Body() { id }: { readonly id: number }): object {
    return { jsonrpc: '2.0', id, result: 'served' };
  }
}

@Controller(['mcp', 'v1/mcp'])
class Mcp {
  @Post()
  post(): object {
    return { served: true };
  }
}

@Controller('mcp')
@ProtectedResource('one')
class McpOfOne extends Mcp {}

describe.each(PLATFORMS)('JSON-RPC beside MCP with globalGuard "mcp", on %s', (platform) => {
  let app: INestApplication | undefined;
  afterEach(() => app?.close());

  async function start(options: object, controllers: readonly Type[] = [Mcp, OwnApi]): Promise<string> {
    @Module({
      imports: [McpAuthModule.forRoot({ checkAuthorizationServers: false, globalGuard: 'mcp', ...options } as never)],
      controllers: [...controllers],
    })
    class AppModule {}
    app = await NestFactory.create(AppModule, adapterFor(platform), { logger: false, abortOnError: false });
    return listen(app);
  }
  const one = { resource: 'https://mcp.example.com/mcp', authorizationServers: [ISSUER] };
  const statusOf = async (url: string, message: object, headers: Record<string, string> = {}): Promise<number> => {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, ...message });
    return (await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body }))
      .status;
  };

  it.each(['eth_call', 'orders.list', 'textDocument/hover', '$/cancelRequest', 'ping', 'initialized', 'toolsList'])(
    'leaves %s of another API alone',
    async (method) => {
      const origin = await start(one);
      expect(await statusOf(`${origin}/rpc`, { method })).toBe(201);
    },
  );

  it.each(['initialize', 'tools/call', 'tools/list', 'resources/read', 'prompts/get', 'completion/complete'])(
    'protects %s at any route',
    async (method) => {
      const origin = await start(one);
      expect(await statusOf(`${origin}/rpc`, { method })).toBe(401);
    },
  );

  it.each([
    ['accept event streams', '', { accept: 'application/json, text/event-stream' }],
    ['name a session in the URL', '?sessionId=x', {}],
    ['name a session', '', { 'mcp-session-id': 'x' }],
  ])('protects messages of unknown methods whose clients %s, as those of MCP do', async (_what, query, headers) => {
    const origin = await start(one);
    expect(await statusOf(`${origin}/rpc${query}`, { method: 'acme/custom' }, headers)).toBe(401);
    expect(await statusOf(`${origin}/rpc${query}`, { method: 'ping' }, headers)).toBe(401);
  });

  it.each(['/mcp', '/v1/mcp'])(
    'protects every message at %s, which the handler of the resource serves',
    async (path) => {
      const origin = await start(one);
      expect(await statusOf(origin + path, { method: 'acme/custom' })).toBe(401);
      expect(await statusOf(origin + path, { method: 'ping' })).toBe(401);
    },
  );

  it('answers 404 to a message of MCP at a route that belongs to none of several resources', async () => {
    const resources = ['one', 'two'].map((id) => ({
      id,
      resource: `https://mcp.example.com/${id === 'one' ? 'mcp' : id}`,
      authorizationServers: [ISSUER],
    }));
    const origin = await start({ resources }, [McpOfOne, OwnApi]);
    expect(await statusOf(`${origin}/rpc`, { method: 'tools/call' })).toBe(404);
    expect(await statusOf(`${origin}/rpc`, { method: 'orders.list' })).toBe(201);
  });
});
