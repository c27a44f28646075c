import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, Inject, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { WsAdapter } from '@nestjs/platform-ws';
import { AuthInfo, McpAuthGuard, McpAuthService, RequireScopes, type McpAuthInfo } from 'nestjs-mcp-auth';
import { WebSocket } from 'ws';
import { http2Client } from '../support/http2.js';
import { PLATFORMS } from '../support/platforms.js';
import { sendRaw } from '../support/raw-http.js';
import { rpcTo } from '../support/rpc.js';
import { knowing, ROOT, startTenantsServer, type TenantsServer } from '../support/tenants-server.js';

let server: TenantsServer | undefined;
afterEach(() => server?.close());

const RESOURCE = 'https://{tenant}.example.com/mcp';
const AUDIENCE = 'https://acme.example.com/mcp';

@Injectable()
class OwnGuard implements CanActivate {
  static readonly tenants: unknown[] = [];

  constructor(@Inject(McpAuthGuard) private readonly mcpAuth: McpAuthGuard) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    OwnGuard.tenants.push((await this.mcpAuth.authorize(context))?.resourceVariables);
    return true;
  }
}

@Controller()
class PlainController {
  @Get('mcp/below')
  below(@AuthInfo('resourceVariables') variables: object): object {
    return variables;
  }

  @Get('beside')
  beside(@AuthInfo('resourceVariables') variables: object): object {
    return variables;
  }

  @Get('orgs/:tenant/mcp/below')
  belowPath(@AuthInfo('resourceVariables') variables: object): object {
    return variables;
  }

  @Get('orgs/:tenant/beside')
  besidePath(): object {
    return {};
  }
}

@WebSocketGateway()
class Gateway {
  @SubscribeMessage('whoami')
  @RequireScopes('a')
  whoami(@AuthInfo() auth: McpAuthInfo): object {
    return { event: 'whoami', data: [auth.resource.href, auth.resourceVariables] };
  }
}

