import { afterEach, describe, expect, it } from '@jest/globals';
import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import {
  Controller,
  Get,
  Inject,
  Injectable,
  Module,
  type CanActivate,
  type ExecutionContext,
  type Type,
} from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { GraphQLModule, Query, Resolver } from '@nestjs/graphql';
import type { MercuriusDriverConfig } from '@nestjs/mercurius';
import { IoAdapter } from '@nestjs/platform-socket.io';
import { WsAdapter } from '@nestjs/platform-ws';
import { Test } from '@nestjs/testing';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import {
  AuthInfo,
  McpAuthGuard,
  McpAuthModule,
  ProtectedResource,
  RequireScopes,
  type McpAuthInfo,
  type McpAuthModuleOptions,
} from 'nestjs-mcp-auth';
import { ACCESS_TOKEN, API_KEY, ASSERTION, testCredentials } from '../support/api-keys.js';
import { freePort } from '../support/free-port.js';
import { expectRefusal, expectServed, resetRecorded } from '../support/expectations.js';
import { MercuriusDriver } from '../support/mercurius.js';
import { closeAtOnce, startNotesServer, type NotesServer, type NotesServerSettings } from '../support/notes-server.js';
import { adapterFor, PLATFORMS, type Platform } from '../support/platforms.js';
import { bearer } from '../support/rpc.js';
import { INITIALIZE } from '../support/sessions.js';
import { openSocketIo, openWs, type OpenSocket } from '../support/sockets.js';

// Credentials of the application outside MCP requests, in sessions, and in guards of the application.

const issuer = { alg: 'ES256' } as const;
const KEY = { 'x-api-key': API_KEY };
const BOTH = { ...KEY, ...bearer(ACCESS_TOKEN) };

@WebSocketGateway()
class Gateway {
  @SubscribeMessage('who')
  @RequireScopes('a')
  who(@AuthInfo() auth: McpAuthInfo): object {
    return { event: 'who', data: `${auth.credential} ${auth.subject}` };
  }
}

@Resolver()
class WhoResolver {
  @Query(() => String)
  @RequireScopes('a')
  who(@AuthInfo() auth: McpAuthInfo): string {
    return `${auth.credential} ${auth.subject}`;
  }
}

function graphql(platform: Platform): Type {
  const settings = { autoSchemaFile: true };
  const imports =
    platform === 'express'
      ? [GraphQLModule.forRoot<ApolloDriverConfig>({ driver: ApolloDriver, csrfPrevention: false, ...settings })]
      : [GraphQLModule.forRoot<MercuriusDriverConfig>({ driver: MercuriusDriver, ...settings })];
  @Module({ imports })
  class GraphqlModule {}
  return GraphqlModule;
}

