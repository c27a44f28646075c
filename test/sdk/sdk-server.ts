import 'reflect-metadata';
import {
  All,
  Controller,
  Inject,
  Req,
  Res,
  type INestApplication,
  type ModuleMetadata,
  type Provider,
  type Type,
} from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { McpServer as McpServerV1 } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import { McpAuthModule, ProtectedResource, type McpAuthModuleOptions } from 'nestjs-mcp-auth';
import { McpSdkBridge, McpSdkModule, type RegisterOptions } from 'nestjs-mcp-auth/sdk';
import { TestIssuer, type TestIssuerOptions } from 'nestjs-mcp-auth/testing';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Clock } from '../../lib/core/clock.js';
import { messagesOf, type Witness } from '../support/expectations.js';
import { freePort } from '../support/free-port.js';
import { openLogs, RECORDER } from '../support/notes-server.js';
import { adapterFor, type Platform, type PlatformRequest, type PlatformResponse } from '../support/platforms.js';

/** Whose server and transport are in use. */
export const SDKS = ['v1', 'v2'] as const;
export type Sdk = (typeof SDKS)[number];

/** The form of the messages: with a handshake before them, as up to 2025-11-25, or each complete, as from 2026-07-28. */
export type Era = '2025-11-25' | '2026-07-28';

/** What the SDK gets: Node's request, as the guard leaves it, its response, and the parsed body. */
export type Serve = (request: IncomingMessage, response: ServerResponse, body: unknown) => Promise<void>;

export interface SdkServerSettings {
  readonly sdk: Sdk;
  readonly platform?: Platform;
  readonly options?: Partial<McpAuthModuleOptions>;
  readonly issuer?: TestIssuerOptions;
  /** Turns off what protects every route, so that handlers have to protect themselves. */
  readonly globalGuard?: boolean;
  /** The classes with tools, resources and prompts, and what they need. */
  readonly providers: readonly Provider[];
  readonly imports?: ModuleMetadata['imports'];
  readonly controllers?: readonly Type[];
  /** Further MCP endpoints, by path; they get what is said here of all that is decorated. */
  readonly endpoints?: Readonly<Record<string, Endpoint>>;
  /** Ids of several protected resources, each at the path of its id. @default one resource, at the first endpoint */
  readonly resources?: readonly string[];
  /** Applied to the controllers of the endpoints. */
  readonly decorateEndpoint?: ClassDecorator;
  /** Put around what answers the MCP requests of the endpoints. */
  readonly around?: (serve: Serve) => Serve;
  /** Changes the application before it listens; gets what answers an MCP request, to mount it elsewhere. */
  readonly prepare?: (app: INestApplication, serve: Serve) => void;
}

export interface SdkServer extends Witness {
  readonly app: INestApplication;
  readonly issuer: TestIssuer;
  readonly origin: string;
  mint(claims?: Readonly<Record<string, unknown>>): Promise<string>;
  /** Sends one JSON-RPC request, to the first endpoint unless there is another path. */
  rpc(method: string, params?: object, settings?: RpcSettings): Promise<Response>;
  /** Sends one JSON-RPC request that is answered with 200, and returns the message that answers it. */
  ask(method: string, params: object, settings?: RpcSettings): Promise<RpcAnswer>;
  close(): Promise<void>;
}

export interface RpcSettings {
  readonly token?: string | undefined;
  readonly era?: Era;
  readonly path?: string;
}

export interface RpcAnswer {
  readonly result?: {
    readonly content?: readonly { readonly text?: string }[];
    readonly isError?: boolean;
    readonly _meta?: Readonly<Record<string, unknown>>;
    readonly [member: string]: unknown;
  };
  readonly error?: { readonly code: number; readonly message: string };
}

/** A list in a result. */
export function listOf<T>({ result }: RpcAnswer, member: string): T[] {
  return (result?.[member] ?? []) as T[];
}

/** The SDK serves what a bridge registers; one server and transport for each request, as its stateless mode wants it. */
export function serveWith(sdk: Sdk, bridge: McpSdkBridge, options?: RegisterOptions): Serve {
  const about = { name: 'test', version: '1.0.0' };
  if (sdk === 'v2') {
    const handler = createMcpHandler(() => {
      const server = new McpServer(about);
      bridge.register(server, options);
      return server;
    });
    return toNodeHandler(handler) as Serve;
  }
  return async (request, response, body) => {
    const server = new McpServerV1(about);
    bridge.register(server, options);
    const transport = new StreamableHTTPServerTransport({ enableJsonResponse: true });
    response.once('close', () => void server.close());
    await server.connect(transport as Parameters<typeof server.connect>[0]);
    await transport.handleRequest(request, response, body);
  };
}