describe.each(PLATFORMS)('a tenant, on %s', (platform) => {
  it('is found by a guard of the application that calls authorize()', async () => {
    OwnGuard.tenants.length = 0;
    server = await startTenantsServer(platform, {
      options: { resource: RESOURCE, resolveTenant: knowing('acme').resolveTenant, globalGuard: false },
      providers: [{ provide: APP_GUARD, useClass: OwnGuard }],
    });
    const token = await server.issuer.mint({ aud: AUDIENCE });
    expect((await server.call('acme.example.com', '/mcp', token)).status).toBe(200);
    expect(OwnGuard.tenants).toContainEqual({ tenant: 'acme' });
    const unknown = await server.call('globex.example.com', '/mcp', token);
    expect([unknown.status, JSON.parse(unknown.body)]).toMatchObject([404, { error: { message: 'Not found.' } }]);
  });

  it('is named in events, besides the id of its resource', async () => {
    server = await startTenantsServer(platform, {
      options: { id: 'tenants', resource: RESOURCE, resolveTenant: knowing('acme').resolveTenant },
    });
    const events: unknown[] = [];
    server.app.get(McpAuthService).events$.subscribe((event) => 'resource' in event && events.push(event));
    await server.call('acme.example.com', '/mcp', await server.issuer.mint({ aud: AUDIENCE }));
    await server.call('acme.example.com', '/mcp');
    const named = { resource: 'tenants', resourceVariables: { tenant: 'acme' } };
    expect(events).toEqual(
      expect.arrayContaining(['authenticated', 'refused'].map((type) => expect.objectContaining({ type, ...named }))),
    );
    for (const event of events) expect(event).toMatchObject(named);
  });

  it('is found for other routes: by the host everywhere, by the path below that of the tenant', async () => {
    const get = async (resource: string, host: string, path: string): Promise<unknown> => {
      await server?.close();
      server = await startTenantsServer(platform, {
        options: { resource, resolveTenant: () => ({}) },
        controllers: [PlainController],
      });
      const aud = resource.replace('{tenant}', 'acme');
      const headers = [`Host: ${host}`, `Authorization: Bearer ${await server.issuer.mint({ aud })}`];
      const { status, body } = await sendRaw(server.origin, { method: 'GET', path, headers });
      return status === 200 ? JSON.parse(body) : status;
    };
    const inPath = 'https://api.example.com/orgs/{tenant}/mcp';
    expect(await get(RESOURCE, 'acme.example.com', '/mcp/below')).toEqual({ tenant: 'acme' });
    expect(await get(RESOURCE, 'acme.example.com', '/beside')).toEqual({ tenant: 'acme' });
    expect(await get(inPath, 'api.example.com', '/orgs/acme/mcp/below')).toEqual({ tenant: 'acme' });
    expect(await get(inPath, 'api.example.com', '/orgs/acme/beside')).toBe(404);
  });

  it('is found for messages of a WebSocket, by the host of its upgrade request', async () => {
    server = await startTenantsServer(platform, {
      options: { resource: RESOURCE, resolveTenant: knowing('acme').resolveTenant },
      providers: [Gateway],
      prepare: (app) => app.useWebSocketAdapter(new WsAdapter(app)),
    });
    const token = await server.issuer.mint({ aud: AUDIENCE, scope: 'a' });
    const ask = (host: string): Promise<unknown> =>
      new Promise((resolve, reject) => {
        const socket = new WebSocket(server!.origin.replace('http', 'ws'), {
          headers: { host, authorization: `Bearer ${token}` },
        });
        socket.once('error', reject);
        socket.once('open', () => socket.send(JSON.stringify({ event: 'whoami', data: {} })));
        socket.once('message', (data: Buffer) => {
          socket.close();
          resolve(JSON.parse(data.toString('utf8')));
        });
      });
    expect(await ask('acme.example.com')).toEqual({ event: 'whoami', data: [AUDIENCE, { tenant: 'acme' }] });
    expect(await ask('globex.example.com')).toMatchObject({ event: 'exception', data: { message: 'Not found.' } });
  });

  it('lets anonymous callers of each tenant in, but not into sessions of another', async () => {
    server = await startTenantsServer(platform, {
      options: {
        resource: 'https://api.example.com/orgs/{tenant}/mcp',
        resolveTenant: () => ({}),
        allowAnonymous: true,
      },
      route: 'orgs/:tenant/mcp',
      transport: { statefulMode: true },
    });
    const send = (tenant: string, method: string, headers = {}): Promise<Response> => {
      const info = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } };
      return rpcTo(`${server!.origin}/orgs/${tenant}/mcp`)(method, info, headers);
    };
    const opened = await send('acme', 'initialize');
    const session = { 'mcp-session-id': opened.headers.get('mcp-session-id') ?? '' };
    expect([opened.status, session]).toEqual([200, { 'mcp-session-id': expect.stringMatching(/./) }]);
    const theirs = await send('globex', 'tools/list', session);
    expect([theirs.status, await theirs.text()]).toEqual([404, expect.stringContaining('There is no such session.')]);
    expect((await send('acme', 'tools/list', session)).status).toBe(200);
  });
});

it('a tenant is found over HTTP/2, by `:authority`', async () => {
  server = await startTenantsServer('fastify', {
    options: { resource: RESOURCE, resolveTenant: knowing('acme').resolveTenant },
    adapter: new FastifyAdapter({ http2: true } as object),
  });
  const client = http2Client(server.origin);
  const get = async (authority: string, more: object = {}): Promise<number> =>
    (await client.send({ ':authority': authority, ':path': `${ROOT}/mcp`, ...more })).status;
  expect(await get('acme.example.com')).toBe(200);
  expect(await get('globex.example.com')).toBe(404);
  expect(await get('acme.example.com', { host: 'globex.example.com' })).toBe(404);
  await client.close();
});
