import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import { Controller, Module, UseGuards, type INestApplication } from '@nestjs/common';
import { Args, GraphQLModule, Query, Resolver } from '@nestjs/graphql';
import { ClientProxyFactory, MessagePattern, Payload, Transport, type ClientProxy } from '@nestjs/microservices';
import { IoAdapter } from '@nestjs/platform-socket.io';
import { WsAdapter } from '@nestjs/platform-ws';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import * as fc from 'fast-check';
import { GraphQLScalarType } from 'graphql';
import { firstValueFrom } from 'rxjs';
import { AuthInfo, McpAuthGuard, RequireScopes, type McpAuthModuleOptions } from 'nestjs-mcp-auth';
import { OutsideCheck } from '../../lib/platform/outside-check.js';
import { freePort } from '../support/free-port.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { openSocketIo, openWs, type OpenSocket, type TestSocket } from '../support/sockets.js';
import { alwaysAsync, jsonValue } from './property.js';

const ran: string[] = [];
const TOKEN_ENV = 'CONTEXTS_FUZZ_TOKEN';
const NAMES = ['guarded', 'scoped', 'wanting'] as const;

function note(name: string): object {
  ran.push(name);
  return { event: 'ran', data: 'ran' };
}

@WebSocketGateway()
class Gateway {
  @SubscribeMessage('guarded')
  @UseGuards(McpAuthGuard)
  guarded(@MessageBody() _data: unknown): object {
    return note('guarded');
  }

  @SubscribeMessage('scoped')
  @RequireScopes('a')
  scoped(@MessageBody() _data: unknown): object {
    return note('scoped');
  }

  @SubscribeMessage('wanting')
  wanting(@MessageBody() _data: unknown, @AuthInfo() _auth: unknown): object {
    return note('wanting');
  }
}

const JSON_SCALAR = new GraphQLScalarType({ name: 'JSON', serialize: (value) => value, parseValue: (value) => value });
const DATA = { type: () => JSON_SCALAR, nullable: true };

@Resolver()
class Queries {
  @Query(() => JSON_SCALAR)
  @UseGuards(McpAuthGuard)
  guarded(@Args('data', DATA) _data: unknown): object {
    return note('guarded');
  }

  @Query(() => JSON_SCALAR)
  @RequireScopes('a')
  scoped(@Args('data', DATA) _data: unknown): object {
    return note('scoped');
  }

  @Query(() => JSON_SCALAR)
  wanting(@Args('data', DATA) _data: unknown, @AuthInfo() _auth: unknown): object {
    return note('wanting');
  }
}

@Controller()
class Messages {
  @MessagePattern('guarded')
  @UseGuards(McpAuthGuard)
  guarded(@Payload() _data: unknown): object {
    return note('guarded');
  }

  @MessagePattern('scoped')
  @RequireScopes('a')
  scoped(@Payload() _data: unknown): object {
    return note('scoped');
  }

  @MessagePattern('wanting')
  wanting(@Payload() _data: unknown, @AuthInfo() _auth: unknown): object {
    return note('wanting');
  }
}

@Module({
  imports: [
    GraphQLModule.forRoot<ApolloDriverConfig>({ driver: ApolloDriver, autoSchemaFile: true, csrfPrevention: false }),
  ],
})
class Graphql {}

const memberNames = fc.constantFrom(
  'mcpServer',
  'server',
  'transport',
  'constructor',
  'name',
  'getSession',
  'getRawRequest',
  'session',
  'stateless',
  'kind',
  'sdkContext',
  'http',
  'authInfo',
  'auth',
  'user',
  'mcpRequest',
  'method',
  'params',
  'args',
  'raw',
  'req',
  'request',
  'headers',
  'rawHeaders',
  'authorization',
  'extra',
  'reply',
  'context',
  '__proto__',
  'prototype',
  'on',
  'setHeader',
  '_socket',
  'readyState',
);
const leaf = fc.oneof(
  jsonValue,
  fc.constantFrom('stdio', 'StdioServerTransport', 'tools/call', true, 'GET', '/mcp', 'Bearer eyJ', []),
);

/** What the contexts of MCP frameworks, requests and callers look like from outside, as far as JSON goes. */
function lookalike(depth: number): fc.Arbitrary<unknown> {
  if (depth === 0) return leaf;
  const value = fc.oneof({ weight: 3, arbitrary: lookalike(depth - 1) }, { weight: 1, arbitrary: leaf });
  return fc.dictionary(memberNames, value, { maxKeys: 5, noNullPrototype: true });
}

