/** An MCP server on version 1 of `@rekog/mcp-nest` with a handler of every kind, protected by this library. */
import 'reflect-metadata';
import { createServer, type AddressInfo } from 'node:net';
import { Controller, Inject, Injectable, Module, Scope, UseGuards, type OnModuleInit, type Type } from '@nestjs/common';
import { HttpAdapterHost, ModuleRef, NestFactory, REQUEST, type AbstractHttpAdapter } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import {
  McpModule,
  McpRegistryService,
  McpStreamableHttpService,
  McpTransportType,
  Prompt,
  Resource,
  ResourceTemplate,
  Tool,
  ToolScopes,
} from '@rekog/mcp-nest';
import {
  AuthInfo,
  Authorize,
  McpAuthError,
  McpAuthGuard,
  McpAuthModule,
  McpAuthService,
  RequireScopes,
  type McpAuthInfo,
  type McpAuthModuleOptions,
} from 'nestjs-mcp-auth';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { z } from 'zod';
import type { Host } from './rpc';

/** Names of the handlers that ran. */
export const ran: string[] = [];

interface ToolRequest {
  readonly auth?: McpAuthInfo;
  readonly user?: McpAuthInfo;
}

const text = (value: unknown) => ({ content: [{ type: 'text', text: JSON.stringify(value) }] });
const contents = (uri: string) => ({ contents: [{ uri, text: uri }] });

@Injectable()
class Caller {
  constructor(private readonly service: McpAuthService) {}

  async subject(): Promise<string | undefined> {
    await Promise.resolve();
    return this.service.authInfo?.subject;
  }
}

@Injectable()
class Handlers {
  constructor(private readonly caller: Caller) {}

  @Tool({ name: 'ping', description: 'Needs the baseline' })
  ping() {
    ran.push('ping');
    return text('pong');
  }

  @Tool({ name: 'who', description: 'Who calls, by every way to know it' })
  async who(_args: object, _context: object, request: ToolRequest) {
    ran.push('who');
    const { subject, scopes } = request.auth ?? {};
    return text({
      service: await this.caller.subject(),
      request: subject,
      scopes,
      user: request.user === request.auth,
    });
  }

  @Tool({
    name: 'injected',
    description: 'Who calls, by parameters',
    parameters: z.object({ subject: z.string().optional() }),
  })
  injected(@AuthInfo('subject') subject: string, @AuthInfo() auth: McpAuthInfo, request: ToolRequest) {
    ran.push('injected');
    return text({ subject, scopes: auth.scopes, request: request.auth?.subject });
  }

  @Tool({ name: 'write', description: 'Needs a and b', parameters: z.object({ text: z.string().default('nothing') }) })
  @RequireScopes('a', 'b')
  write({ text: written }: { text: string }, _context: object, @AuthInfo('subject') subject: string) {
    ran.push('write');
    return text({ written, subject });
  }

  @Tool({
    name: 'by-argument',
    description: 'A policy asks for the scope named',
    parameters: z.object({ scope: z.string() }),
  })
  @Authorize(({ args }) => [(args as { scope: string }).scope])
  byArgument() {
    ran.push('by-argument');
    return text('done');
  }

  @Tool({ name: 'raising', description: 'Finds out late what it needs' })
  @RequireScopes('a')
  raising() {
    throw McpAuthError.insufficientScope('a', 'c');
  }

  @Tool({ name: 'guarded', description: 'Needs a caller' })
  @UseGuards(McpAuthGuard)
  guarded() {
    ran.push('guarded');
    return text('done');
  }

  @Tool({ name: 'own-scopes', description: 'Uses the decorator of the framework' })
  @ToolScopes(['b'])
  ownScopes() {
    ran.push('own-scopes');
    return text('done');
  }

  @Resource({ uri: 'notes://fixed', name: 'fixed' })
  @RequireScopes('a')
  fixed({ uri }: { uri: string }, @AuthInfo('subject') subject: string) {
    ran.push(`fixed for ${subject}`);
    return contents(uri);
  }

  @ResourceTemplate({ uriTemplate: 'notes://by-id/{id}', name: 'by-id' })
  @RequireScopes('b')
  byId({ uri }: { uri: string }) {
    ran.push('by-id');
    return contents(uri);
  }

  @Resource({ uri: 'notes://by-id/first', name: 'first' })
  first({ uri }: { uri: string }) {
    ran.push('first');
    return contents(uri);
  }

