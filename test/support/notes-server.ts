import 'reflect-metadata';
import type { Server } from 'node:http';
import { inspect } from 'node:util';
import {
  Controller,
  Get,
  Post,
  type DynamicModule,
  type INestApplication,
  type LoggerService,
  type Provider,
  type Type,
} from '@nestjs/common';
import type { AbstractHttpAdapter } from '@nestjs/core';
import { Test, type TestingModuleBuilder } from '@nestjs/testing';
import { Payload } from '@nestjs/microservices';
import {
  McpController,
  McpHttpControllerFor,
  McpStrategy,
  StreamableHttpTransport,
  Tool,
  type McpServerOptions,
  type StreamableHttpTransportOptions,
} from '@rekog/mcp-nest';
import { z } from 'zod';
import {
  AuthInfo,
  Authorize,
  McpAuthModule,
  Public,
  RequireScopes,
  type McpAuthInfo,
  type McpAuthModuleExtras,
  type McpAuthModuleOptions,
  type PolicyContext,
} from 'nestjs-mcp-auth';
import { TestIssuer, type MintOptions, type TestIssuerOptions } from 'nestjs-mcp-auth/testing';
import { Clock } from '../../lib/core/clock.js';
import { REFUSAL_LOG_LIMITS } from '../../lib/observability/refusal-log.js';
import type { LogLimits } from '../../lib/observability/log-limit.js';
import { freePort } from './free-port.js';
import { toolController, type GivenTool } from './given-tool.js';
import { ManualClock } from './manual-clock.js';
import { adapterFor, type HttpsOptions, type Platform } from './platforms.js';
import { bearer, rpcTo, type SendRpc } from './rpc.js';

/** What a test of a protected MCP server works with. */
export interface NotesServer {
  readonly app: INestApplication;
  /** The MCP server, to register capabilities at run time. */
  readonly strategy: McpStrategy;
  readonly issuer: TestIssuer;
  /** `http://127.0.0.1:<port>`; `https:` with the setting {@link NotesServerSettings.https} */
  readonly origin: string;
  /** The resource identifier, which is also the URL of the MCP endpoint. */
  readonly resource: string;
  /** Names of the handlers that ran, in order. A refused request must not add any. */
  readonly ran: string[];
  /** All log lines of the application, at every level. */
  readonly log: string[];
  /** Moves the clock of the server; starts at the time of the test. */
  readonly clock: { now: number };
  /** Issues an access token for this resource; claims and options as in `TestIssuer.mint`. */
  mint(claims?: Readonly<Record<string, unknown>>, options?: MintOptions): Promise<string>;
  /** Sends one JSON-RPC request to the MCP endpoint. */
  readonly rpc: SendRpc;
  /** Sends `tools/call`, with the token, if any, in `Authorization: Bearer`. */
  callTool(name: string, token?: string, args?: object, headers?: Record<string, string>): Promise<Response>;
  close(): Promise<void>;
}

export interface NotesServerSettings {
  readonly options?: Partial<McpAuthModuleOptions> & McpAuthModuleExtras;
  readonly issuer?: TestIssuerOptions;
  /** An issuer that the test has started, and closes itself. */
  readonly sharedIssuer?: TestIssuer;
  /** Tools of the test, in addition to those of every notes server. */
  readonly tools?: readonly GivenTool[];
  readonly controllers?: readonly Type[];
  readonly providers?: readonly Provider[];
  readonly imports?: readonly (Type | DynamicModule)[];
  /** Imported before `McpAuthModule`: Nest runs global guards in the order of imports. */
  readonly importsBefore?: readonly (Type | DynamicModule)[];
  readonly path?: string;
  /** Where clients reach the MCP endpoint, if a prefix or version comes before {@link path}. @default path */
  readonly resourcePath?: string;
  /** Replaces the default adapter, for example by one with HTTP/2. */
  readonly adapter?: AbstractHttpAdapter;
  /** Serves over TLS. An adapter of the test must do so itself. @default plain HTTP */
  readonly https?: HttpsOptions;
  /** Options of the MCP transport, such as `statefulMode`. They do not affect the endpoint at {@link path}. */
  readonly transport?: StreamableHttpTransportOptions;
  /** What the MCP server says of caching its lists (SEP-2549). */
  readonly cacheHints?: McpServerOptions['cacheHints'];
  /** Whether Nest parses bodies, before the guard sees them. @default true */
  readonly bodyParser?: boolean;
  /** Whether global enhancers apply to MCP handlers, too. @default false */
  readonly inheritAppConfig?: boolean;
  /** Applied to the controller of the MCP endpoint, such as `UseFilters(…)`. */
  readonly decorateEndpoint?: ClassDecorator;
  /** Changes the testing module before it is compiled. */
  readonly configure?: (builder: TestingModuleBuilder) => TestingModuleBuilder;
  /** Changes the application before it is initialised. */
  readonly prepare?: (app: INestApplication) => void | Promise<void>;
}