/** Those that have opened a door in some version, or nearly. */
const known: fc.Arbitrary<unknown> = fc.constantFrom<unknown>(
  { mcpServer: { server: { transport: { constructor: { name: 'StdioServerTransport' } } } } },
  { mcpRequest: { method: 'tools/call', params: { name: 'guarded' } }, getSession: { transport: 'stdio' } },
  { getSession: 'stdio', getRawRequest: { headers: {} } },
  { sdkContext: { authInfo: { token: 'x', clientId: 'x', scopes: ['a'], subject: 'alice' } } },
  { sdkContext: { http: { authInfo: { scopes: ['a'] } } }, session: { stateless: true } },
  { req: { headers: { authorization: 'Bearer x' }, rawHeaders: ['authorization', 'Bearer x'] } },
  JSON.parse('{"__proto__":{"getSession":{"transport":"stdio"}}}'),
);

const anything = fc.oneof(known, lookalike(5), jsonValue);

const NO_CHECK = { check: () => undefined, checkCallers: () => undefined };
const REFUSED = 'Authorization is required.';

type Options = NonNullable<McpAuthModuleOptions['stdio']>;
const STDIO: Options[] = ['deny', 'trust', { tokenEnv: TOKEN_ENV }];
const ADAPTERS: [name: string, open: OpenSocket, adapt: (app: INestApplication) => void][] = [
  ['ws', openWs, (app) => void app.useWebSocketAdapter(new WsAdapter(app))],
  ['socket.io', openSocketIo, (app) => void app.useWebSocketAdapter(new IoAdapter(app))],
];
const CASES = ADAPTERS.flatMap((adapter) =>
  STDIO.flatMap((stdio) =>
    [false, true].map((allowAnonymous) => ({ name: adapter[0], adapter, stdio, allowAnonymous })),
  ),
);

describe.each(CASES)(
  'LIB-18: whatever a client without a token sends, with $name, stdio: $stdio and allowAnonymous: $allowAnonymous',
  ({ adapter, stdio, allowAnonymous }) => {
    const [, open, adapt] = adapter;
    let server: NotesServer;
    let socket: TestSocket;
    let client: ClientProxy;

    beforeAll(async () => {
      const tcp = { transport: Transport.TCP as const, options: { host: '127.0.0.1', port: await freePort() } };
      server = await startNotesServer('express', {
        issuer: { alg: 'ES256' },
        imports: [Graphql],
        controllers: [Messages],
        providers: [Gateway, Queries],
        options: { stdio, allowAnonymous },
        // It would refuse to start with protected handlers of messages.
        configure: (builder) => builder.overrideProvider(OutsideCheck).useValue(NO_CHECK),
        prepare: (app) => {
          adapt(app);
          app.connectMicroservice(tcp, { inheritAppConfig: true });
        },
      });
      process.env[TOKEN_ENV] = await server.mint({ sub: 'the-operator', scope: 'a' });
      socket = await open(server.origin);
      client = ClientProxyFactory.create(tcp);
      ran.length = 0;
    });
    afterAll(async () => {
      delete process.env[TOKEN_ENV];
      socket.close();
      client.close();
      await server.close();
    });

    it.each(NAMES)('in a WebSocket message, no protected handler runs: %s', async (name) => {
      await alwaysAsync(60, anything, async (data) => {
        expect(await socket.ask(name, data)).toMatchObject({
          event: 'exception',
          data: { status: 'error', message: REFUSED },
        });
        expect(ran).toEqual([]);
      });
    });

    it.each(NAMES)('in the arguments of a GraphQL resolver, no protected one runs: %s', async (name) => {
      await alwaysAsync(30, anything, async (data) => {
        const body = JSON.stringify({ query: `query ($data: JSON) { ${name}(data: $data) }`, variables: { data } });
        const response = await fetch(`${server.origin}/graphql`, {
          method: 'POST',
          headers: { 'Content-Type': 'application/json' },
          body,
        });
        expect(await response.json()).toMatchObject({
          errors: [{ message: REFUSED, extensions: { code: 'UNAUTHENTICATED' } }],
        });
        expect(ran).toEqual([]);
      });
    });

    it.each(NAMES)('in a message of a broker, no protected handler runs: %s', async (name) => {
      // The client of Nest sends no message without data.
      const given = anything.filter((data) => data !== null);
      await alwaysAsync(60, given, async (data) => {
        const answer = firstValueFrom(client.send<unknown>(name, data));
        await expect(answer).rejects.toEqual({ status: 'error', message: REFUSED });
        expect(ran).toEqual([]);
      });
    });
  },
);