describe.each(PLATFORMS)('credentials of the application elsewhere, on %s', (platform) => {
  let server: NotesServer | undefined;
  afterEach(async () => {
    if (server) await closeAtOnce(server);
    server = undefined;
  });
  const start = async ({ options, ...settings }: NotesServerSettings): Promise<NotesServer> => {
    const { options: credentials } = testCredentials();
    server = await startNotesServer(platform, { issuer, options: { credentials, ...options } as never, ...settings });
    return server;
  };

  it.each<[string, OpenSocket, NonNullable<NotesServerSettings['prepare']>]>([
    ['ws', openWs, (app) => void app.useWebSocketAdapter(new WsAdapter(app))],
    ['socket.io', openSocketIo, (app) => void app.useWebSocketAdapter(new IoAdapter(app))],
  ])('LIB-26: open a handler of a gateway with %s, by the upgrade request', async (_name, open, prepare) => {
    const notes = await start({ providers: [Gateway], prepare });
    const ask = async (headers: Record<string, string>): Promise<unknown> => {
      const socket = await open(notes.origin, headers);
      const { data } = await socket.ask('who');
      socket.close();
      return data;
    };
    expect(await ask(KEY)).toBe('api-key alice');
    expect(await ask({ 'x-gateway': ASSERTION })).toBe('gateway alice');
    expect(await ask(bearer(ACCESS_TOKEN))).toBe('pat alice');
    for (const headers of [{}, { 'x-api-key': 'unknown' }, { 'x-api-key': '' }, BOTH]) {
      expect(await ask(headers as Record<string, string>)).toMatchObject({ status: 'error' });
    }
  });

  it('LIB-26: open a resolver of GraphQL', async () => {
    const notes = await start({ imports: [graphql(platform)], providers: [WhoResolver] });
    const ask = async (headers: Record<string, string>): Promise<unknown> => {
      const init = { method: 'POST', headers: { 'content-type': 'application/json', ...headers } };
      const response = await fetch(`${notes.origin}/graphql`, { ...init, body: '{"query":"{ who }"}' });
      return response.json();
    };
    expect(await ask(KEY)).toMatchObject({ data: { who: 'api-key alice' } });
    expect(await ask(bearer(ACCESS_TOKEN))).toMatchObject({ data: { who: 'pat alice' } });
    for (const headers of [{}, { 'x-api-key': 'unknown' }, BOTH]) {
      expect(await ask(headers as Record<string, string>)).toMatchObject({ errors: [{}] });
    }
  });

  it('LIB-23: open a session that belongs to the caller with this credential, and to no other', async () => {
    const notes = await start({ transport: { statefulMode: true } });
    const opened = await notes.rpc('initialize', INITIALIZE, KEY);
    await opened.text();
    const session = { 'mcp-session-id': opened.headers.get('mcp-session-id')! };
    const list = async (headers: Record<string, string>): Promise<number> => {
      const response = await notes.rpc('tools/list', {}, { ...session, ...headers });
      await response.text();
      return response.status;
    };
    expect(await list(KEY)).toBe(200);
    const sameSubject = [{ 'x-gateway': ASSERTION }, bearer(ACCESS_TOKEN), bearer(await notes.mint({ sub: 'alice' }))];
    for (const headers of sameSubject) expect(await list(headers)).toBe(404);
    expect(await list(KEY)).toBe(200);
  });

  it('are accepted by McpAuthGuard.authorize() in a guard of the application', async () => {
    const callers: unknown[] = [];
    @Injectable()
    class OwnGuard implements CanActivate {
      constructor(@Inject(McpAuthGuard) private readonly mcpAuth: McpAuthGuard) {}

      async canActivate(context: ExecutionContext): Promise<boolean> {
        callers.push((await this.mcpAuth.authorize(context))?.credential);
        return true;
      }
    }
    const notes = await start({
      options: { globalGuard: false },
      providers: [{ provide: APP_GUARD, useClass: OwnGuard }],
    });
    await expectServed(notes, await notes.callTool('read-note', undefined, {}, KEY), 'read-note');
    resetRecorded(notes);
    await expectServed(notes, await fetch(`${notes.origin}/plain`, { headers: bearer(ACCESS_TOKEN) }), 'plain');
    expect(callers).toEqual(['api-key', 'pat']);
    resetRecorded(notes);
    await expectRefusal(notes, await notes.callTool('ping', undefined, {}, { 'x-api-key': 'unknown' }), {
      status: 401,
    });
    const both = await notes.callTool('ping', undefined, {}, BOTH);
    await expectRefusal(notes, both, { status: 400, error: 'invalid_request' });
  });

  it('are verified for each resource by itself, and remembered for it alone', async () => {
    @Controller()
    class TwoResources {
      @Get('notes')
      @ProtectedResource('notes')
      notes(@AuthInfo() auth: McpAuthInfo): object {
        return { resource: auth.resource.href };
      }

      @Get('billing')
      @ProtectedResource('billing')
      billing(): object {
        return {};
      }
    }
    const port = await freePort();
    const origin = `http://127.0.0.1:${port}`;
    const asked: string[] = [];
    const resourceOf = (id: string): object => ({
      id,
      resource: `${origin}/${id}/mcp`,
      authorizationServers: [origin],
    });
    const module = await Test.createTestingModule({
      controllers: [TwoResources],
      imports: [
        McpAuthModule.forRoot({
          resources: [resourceOf('notes'), resourceOf('billing')],
          checkAuthorizationServers: false,
          credentials: [
            {
              name: 'api-key',
              from: { header: 'x-api-key' },
              cacheSeconds: 60,
              verify: (_key, { resource }) => {
                asked.push(resource);
                return resource.endsWith('/notes/mcp') ? { subject: 'alice', scopes: [] } : undefined;
              },
            },
          ],
        } as McpAuthModuleOptions),
      ],
    }).compile();
    const app = module.createNestApplication(adapterFor(platform), { logger: false });
    await app.listen(port, '127.0.0.1');
    try {
      for (let round = 0; round < 2; round++) {
        const notes = await fetch(`${origin}/notes`, { headers: KEY });
        expect(await notes.json()).toEqual({ resource: `${origin}/notes/mcp` });
        expect((await fetch(`${origin}/billing`, { headers: KEY })).status).toBe(401);
      }
      const [notes, billing] = [`${origin}/notes/mcp`, `${origin}/billing/mcp`];
      expect(asked).toEqual([notes, billing, billing]);
    } finally {
      await app.close();
    }
  });

  it('are read from header fields that middleware leaves, and not from those that it removes', async () => {
    const remove = (request: { headers: Record<string, unknown> }, _response: unknown, next: () => void): void => {
      delete request.headers['x-gateway'];
      next();
    };
    const notes = await start({ prepare: (app) => void app.use(remove) });
    const answer = await notes.callTool('read-note', undefined, {}, { ...KEY, 'x-gateway': ASSERTION });
    await expectServed(notes, answer, 'read-note');
  });
});
