import 'reflect-metadata';
import type { Server } from 'node:http';
import { Controller, type INestApplication, type Provider, type Type } from '@nestjs/common';
import type { AbstractHttpAdapter } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import {
  McpController,
  McpHttpControllerFor,
  McpStrategy,
  StreamableHttpTransport,
  Tool,
  type StreamableHttpTransportOptions,
} from '@rekog/mcp-nest';
import {
  AuthInfo,
  Authorize,
  McpAuthModule,
  type McpAuthInfo,
  type McpAuthModuleExtras,
  type McpAuthModuleOptions,
} from 'nestjs-mcp-auth';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { Clock } from '../../lib/core/clock.js';
import { recorder, type LogLine } from './log-lines.js';
import { ManualClock } from './manual-clock.js';
import { adapterFor, listen, type Platform } from './platforms.js';
import { sendRaw, type RawResponse } from './raw-http.js';

/** An MCP server whose resource has variables. */
export interface TenantsServer {
  readonly app: INestApplication;
  readonly issuer: TestIssuer;
  readonly origin: string;
  readonly clock: { now: number };
  readonly log: readonly LogLine[];
  /** What the tools got, in order. A refused request must not add anything. */
  readonly ran: unknown[];
  /** Calls the tool at a host and path, as sent. */
  call(host: string, path: string, token?: string, tool?: string): Promise<RawResponse>;
  /** Sends GET to a host and path, as sent. */
  get(host: string, path: string): Promise<RawResponse>;
  close(): Promise<void>;
}

export interface TenantsSettings {
  /** Those of one resource, with the issuer of the server as the default; or a function from that issuer to all options. */
  readonly options: (Partial<McpAuthModuleOptions> & McpAuthModuleExtras) | ((issuer: string) => McpAuthModuleOptions);
  /** The path of the controller. @default mcp */
  readonly route?: string | string[];
  readonly controllers?: readonly Type[];
  readonly providers?: readonly Provider[];
  /** Options of the MCP transport. */
  readonly transport?: StreamableHttpTransportOptions;
  /** Changes the application before it is initialised. */
  readonly prepare?: (app: INestApplication) => unknown;
  /** Replaces the default adapter, for example by one with HTTP/2. */
  readonly adapter?: AbstractHttpAdapter;
}

export const ROOT = '/.well-known/oauth-protected-resource';

/** Starts the server, or closes what it has started. */
export async function startTenantsServer(platform: Platform, settings: TenantsSettings): Promise<TenantsServer> {
  const clock = new ManualClock();
  const issuer = await TestIssuer.start({ alg: 'ES256', now: () => clock.now });
  try {
    return await startWith(issuer, clock, platform, settings);
  } catch (error) {
    await issuer.close();
    throw error;
  }
}

/**
 * The server has the tools `whoami`, which answers `resource` and `resourceVariables` of its caller, and `acme-only`, which
 * a policy allows for the tenant `acme` alone.
 */
async function startWith(
  issuer: TestIssuer,
  clock: ManualClock,
  platform: Platform,
  settings: TenantsSettings,
): Promise<TenantsServer> {
  const ran: unknown[] = [];
  const log: LogLine[] = [];
  const transport = new StreamableHttpTransport(settings.transport);

  @Controller(settings.route ?? 'mcp')
  class Endpoint extends McpHttpControllerFor(transport) {}

  @McpController()
  class Tools {
    @Tool({ name: 'whoami', description: 'Who calls, and at which tenant' })
    whoami(@AuthInfo() auth: McpAuthInfo, @AuthInfo('resource') resource: URL): object {
      const { resourceVariables } = auth;
      ran.push({ resource: resource.href, resourceVariables, isFrozen: Object.isFrozen(resourceVariables) });
      return { content: [{ type: 'text', text: JSON.stringify({ resource, resourceVariables }) }] };
    }

    @Tool({ name: 'acme-only', description: 'A policy asks for the tenant' })
    @Authorize(({ auth }) => auth.resourceVariables['tenant'] === 'acme')
    acmeOnly(): object {
      ran.push('acme-only');
      return { content: [] };
    }
  }

  const given = settings.options;
  const options = {
    checkAuthorizationServers: false,
    ...(typeof given === 'function' ? given(issuer.issuer) : { authorizationServers: [issuer.issuer], ...given }),
  } as McpAuthModuleOptions;
  const module = await Test.createTestingModule({
    imports: [McpAuthModule.forRoot(options)],
    controllers: [Endpoint, Tools, ...(settings.controllers ?? [])],
    providers: [...(settings.providers ?? [])],
  })
    .overrideProvider(Clock)
    .useValue(clock.provider)
    .compile();
  const app = module.createNestApplication(settings.adapter ?? adapterFor(platform), { logger: recorder(log) });
  const strategy = new McpStrategy({ name: 'tenants', version: '1', transports: [transport], logging: false });
  strategy.setHttpAdapter(app.getHttpAdapter());
  app.connectMicroservice({ strategy });
  settings.prepare?.(app);
  await app.startAllMicroservices();
  const origin = await listen(app);

  const close = async (): Promise<void> => {
    (app.getHttpServer() as Partial<Server>).closeAllConnections?.();
    await app.close();
    await issuer.close();
  };
  return {
    app,
    issuer,
    origin,
    clock,
    log,
    ran,
    call: (host, path, token, tool = 'whoami') =>
      sendRaw(origin, {
        path,
        headers: [
          `Host: ${host}`,
          'Content-Type: application/json',
          'Accept: application/json, text/event-stream',
          'MCP-Protocol-Version: 2025-11-25',
          ...(token === undefined ? [] : [`Authorization: Bearer ${token}`]),
        ],
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: tool, arguments: {} } }),
      }),
    get: (host, path) => sendRaw(origin, { method: 'GET', path, headers: [`Host: ${host}`] }),
    close,
  };
}

/** A function for `resolveTenant` that knows these tenants, and what it was asked. */
export function knowing(...tenants: readonly string[]): {
  readonly asked: Readonly<Record<string, string>>[];
  readonly resolveTenant: (variables: Readonly<Record<string, string>>) => Promise<object | undefined>;
} {
  const asked: Readonly<Record<string, string>>[] = [];
  return {
    asked,
    resolveTenant: async (variables) => {
      asked.push(variables);
      return tenants.includes(String(variables['tenant'])) ? {} : undefined;
    },
  };
}