type Endpoint = RegisterOptions & { readonly id?: string };

function endpointClass(
  path: string,
  { sdk, around = (serve) => serve }: SdkServerSettings,
  { id, ...options }: Endpoint,
): Type {
  @Controller(path)
  class McpEndpoint {
    readonly #serve: Serve;

    constructor(@Inject(McpSdkBridge) bridge: McpSdkBridge) {
      this.#serve = around(serveWith(sdk, bridge, options));
    }

    @All()
    handle(@Req() request: PlatformRequest, @Res() response: PlatformResponse): Promise<void> {
      response.hijack?.();
      return this.#serve(request.raw ?? request, response.raw ?? response, request.body ?? undefined);
    }
  }
  if (id !== undefined) ProtectedResource(id)(McpEndpoint);
  return McpEndpoint;
}

/** A NestJS application with MCP endpoints on the official SDK, protected by this library, over real HTTP. */
export async function startSdkServer(settings: SdkServerSettings, ran: string[] = []): Promise<SdkServer> {
  const { sdk, platform = 'express', endpoints = { mcp: {} } } = settings;
  const log: string[] = [];
  const clock = { now: Date.now() };
  const issuer = await TestIssuer.start({ alg: 'ES256', now: () => clock.now, ...settings.issuer });
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const [firstPath = 'mcp'] = Object.keys(endpoints);
  const resource = `${origin}/${firstPath}`;
  const authorizationServers = [issuer.issuer];
  const resources = settings.resources?.map((resourceId) => ({
    id: resourceId,
    resource: `${origin}/${resourceId}`,
    authorizationServers,
  }));
  const options = {
    ...(resources ? { resources } : { resource, authorizationServers }),
    ...settings.options,
  } as McpAuthModuleOptions;
  const controllers = Object.entries(endpoints).map(([path, endpoint]) => endpointClass(path, settings, endpoint));
  for (const controller of controllers) settings.decorateEndpoint?.(controller);
  const module = await Test.createTestingModule({
    imports: [
      McpAuthModule.forRoot({ ...options, globalGuard: settings.globalGuard ?? true }),
      McpSdkModule,
      ...(settings.imports ?? []),
    ],
    controllers: [...controllers, ...(settings.controllers ?? [])],
    providers: [...settings.providers],
  })
    .overrideProvider(Clock)
    .useValue({ now: () => clock.now, monotonic: () => clock.now, schedule: () => () => undefined })
    .compile();
  openLogs.add(log);
  const app = module.createNestApplication(adapterFor(platform), { logger: RECORDER });
  settings.prepare?.(app, serveWith(sdk, app.get(McpSdkBridge)));
  const close = async (): Promise<void> => {
    await app.close();
    openLogs.delete(log);
    await issuer.close();
  };
  try {
    await app.listen(port, '127.0.0.1');
  } catch (error) {
    await close();
    throw error;
  }

  let id = 0;
  const rpc: SdkServer['rpc'] = (method, params = {}, { token, era = '2025-11-25', path } = {}) => {
    const { name, uri } = params as { name?: string; uri?: string };
    const modern =
      era === '2025-11-25'
        ? {}
        : { 'mcp-method': method, ...((name ?? uri) !== undefined && { 'mcp-name': name ?? uri }) };
    return fetch(path === undefined ? resource : `${origin}/${path}`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': era,
        ...(modern as Record<string, string>),
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: ++id,
        method,
        params: { ...params, ...(era === '2026-07-28' && { _meta: ENVELOPE }) },
      }),
    });
  };
  const ask: SdkServer['ask'] = async (method, params, rpcSettings) => {
    const response = await rpc(method, params, rpcSettings);
    const text = await response.text();
    if (response.status !== 200) throw new Error(`${method} was answered ${response.status}: ${text}`);
    return messagesOf(text).find((message) => 'id' in (message as object)) as RpcAnswer;
  };
  return {
    app,
    issuer,
    origin,
    resource,
    ran,
    log,
    mint: (claims = {}) => issuer.mint({ aud: resource, ...claims }),
    rpc,
    ask,
    close,
  };
}

const ENVELOPE = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1.0.0' },
  'io.modelcontextprotocol/clientCapabilities': {},
};
