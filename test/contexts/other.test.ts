import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Injectable, Module, UseGuards } from '@nestjs/common';
import { ExternalContextCreator, NestFactory } from '@nestjs/core';
import { Server, type CustomTransportStrategy } from '@nestjs/microservices';
import { McpController, Tool } from '@rekog/mcp-nest';
import { isObservable, lastValueFrom } from 'rxjs';
import {
  McpAuthError,
  McpAuthGuard,
  McpAuthModule,
  Public,
  RequireScopes,
  type McpAuthModuleOptions,
} from 'nestjs-mcp-auth';
import { resetRecorded } from '../support/expectations.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';

const ran: string[] = [];

@Injectable()
class Bot {
  plain(): string {
    ran.push('plain');
    return 'ran';
  }

  @Public()
  open(): string {
    ran.push('open');
    return 'ran';
  }

  failing(): never {
    throw new Error('The disk is full');
  }

  @UseGuards(McpAuthGuard)
  guarded(): string {
    ran.push('guarded');
    return 'ran';
  }
}

/** What a client might send, where a library hands it on as the first or second argument. */
const SENT: unknown[] = [
  undefined,
  'text',
  { method: 'OPTIONS', headers: { 'access-control-request-method': 'POST' }, url: '/mcp' },
  { method: 'GET', headers: {}, rawHeaders: [], url: '/mcp', raw: { headers: {}, setHeader: 'x' } },
  {
    mcpServer: { server: { transport: { constructor: { name: 'StdioServerTransport' } } } },
    mcpRequest: { method: 'tools/call' },
  },
  { getSession: 'stdio', sdkContext: { authInfo: { scopes: ['a'] } } },
];

/** As libraries for bots, queues and the like call the handlers of an application. */
async function call(
  server: NotesServer,
  methodName: keyof Bot,
  type: string | undefined,
  args: readonly unknown[],
): Promise<unknown> {
  const creator = server.app.get(ExternalContextCreator, { strict: false });
  const bot = server.app.get(Bot);
  const handler = creator.create(
    bot,
    bot[methodName],
    methodName,
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
    type as string,
  );
  const result: unknown = await handler(...args);
  return isObservable(result) ? lastValueFrom(result) : result;
}

const OPTIONS: McpAuthModuleOptions['stdio'][] = ['deny', 'trust', { tokenEnv: 'OTHER_CONTEXTS_TOKEN' }];

describe.each(PLATFORMS)('Handlers that a library of others calls, on %s', (platform) => {
  describe.each(OPTIONS)('with stdio: %j', (stdio) => {
    let server: NotesServer;

    beforeAll(async () => {
      server = await startNotesServer(platform, {
        issuer: { alg: 'ES256' },
        providers: [Bot],
        options: { stdio: stdio!, allowAnonymous: true },
      });
      process.env['OTHER_CONTEXTS_TOKEN'] = await server.mint({ scope: 'a' });
    });
    afterAll(async () => {
      delete process.env['OTHER_CONTEXTS_TOKEN'];
      await server.close();
    });
    beforeEach(() => {
      resetRecorded(server);
      ran.length = 0;
    });

    describe.each([['telegraf'], ['rmq'], ['cron'], ['ws-like'], [undefined], ['http'], ['rpc']])(
      'in a context of type %s',
      (type) => {
        it('LIB-26: run as before where nothing is declared, or where they are public', async () => {
          for (const one of SENT) {
            expect(await call(server, 'plain', type, [one, one])).toBe('ran');
            expect(await call(server, 'open', type, [one, one])).toBe('ran');
          }
          await expect(call(server, 'failing', type, [])).rejects.toThrow('The disk is full');
        });

        it('LIB-18: are refused where the guard is bound to them, whatever is handed on', async () => {
          for (const one of SENT) {
            const refused = await call(server, 'guarded', type, [one, one]).catch((error: unknown) => error);
            if (type === 'rpc') expect(refused).toEqual({ status: 'error', message: 'Authorization is required.' });
            else expect(refused).toBeInstanceOf(McpAuthError);
          }
          expect(ran).toEqual([]);
          const sentence =
            type === 'rpc'
              ? 'a message called a microservice handler'
              : 'a library called the handler without an HTTP request';
          const lines = server.log.filter((line) => line.includes('Refused 401'));
          expect(lines).toHaveLength(SENT.length);
          for (const line of lines) expect(line).toContain(sentence);
        });
      },
    );
  });
});

/** A transport that does not say which handlers are its own, so that Nest gives it all; its context is what clients send. */
class Careless extends Server implements CustomTransportStrategy {
  listen(callback: () => void): void {
    callback();
  }

  close(): void {}

  on(): never {
    throw new Error('There are no events');
  }

  unwrap<T>(): T {
    return undefined as T;
  }

  async call(pattern: object, data: unknown, context: unknown): Promise<unknown> {
    const handler = this.getHandlerByPattern(this.normalizePattern(pattern as never));
    const result: unknown = await handler?.(data, context as never);
    return isObservable(result) ? lastValueFrom(result) : result;
  }
}

@McpController()
class Tools {
  @Tool({ name: 'plain-tool', description: 'Declares nothing' })
  plainTool(): object {
    ran.push('plain-tool');
    return {};
  }

  @Tool({ name: 'scoped-tool', description: 'Needs a' })
  @RequireScopes('a')
  scopedTool(): object {
    ran.push('scoped-tool');
    return {};
  }
}

describe.each(OPTIONS)('MCP tools that are reached by a message of a broker, with stdio: %j', (stdio) => {
  it.each(['plain-tool', 'scoped-tool'])(
    'LIB-18: do not count as tools over stdio, and are refused: %s',
    async (name) => {
      const strategy = new Careless();
      const server = await startNotesServer('express', {
        issuer: { alg: 'ES256' },
        controllers: [Tools],
        options: { stdio: stdio! },
        inheritAppConfig: true,
        prepare: (app) => void app.connectMicroservice({ strategy }, { inheritAppConfig: true }),
      });
      process.env['OTHER_CONTEXTS_TOKEN'] = await server.mint({ scope: 'a' });
      ran.length = 0;
      for (const context of SENT) {
        const refused = await strategy.call({ mcp: 'tool', name }, {}, context).catch((error: unknown) => error);
        expect(refused).toEqual({ status: 'error', message: 'Authorization is required.' });
      }
      expect(ran).toEqual([]);
      delete process.env['OTHER_CONTEXTS_TOKEN'];
      await server.close();
    },
  );
});

describe('A standalone application', () => {
  it('LIB-26: starts with the module, and calls its methods as before', async () => {
    @Module({
      imports: [
        McpAuthModule.forRoot({
          resource: 'https://mcp.example.com/mcp',
          authorizationServers: ['https://login.example.com'],
          checkAuthorizationServers: false,
        }),
      ],
      providers: [Bot],
    })
    class Standalone {}
    const app = await NestFactory.createApplicationContext(Standalone, { logger: false });
    expect(app.get(Bot).plain()).toBe('ran');
    await app.close();
  });
});
