import 'reflect-metadata';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  Controller,
  Get,
  Injectable,
  Module,
  UnauthorizedException,
  UseGuards,
  type CanActivate,
  type ExecutionContext,
} from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { McpHttpControllerFor, StreamableHttpTransport } from '@rekog/mcp-nest';
import { McpAuthConfigError, McpAuthGuard, Public } from 'nestjs-mcp-auth';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';

/** The code of docs/guides/existing-application.md, and what the page says of it. */

// #region public
@Controller('status')
@Public()
export class StatusController {
  @Get()
  status() {
    return { ok: true };
  }
}
// #endregion

const transport = new StreamableHttpTransport();

// #region bound
@Controller('mcp')
@UseGuards(McpAuthGuard)
export class McpHttpController extends McpHttpControllerFor(transport) {}
// #endregion

// #region own-guard
const MCP_PATHS = ['/mcp', '/.well-known/oauth-protected-resource'];

@Injectable()
export class ApiKeyGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    if (context.getType() !== 'http') return true;
    const request = context.switchToHttp().getRequest<{ url: string; headers: Record<string, string | undefined> }>();
    if (MCP_PATHS.some((path) => request.url.startsWith(path))) return true; // McpAuthGuard decides there
    if (request.headers['x-api-key'] !== 'the key of our partner') throw new UnauthorizedException();
    return true;
  }
}

@Module({ providers: [{ provide: APP_GUARD, useClass: ApiKeyGuard }] })
export class ApiKeyModule {}
// #endregion

@Controller('orders')
class OrdersController {
  @Get()
  orders() {
    return ['an order'];
  }
}

/** What is bound to the controller of the page, for the controller of the test. */
function bindingsOf(documented: object): ClassDecorator {
  const guards = Reflect.getMetadata('__guards__', documented) as Parameters<typeof UseGuards>;
  return UseGuards(...guards) as ClassDecorator;
}

describe.each(PLATFORMS)('an application that was there before, on %s', (platform) => {
  let server: NotesServer | undefined;
  afterEach(async () => server?.close());

  it('keeps the routes that are public under the global guard, and closes the others', async () => {
    server = await startNotesServer(platform, { controllers: [StatusController, OrdersController] });
    expect((await fetch(`${server.origin}/status`)).status).toBe(200);
    expect((await fetch(`${server.origin}/orders`)).status).toBe(401);
  });

  it('keeps every route with globalGuard: "mcp", and MCP is protected all the same', async () => {
    server = await startNotesServer(platform, { options: { globalGuard: 'mcp' }, controllers: [OrdersController] });
    expect((await fetch(`${server.origin}/orders`)).status).toBe(200);
    expect((await server.callTool('ping')).status).toBe(401);
    expect((await server.callTool('ping', await server.mint())).status).toBe(200);
  });

  it('keeps every route with globalGuard: false, and starts only if the guard is bound to MCP', async () => {
    const settings = { options: { globalGuard: false }, controllers: [OrdersController] } as const;
    await expect(startNotesServer(platform, settings)).rejects.toThrow(McpAuthConfigError);
    server = await startNotesServer(platform, { ...settings, decorateEndpoint: bindingsOf(McpHttpController) });
    expect((await fetch(`${server.origin}/orders`)).status).toBe(200);
    expect((await server.callTool('ping')).status).toBe(401);
    expect((await server.callTool('ping', await server.mint())).status).toBe(200);
  });

  it('keeps its own guard for its own routes', async () => {
    server = await startNotesServer(platform, {
      options: { globalGuard: 'mcp' },
      controllers: [OrdersController],
      imports: [ApiKeyModule],
    });
    expect((await fetch(`${server.origin}/orders`)).status).toBe(401);
    expect(
      (await fetch(`${server.origin}/orders`, { headers: { 'x-api-key': 'the key of our partner' } })).status,
    ).toBe(200);
    const refused = await server.callTool('ping');
    expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([
      401,
      expect.stringContaining('resource_metadata='),
    ]);
    expect((await server.callTool('ping', await server.mint())).status).toBe(200);
  });

  it('lets clients in a browser in once CORS is on', async () => {
    server = await startNotesServer(platform, { prepare: (app) => app.enableCors() });
    const preflight = await fetch(server.resource, {
      method: 'OPTIONS',
      headers: {
        origin: 'http://localhost:6274',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization',
      },
    });
    expect([preflight.status, preflight.headers.get('access-control-allow-origin')]).toEqual([204, '*']);
  });
});