  /** The framework takes what follows the second colon for a variable. */
  @Resource({ uri: 'notes://user:profile', name: 'lenient' })
  @RequireScopes('a')
  lenient({ uri }: { uri: string }) {
    ran.push('lenient');
    return contents(uri);
  }

  @Prompt({ name: 'summary', description: 'Needs a' })
  @RequireScopes('a')
  summary(_args: object, _context: object, @AuthInfo('subject') subject: string) {
    ran.push('summary');
    return { messages: [{ role: 'user', content: { type: 'text', text: subject } }] };
  }
}

@Injectable({ scope: Scope.REQUEST })
class PerRequest {
  constructor(@Inject(REQUEST) private readonly request: { raw?: ToolRequest }) {}

  @Tool({ name: 'per-request', description: 'Needs a' })
  @RequireScopes('a')
  perRequest(@AuthInfo('subject') subject: string) {
    ran.push('per-request');
    return text({ subject, request: this.request.raw?.auth?.subject });
  }
}

class Made {
  @Tool({ name: 'made', description: 'Needs a' })
  @RequireScopes('a')
  made(@AuthInfo('subject') subject: string) {
    ran.push('made');
    return text({ subject });
  }
}

class Base {
  @Tool({ name: 'inherited', description: 'Needs a' })
  inherited() {
    ran.push('inherited');
    return text('done');
  }
}

@Injectable()
@RequireScopes('a')
class Derived extends Base {}

@Controller()
class OnController {
  @Tool({ name: 'on-controller', description: 'Needs a' })
  @RequireScopes('a')
  onController(@AuthInfo('subject') subject: string) {
    ran.push('on-controller');
    return text({ subject });
  }
}

export interface Settings {
  readonly platform: 'express' | 'fastify';
  readonly mode: 'stateless' | 'stateful';
}

export function moduleOf(options: McpAuthModuleOptions, mcp: Partial<Parameters<typeof McpModule.forRoot>[0]>) {
  @Module({
    imports: [
      McpAuthModule.forRoot(options),
      McpModule.forRoot({ name: 'host', version: '1.0.0', logging: false, ...mcp }),
    ],
    controllers: [OnController],
    providers: [Caller, Handlers, PerRequest, Derived, { provide: 'MADE', useFactory: () => new Made() }],
  })
  class AppModule {}
  return AppModule;
}

export async function startHost({ platform, mode }: Settings): Promise<Host & { close(): Promise<void> }> {
  const issuer = await TestIssuer.start({ alg: 'ES256' });
  const port = await freePort();
  const resource = `http://127.0.0.1:${port}/mcp`;
  const scopes = { operations: { tools: { dynamic: ['a'] } } };
  const module = moduleOf(
    { resource, authorizationServers: [issuer.issuer], scopes },
    {
      transport: McpTransportType.STREAMABLE_HTTP,
      streamableHttp: { enableJsonResponse: true, statelessMode: mode === 'stateless' },
    },
  );
  const adapter = (platform === 'express' ? new ExpressAdapter() : new FastifyAdapter()) as AbstractHttpAdapter;
  const app = await NestFactory.create(reachedAround(module), adapter, {
    logger: ['warn', 'error'],
    forceCloseConnections: true,
  });
  app.get(McpRegistryService, { strict: false }).registerTool({
    name: 'dynamic',
    description: 'Registered at run time',
    handler: () => {
      ran.push('dynamic');
      return Promise.resolve(text('done') as never);
    },
  });
  await app.listen(port, '127.0.0.1');
  return {
    issuer,
    resource,
    around: `http://127.0.0.1:${port}/around`,
    hasSessions: mode === 'stateful',
    isSingle: false,
    ran,
    close: async () => {
      await app.close();
      await issuer.close();
    },
  };
}

/** Lays a route to the MCP server that no guard sees, once Nest has laid its own: before that, the start is refused. */
function reachedAround(module: Type) {
  @Module({ imports: [module] })
  class AroundModule implements OnModuleInit {
    constructor(
      private readonly host: HttpAdapterHost,
      private readonly providers: ModuleRef,
    ) {}

    onModuleInit(): void {
      const mcp = this.providers.get(McpStreamableHttpService, { strict: false });
      this.host.httpAdapter.getInstance().post('/around', (request: { body?: unknown }, response: object) => {
        return mcp.handlePostRequest(request, response, request.body);
      });
    }
  }
  return AroundModule;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
