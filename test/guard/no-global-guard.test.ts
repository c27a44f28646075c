import { afterEach, describe, expect, it } from '@jest/globals';
import {
  Controller,
  Get,
  Injectable,
  UseGuards,
  type CanActivate,
  type ExecutionContext,
  type INestApplication,
} from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { McpAuthConfigError, McpAuthGuard, RequireScopes } from 'nestjs-mcp-auth';
import { expectRefusal, expectServed, resetRecorded } from '../support/expectations.js';
import { startNotesServer, type NotesServer, type NotesServerSettings } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { bearer } from '../support/rpc.js';

const issuer = { alg: 'ES256' } as const;

describe.each(PLATFORMS)('globalGuard: false, on %s', (platform) => {
  let server: NotesServer | undefined;
  afterEach(async () => {
    await server?.close();
    server = undefined;
  });

  async function start(settings: NotesServerSettings): Promise<NotesServer> {
    server = await startNotesServer(platform, { issuer, ...settings, options: { globalGuard: false } });
    return server;
  }

  async function refusalOf(settings: NotesServerSettings): Promise<McpAuthConfigError> {
    const outcome: unknown = await start(settings).catch((error: unknown) => error);
    if (outcome instanceof McpAuthConfigError) return outcome;
    throw outcome instanceof Error ? outcome : new Error('The application started');
  }

  it('LIB-21: refuses to start if the MCP endpoint answers without a token, and says what to write', async () => {
    const error = await refusalOf({});
    expect(error.problems).toEqual([
      {
        option: 'POST /mcp',
        seen: expect.stringMatching(/^an answer with status 20[01] to a request without a token$/),
        why: 'globalGuard is false, and McpAuthGuard does not run before it',
        write: expect.stringContaining('Write @UseGuards(McpAuthGuard) on the controller that serves it'),
      },
    ]);
  });

  it('LIB-21: refuses to start if the MCP endpoint lies at /mcp, where no resource is', async () => {
    const error = await refusalOf({ path: '/mcp', resourcePath: '/elsewhere' });
    expect(error.problems.map(({ option }) => option)).toEqual(['POST /mcp']);
  });

  it('LIB-21: refuses to start if a guard of the application admits anybody', async () => {
    @Injectable()
    class Anybody implements CanActivate {
      canActivate(): boolean {
        return true;
      }
    }
    const error = await refusalOf({ decorateEndpoint: UseGuards(Anybody) as ClassDecorator });
    expect(error.problems.map(({ option }) => option)).toEqual(['POST /mcp']);
  });

  it.each<[string, ClassDecorator]>([
    ['@UseGuards(McpAuthGuard)', UseGuards(McpAuthGuard) as ClassDecorator],
    ['@RequireScopes()', RequireScopes('mcp') as ClassDecorator],
  ])('protects an endpoint with %s, and leaves every other route alone', async (_decorator, decorateEndpoint) => {
    @Controller('orders')
    class Orders {
      @Get()
      get(): object {
        return {};
      }
    }
    const started = await start({ decorateEndpoint, controllers: [Orders] });
    expect((await fetch(`${started.origin}/orders`)).status).toBe(200);
    expect((await fetch(`${started.origin}/plain`)).status).toBe(200);
    resetRecorded(started);
    await expectRefusal(started, await started.callTool('ping'), {
      status: 401,
      ...(_decorator !== '@UseGuards(McpAuthGuard)' && { scope: 'mcp' }),
    });
    const token = await started.mint({ scope: 'mcp a' });
    await expectServed(started, await started.callTool('read-note', token), 'read-note');
  });

  it('leaves MCP messages at other routes alone, unlike globalGuard: "mcp"', async () => {
    @Controller('echo')
    class Echo {
      @Get()
      get(): object {
        return { ok: true };
      }
    }
    const started = await start({ controllers: [Echo], decorateEndpoint: UseGuards(McpAuthGuard) as ClassDecorator });
    const response = await fetch(`${started.origin}/echo`, { headers: { 'mcp-session-id': 'x' } });
    expect([response.status, await response.json()]).toEqual([200, { ok: true }]);
  });

  it('starts with McpAuthGuard as a global guard of the application', async () => {
    const started = await start({ providers: [{ provide: APP_GUARD, useExisting: McpAuthGuard }] });
    expect((await fetch(`${started.origin}/plain`)).status).toBe(401);
    expect((await started.callTool('ping')).status).toBe(401);
    expect((await started.callTool('ping', await started.mint())).status).toBe(200);
  });

  it('starts with McpAuthGuard in useGlobalGuards()', async () => {
    const prepare = (app: INestApplication): void => void app.useGlobalGuards(app.get(McpAuthGuard));
    const started = await start({ prepare });
    expect((await started.callTool('ping')).status).toBe(401);
    expect((await started.callTool('ping', await started.mint())).status).toBe(200);
  });

  it('starts with a guard of the application that calls McpAuthGuard', async () => {
    @Injectable()
    class KeyOrToken implements CanActivate {
      constructor(private readonly guard: McpAuthGuard) {}

      async canActivate(context: ExecutionContext): Promise<boolean> {
        const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, unknown> }>();
        return headers['x-api-key'] === 'good' || (await this.guard.authorize(context), true);
      }
    }
    const started = await start({ decorateEndpoint: UseGuards(KeyOrToken) as ClassDecorator });
    const call = (headers: Record<string, string>): Promise<Response> =>
      started.rpc('tools/call', { name: 'ping', arguments: {} }, headers);
    expect((await call({})).status).toBe(401);
    expect((await call({ 'x-api-key': 'good' })).status).toBe(200);
    expect((await call(bearer(await started.mint()))).status).toBe(200);
  });
});
