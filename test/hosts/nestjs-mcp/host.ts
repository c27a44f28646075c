/** An MCP server on `@nestjs-mcp/server` with a handler of every kind, protected by this library. */
import 'reflect-metadata';
import { createServer, type AddressInfo } from 'node:net';
import {
  Injectable,
  Module,
  Scope,
  UseGuards as UseGuardsOfNest,
  type CanActivate,
  type OnModuleInit,
  type Type,
} from '@nestjs/common';
import { HttpAdapterHost, ModulesContainer, NestFactory } from '@nestjs/core';
import { UrlElicitationRequiredError } from '@modelcontextprotocol/sdk/types.js';
import { McpModule, Prompt, Resolver, Resource, Tool, UseGuards, type McpExecutionContext } from '@nestjs-mcp/server';
import {
  AuthInfo,
  Authorize,
  McpAuthConsents,
  McpAuthError,
  McpAuthGuard,
  McpAuthModule,
  McpAuthService,
  RequireScopes,
  type McpAuthInfo,
} from 'nestjs-mcp-auth';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { z } from 'zod';
import type { Host } from './rpc';

/** Names of the handlers and guards that ran. */
export const ran: string[] = [];

interface Extra {
  readonly authInfo?: McpAuthInfo;
  readonly sessionId?: string;
}

const text = (value: unknown) => ({ content: [{ type: 'text' as const, text: JSON.stringify(value) }] });
const contents = (uri: string) => ({ contents: [{ uri, text: uri }] });

class OwnGuard implements CanActivate {
  canActivate(context: unknown): boolean {
    const { args } = context as McpExecutionContext;
    ran.push(`own guard of ${(args as { args?: { name?: string } }).args?.name}`);
    return (args as { args?: { name?: string } }).args?.name === 'friend';
  }
}

@Resolver()
class Handlers {
  constructor(
    private readonly service: McpAuthService,
    private readonly consents: McpAuthConsents,
  ) {}

  @Tool({ name: 'ping' })
  ping() {
    ran.push('ping');
    return text('pong');
  }

  @Tool({ name: 'consent', description: 'Needs the consent of its user' })
  consent(@AuthInfo() auth: McpAuthInfo) {
    return this.consents.tokenFor(auth, { to: 'acme' });
  }

  @Tool({ name: 'consent-by-hand', description: 'The same, with the error of the SDK' })
  consentByHand(@AuthInfo() auth: McpAuthInfo) {
    throw new UrlElicitationRequiredError([{ ...this.consents.begin(auth, { to: 'acme' }) }]);
  }

  @Tool({ name: 'who', description: 'Who calls, by every way to know it' })
  async who(extra: Extra) {
    ran.push('who');
    await Promise.resolve();
    return text({
      service: this.service.authInfo?.subject,
      extra: extra.authInfo?.subject,
      scopes: extra.authInfo?.scopes,
    });
  }

  @Tool({ name: 'injected', paramsSchema: { subject: z.string().optional() } })
  injected(@AuthInfo('subject') subject: string, @AuthInfo() auth: McpAuthInfo) {
    ran.push('injected');
    return text({ subject, scopes: auth.scopes });
  }

  @Tool({
    name: 'write',
    description: 'Needs a and b',
    paramsSchema: { text: z.string().default('nothing') },
    annotations: { readOnlyHint: false },
  })
  @RequireScopes('a', 'b')
  write({ text: written }: { text: string }, _extra: Extra, @AuthInfo('subject') subject: string) {
    ran.push('write');
    return text({ written, subject });
  }

  @RequireScopes('a')
  @Tool({ name: 'below', description: 'Its framework stands below' })
  below(@AuthInfo('subject') subject: string) {
    ran.push('below');
    return text({ subject });
  }

  @Tool({ name: 'by-argument', paramsSchema: { scope: z.string() } })
  @Authorize(({ args }) => [(args as { scope: string }).scope])
  byArgument() {
    ran.push('by-argument');
    return text('done');
  }

  @Tool({ name: 'never' })
  @Authorize(() => false)
  never() {
    ran.push('never');
    return text('done');
  }

  @Tool({ name: 'raising' })
  @RequireScopes('a')
  raising() {
    throw McpAuthError.insufficientScope('a', 'c');
  }

  @Tool({ name: 'guarded' })
  @UseGuardsOfNest(McpAuthGuard)
  guarded() {
    ran.push('guarded');
    return text('done');
  }

