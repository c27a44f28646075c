import 'reflect-metadata';
import { Controller, Get, type INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { McpController, McpHttpControllerFor, McpStrategy, StreamableHttpTransport, Tool } from '@rekog/mcp-nest';
import {
  AuthInfo,
  Authorize,
  McpAuthModule,
  ProtectedResource,
  RequireScopes,
  type McpAuthInfo,
  type ProtectedResourceOptions,
} from 'nestjs-mcp-auth';
import { Clock } from '../../lib/core/clock.js';
import type { Witness } from './expectations.js';
import { freePort } from './free-port.js';
import { ManualClock } from './manual-clock.js';
import { openLogs, RECORDER } from './notes-server.js';
import { adapterFor, type Platform } from './platforms.js';
import { bearer, rpcTo } from './rpc.js';

/** One of the two MCP servers of the application, for helpers that expect one server. */
export interface ResourceUnderTest extends Witness {
  /** Sends `tools/call` to this MCP endpoint. */
  callTool(name: string, token?: string): Promise<Response>;
  /** Sends GET to the plain HTTP route of this resource. */
  getPlain(token?: string): Promise<Response>;
}

export interface TwoResourcesServer {
  readonly app: INestApplication;
  readonly clock: { now: number };
  readonly notes: ResourceUnderTest;
  readonly billing: ResourceUnderTest;
  close(): Promise<void>;
}

/**
 * Starts a NestJS application with two MCP servers, each its own protected resource: `notes` and `billing`.
 *
 * Each has a plain route and the tools `ping` (baseline), `whoami` and `shared`, which needs `notes:read` in `notes` and
 * `billing:write` in `billing`. `billing` also serves `stray`, which declares that it belongs to `notes`.
 *
 * @param options of each resource, besides its identifier and id
 */
export async function startTwoResourcesServer(
  platform: Platform,
  options: Readonly<Record<'notes' | 'billing', Omit<ProtectedResourceOptions, 'resource' | 'id'>>>,
): Promise<TwoResourcesServer> {
  const ran: string[] = [];
  const log: string[] = [];
  const clock = new ManualClock();
  const transports = { notes: new StreamableHttpTransport(), billing: new StreamableHttpTransport() };

  @Controller('notes/mcp')
  @ProtectedResource('notes')
  class NotesEndpoint extends McpHttpControllerFor(transports.notes) {}

  @Controller('billing/mcp')
  @ProtectedResource('billing')
  class BillingEndpoint extends McpHttpControllerFor(transports.billing) {}

  const text = (value: string): object => ({ content: [{ type: 'text', text: value }] });

  @McpController({ server: 'notes' })
  @ProtectedResource('notes')
  class NotesTools {
    @Tool({ name: 'ping', description: 'Baseline only' })
    ping(): object {
      ran.push('notes ping');
      return text('pong');
    }

    @Tool({ name: 'whoami', description: 'Who calls' })
    whoami(@AuthInfo() auth: McpAuthInfo): object {
      ran.push('notes whoami');
      return text(JSON.stringify({ ...auth, resource: auth.resource.href }));
    }

    @Tool({ name: 'shared', description: 'Needs notes:read' })
    @RequireScopes('notes:read')
    shared(): object {
      ran.push('notes shared');
      return text('shared');
    }
  }

  @McpController({ server: 'billing' })
  @ProtectedResource('billing')
  class BillingTools {
    @Tool({ name: 'ping', description: 'Baseline only' })
    ping(): object {
      ran.push('billing ping');
      return text('pong');
    }

    @Tool({ name: 'whoami', description: 'Who calls' })
    whoami(@AuthInfo() auth: McpAuthInfo): object {
      ran.push('billing whoami');
      return text(JSON.stringify({ ...auth, resource: auth.resource.href }));
    }

    @Tool({ name: 'shared', description: 'Needs billing:write' })
    @RequireScopes('billing:write')
    shared(): object {
      ran.push('billing shared');
      return text('shared');
    }
  }

  @McpController({ server: 'billing' })
  @ProtectedResource('notes')
  class StrayTools {
    @Tool({ name: 'stray', description: 'Served by one resource, declared for the other' })
    @Authorize(() => true)
    stray(): object {
      ran.push('stray');
      return text('stray');
    }
  }

  @Controller()
  class PlainController {
    @Get('notes/plain')
    @ProtectedResource('notes')
    notes(): object {
      ran.push('notes plain');
      return { ok: true };
    }

    @Get('billing/plain')
    @ProtectedResource('billing')
    billing(): object {
      ran.push('billing plain');
      return { ok: true };
    }
  }

  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const resources = (['notes', 'billing'] as const).map((id) => ({
    ...options[id],
    id,
    resource: `${origin}/${id}/mcp`,
  }));
  const module = await Test.createTestingModule({
    imports: [McpAuthModule.forRoot({ resources, checkAuthorizationServers: false })],
    controllers: [NotesEndpoint, BillingEndpoint, NotesTools, BillingTools, StrayTools, PlainController],
  })
    .overrideProvider(Clock)
    .useValue(clock.provider)
    .compile();
  openLogs.add(log);
  const app = module.createNestApplication(adapterFor(platform), { logger: RECORDER });
  for (const server of ['notes', 'billing'] as const) {
    const strategy = new McpStrategy({
      name: server,
      version: '1.0.0',
      server,
      transports: [transports[server]],
      logging: false,
    });
    strategy.setHttpAdapter(app.getHttpAdapter());
    app.connectMicroservice({ strategy });
  }
  await app.startAllMicroservices();
  await app.listen(port, '127.0.0.1');

  const underTest = (name: 'notes' | 'billing'): ResourceUnderTest => {
    const resource = `${origin}/${name}/mcp`;
    const rpc = rpcTo(resource);
    return {
      ran,
      log,
      resource,
      callTool: (tool, token) => rpc('tools/call', { name: tool, arguments: {} }, bearer(token)),
      getPlain: (token) => fetch(`${origin}/${name}/plain`, { headers: bearer(token) }),
    };
  };
  const close = async (): Promise<void> => {
    await app.close();
    openLogs.delete(log);
  };
  return { app, clock, notes: underTest('notes'), billing: underTest('billing'), close };
}