/**
 * Starts a NestJS MCP server on `@rekog/mcp-nest`, protected by this library, with its own issuer, over real HTTP.
 *
 * Tools: `ping` (baseline), `whoami` (answers the caller as JSON), `read-note` (`a`), `write-note` (`a b`), `admin`
 * (`admin`), `forbidden` (a policy denies it), `by-argument` (a policy requires the scope named in `scope`).
 * A test adds other tools with `tools`.
 * Routes: GET `/plain` (baseline), POST `/plain/scoped` (`a b`), GET `/open` (public), GET `/open/mixed` (scope `a`).
 */
export async function startNotesServer(platform: Platform, settings: NotesServerSettings = {}): Promise<NotesServer> {
  const ran: string[] = [];
  const log: string[] = [];
  const clock = new ManualClock();
  const issuer = settings.sharedIssuer ?? (await TestIssuer.start({ now: () => clock.now, ...settings.issuer }));
  const path = settings.path ?? '/mcp';
  const transport = new StreamableHttpTransport(settings.transport);
  const strategy = new McpStrategy({
    name: 'notes',
    version: '1.0.0',
    transports: [transport],
    logging: false,
    ...(settings.cacheHints && { cacheHints: settings.cacheHints }),
  });

  @Controller(path)
  class McpEndpoint extends McpHttpControllerFor(transport) {}
  settings.decorateEndpoint?.(McpEndpoint);

  const text = (value: string): object => ({ content: [{ type: 'text', text: value }] });

  @McpController()
  class NotesTools {
    @Tool({ name: 'ping', description: 'Baseline only' })
    ping(): object {
      ran.push('ping');
      return text('pong');
    }

    @Tool({ name: 'whoami', description: 'Who calls' })
    whoami(@AuthInfo() auth: McpAuthInfo): object {
      ran.push('whoami');
      const { clientId, scopes, issuer: iss, subject, principalKey, kind, actor, claims } = auth;
      return text(JSON.stringify({ clientId, scopes, issuer: iss, subject, principalKey, kind, actor, claims }));
    }

    @Tool({ name: 'read-note', description: 'Needs a' })
    @RequireScopes('a')
    readNote(): object {
      ran.push('read-note');
      return text('a note');
    }

    @Tool({ name: 'write-note', description: 'Needs a and b' })
    @RequireScopes('a', 'b')
    writeNote(): object {
      ran.push('write-note');
      return text('written');
    }

    @Tool({ name: 'admin', description: 'Needs admin' })
    @RequireScopes('admin')
    admin(): object {
      ran.push('admin');
      return text('done');
    }

    @Tool({ name: 'forbidden', description: 'A policy says no' })
    @Authorize(() => false)
    forbidden(): object {
      ran.push('forbidden');
      return text('never');
    }

    @Tool({ name: 'by-argument', description: 'Scope from arguments', parameters: z.object({ scope: z.string() }) })
    @RequireScopes('a')
    @Authorize(({ args }: PolicyContext) => [(args as { scope: string }).scope])
    byArgument(@Payload() { scope }: { scope: string }): object {
      ran.push('by-argument');
      return text(scope);
    }
  }

  @Controller('plain')
  class PlainController {
    @Get()
    get(@AuthInfo('subject') subject: string): object {
      ran.push('plain');
      return { subject };
    }

    @Post('scoped')
    @RequireScopes('a', 'b')
    scoped(): object {
      ran.push('scoped');
      return { ok: true };
    }
  }

  @Controller('open')
  @Public()
  class OpenController {
    @Get()
    get(@AuthInfo() auth: McpAuthInfo | undefined): object {
      ran.push('open');
      return { caller: auth?.subject ?? null };
    }

    @Get('mixed')
    @RequireScopes('a')
    mixed(): object {
      ran.push('mixed');
      return { ok: true };
    }
  }

  // The resource contains the port, so the port must be known first.
  const port = await freePort();
  const { https } = settings;
  const origin = `${https ? 'https' : 'http'}://127.0.0.1:${port}`;
  const resource = origin + (settings.resourcePath ?? path);
  const options = {
    resource,
    authorizationServers: [issuer.issuer],
    // Tests count the requests to the issuer: a check at the start would add some.
    checkAuthorizationServers: false,
    ...settings.options,
  } as McpAuthModuleOptions;
  const builder = Test.createTestingModule({
    imports: [...(settings.importsBefore ?? []), McpAuthModule.forRoot(options), ...(settings.imports ?? [])],
    controllers: [
      McpEndpoint,
      NotesTools,
      ...(settings.tools ?? []).map((tool) => toolController(tool, ran)),
      PlainController,
      OpenController,
      ...(settings.controllers ?? []),
    ],
    providers: [...(settings.providers ?? [])],
  })
    .overrideProvider(Clock)
    .useValue(clock.provider)
    .overrideProvider(REFUSAL_LOG_LIMITS)
    .useValue(UNLIMITED);
  const module = await (settings.configure?.(builder) ?? builder).compile();
  openLogs.add(log);
  const app = module.createNestApplication(settings.adapter ?? adapterFor(platform, https), {
    logger: RECORDER,
    bodyParser: settings.bodyParser ?? true,
    ...(https && platform === 'express' && { httpsOptions: https }),
  });
  await settings.prepare?.(app);
  strategy.setHttpAdapter(app.getHttpAdapter());
  app.connectMicroservice({ strategy }, { inheritAppConfig: settings.inheritAppConfig ?? false });
  const close = async (): Promise<void> => {
    await app.close();
    openLogs.delete(log);
    if (!settings.sharedIssuer) await issuer.close();
  };
  try {
    await app.startAllMicroservices();
    await app.listen(port, '127.0.0.1');
  } catch (error) {
    await close();
    throw error;
  }

  const rpc = rpcTo(resource);
  return {
    app,
    strategy,
    issuer,
    origin,
    resource,
    ran,
    log,
    clock,
    mint: (claims = {}, mintOptions = {}) => issuer.mint({ aud: resource, ...claims }, mintOptions),
    rpc,
    callTool: (name, token, args = {}, headers = {}) =>
      rpc('tools/call', { name, arguments: args }, { ...bearer(token), ...headers }),
    close,
  };
}

/** Closes a server without waiting for open connections, such as streams. */
export async function closeAtOnce(server: NotesServer): Promise<void> {
  (server.app.getHttpServer() as Server).closeAllConnections();
  await server.close();
}

/** Log limits with a line for every refusal, so that tests see the reason of each. */
export const UNLIMITED: LogLimits = { quietMs: 0, linesPerSecond: Infinity, maxKeys: 1 };

/** The logs of all running servers. Nest has one logger for the process, so each log gets the lines of all servers. */
export const openLogs = new Set<string[]>();

/** Records every line at every level as text, with all details that a console would show, including causes of errors. */
export const RECORDER: LoggerService = {
  log: write,
  error: write,
  warn: write,
  debug: write,
  verbose: write,
  fatal: write,
};

function write(...values: unknown[]): void {
  const lines = values.map(textOf);
  for (const log of openLogs) log.push(...lines);
}

function textOf(value: unknown): string {
  if (value instanceof Error) return inspect(value, { depth: Infinity });
  return typeof value === 'string' ? value : JSON.stringify(value);
}