  @UseGuards(OwnGuard)
  @Tool({ name: 'own-guard', paramsSchema: { name: z.string() } })
  @RequireScopes('a')
  ownGuard({ name }: { name: string }) {
    ran.push('own-guard');
    return text(name);
  }

  @Resource({ uri: 'notes://fixed', name: 'fixed' })
  @RequireScopes('a')
  fixed({ href }: URL, @AuthInfo('subject') subject: string) {
    ran.push(`fixed for ${subject}`);
    return contents(href);
  }

  @Resource({ template: 'notes://by-id/{id}', name: 'by-id', metadata: {} })
  @RequireScopes('b')
  byId({ href }: URL) {
    ran.push('by-id');
    return contents(href);
  }

  @Resource({ template: 'notes://of/{owner}', name: 'of-owner' })
  @Authorize(({ args }) => (args as { owner: string }).owner === 'alice')
  ofOwner({ href }: URL) {
    ran.push('of-owner');
    return contents(href);
  }

  @Resource({ uri: 'notes://by-id/first', name: 'first' })
  first({ href }: URL) {
    ran.push('first');
    return contents(href);
  }

  @Prompt({ name: 'summary', description: 'Needs a' })
  @RequireScopes('a')
  summary(@AuthInfo('subject') subject: string) {
    ran.push('summary');
    return { messages: [{ role: 'user', content: { type: 'text', text: subject } }] };
  }
}

@Resolver()
@Injectable({ scope: Scope.REQUEST })
class PerRequest {
  @Tool({ name: 'per-request' })
  @RequireScopes('a')
  perRequest(@AuthInfo('subject') subject: string) {
    ran.push('per-request');
    return text({ subject });
  }
}

@Resolver()
class Made {
  @Tool({ name: 'made' })
  @RequireScopes('a')
  made(@AuthInfo('subject') subject: string) {
    ran.push('made');
    return text({ subject });
  }
}

class Base {
  @Tool({ name: 'inherited' })
  inherited() {
    ran.push('inherited');
    return text('done');
  }
}

@Resolver()
@RequireScopes('a')
class Derived extends Base {}

/** @param isFirst whether this library is imported before the framework, which then is initialised later */
export async function startHost(isFirst: boolean, transports: object): Promise<Host & { close(): Promise<void> }> {
  const issuer = await TestIssuer.start({ alg: 'ES256' });
  const port = await freePort();
  const resource = `http://127.0.0.1:${port}/mcp`;
  const auth = McpAuthModule.forRoot({
    resource,
    authorizationServers: [issuer.issuer],
    checkAuthorizationServers: false,
    consent: {
      url: 'https://mcp.example.com/connect',
      secret: 'a secret of this test that nobody can guess',
      tokenStore: { get: () => undefined, set: () => undefined, delete: () => undefined },
    },
  });
  const mcp = McpModule.forRoot({ name: 'host', version: '1.0.0', logging: { enabled: false }, transports });

  @Module({
    imports: isFirst ? [auth, mcp] : [mcp, auth],
    providers: [Handlers, PerRequest, Derived, { provide: 'MADE', useFactory: () => new Made() }],
  })
  class AppModule {}

  const app = await NestFactory.create(reachedAround(AppModule), {
    logger: ['error'],
    forceCloseConnections: true,
    abortOnError: false,
  });
  await app.listen(port, '127.0.0.1');
  return {
    issuer,
    resource,
    around: `http://127.0.0.1:${port}/around`,
    hasSessions: true,
    isSingle: true,
    ran,
    close: async () => {
      await app.close();
      await issuer.close();
    },
  };
}

type Handle = (request: object, response: object) => unknown;

/** Lays routes to the MCP server that no guard sees, once Nest has laid its own: before that, the start is refused. */
function reachedAround(module: Type) {
  @Module({ imports: [module] })
  class AroundModule implements OnModuleInit {
    constructor(
      private readonly host: HttpAdapterHost,
      private readonly modules: ModulesContainer,
    ) {}

    onModuleInit(): void {
      const providers = [...this.modules.values()].flatMap((one) => [...one.providers.values()]);
      const mcp = providers.find(({ name }) => name === 'StreamableService')?.instance as
        | Record<string, Handle>
        | undefined;
      const platform = this.host.httpAdapter.getInstance();
      platform.post('/around', (request: object, response: object) => mcp?.handlePostRequest?.(request, response));
      platform.delete('/around', (request: object, response: object) => mcp?.handleDeleteRequest?.(request, response));
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
