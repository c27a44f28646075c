import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  Controller,
  Get,
  Inject,
  Injectable,
  Post,
  UseGuards,
  type CanActivate,
  type ExecutionContext,
  type INestApplication,
} from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { McpController, Prompt, Resource, Tool } from '@rekog/mcp-nest';
import { defer, delay, type Observable } from 'rxjs';
import {
  AuthInfo,
  McpAuthConfigError,
  McpAuthError,
  McpAuthGuard,
  McpAuthModule,
  McpAuthService,
  ProtectedResource,
  Public,
  RequireAnyScope,
  RequireScopes,
  type McpAuthErrorCode,
  type McpAuthInfo,
  type McpAuthReason,
} from 'nestjs-mcp-auth';
import { generateTestKey, parseChallenges } from 'nestjs-mcp-auth/testing';
import { expectRefusal, expectServed, resetRecorded, messagesOf, metadataUrlOf } from './support/expectations.js';
import { startNotesServer, type NotesServer, type NotesServerSettings } from './support/notes-server.js';
import { adapterFor, listen, PLATFORMS } from './support/platforms.js';

const issuer = { alg: 'ES256' } as const;
const bearer = (token: string): { authorization: string } => ({ authorization: `Bearer ${token}` });
const text = (value: string): object => ({ content: [{ type: 'text', text: value }] });

interface ToolResult {
  readonly content: readonly { readonly text: string }[];
  readonly isError?: boolean;
  readonly _meta?: Readonly<Record<string, unknown>>;
}

/** The result of a `tools/call` that was answered with 200. */
async function resultOf(response: Response): Promise<ToolResult> {
  expect(response.status).toBe(200);
  const [message] = messagesOf(await response.text()) as [{ result: ToolResult }];
  return message.result;
}

/** The challenges where ChatGPT looks for them. */
function challengesOf({ _meta }: ToolResult): ReturnType<typeof parseChallenges> {
  return parseChallenges((_meta?.['mcp/www_authenticate'] ?? []) as string[]);
}

describe.each(PLATFORMS)('McpAuthGuard.authorize() in a guard of the application, on %s', (platform) => {
  /** Takes an API key, or else an OAuth access token. */
  @Injectable()
  class ApiKeyOrOAuthGuard implements CanActivate {
    static readonly callers: unknown[] = [];

    constructor(@Inject(McpAuthGuard) private readonly mcpAuth: McpAuthGuard) {}

    async canActivate(context: ExecutionContext): Promise<boolean> {
      const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, string | undefined> }>();
      if (headers['x-api-key'] === 'correct') return true;
      ApiKeyOrOAuthGuard.callers.push((await this.mcpAuth.authorize(context))?.subject);
      return true;
    }
  }

  let server: NotesServer;
  let token: string;
  const key = { 'x-api-key': 'correct' };

  beforeAll(async () => {
    server = await startNotesServer(platform, {
      issuer,
      options: { globalGuard: false },
      providers: [{ provide: APP_GUARD, useClass: ApiKeyOrOAuthGuard }],
    });
    token = await server.mint({ scope: 'a' });
  });
  afterAll(() => server.close());
  beforeEach(() => {
    resetRecorded(server);
    ApiKeyOrOAuthGuard.callers.length = 0;
  });

  it('lets an access token through, and hands the caller to the guard and to the handler', async () => {
    await expectServed(server, await server.callTool('read-note', token), 'read-note');
    resetRecorded(server);
    const plain = await fetch(`${server.origin}/plain`, { headers: bearer(token) });
    expect(await expectServed(server, plain, 'plain')).toBe('{"subject":"alice"}');
    expect(ApiKeyOrOAuthGuard.callers).toEqual(['alice', 'alice']);
  });

  it('lets an API key through to what needs no scope', async () => {
    await expectServed(server, await server.callTool('ping', undefined, {}, key), 'ping');
    resetRecorded(server);
    const plain = await fetch(`${server.origin}/plain`, { headers: key });
    expect(await expectServed(server, plain, 'plain')).toBe('{}');
    expect(ApiKeyOrOAuthGuard.callers).toEqual([]);
  });

  it('throws what becomes the same answers that the guard itself gives', async () => {
    await expectRefusal(server, await server.callTool('ping'), { status: 401 });
    await expectRefusal(server, await server.callTool('write-note'), { status: 401, scope: 'a b' });
    const bad = await server.callTool('ping', 'garbage');
    await expectRefusal(server, bad, { status: 401, error: 'invalid_token', token: 'garbage' });
    const poor = await server.callTool('write-note', token);
    await expectRefusal(server, poor, { status: 403, error: 'insufficient_scope', scope: 'a b', token });
    await expectRefusal(server, await server.callTool('forbidden', token), { status: 403, token });
    await expectRefusal(server, await fetch(`${server.origin}/plain`), { status: 401 });
    const wrongKey = await server.callTool('ping', undefined, {}, { 'x-api-key': 'wrong' });
    await expectRefusal(server, wrongKey, { status: 401 });
  });

  it('is asked for nothing on public routes', async () => {
    const response = await fetch(`${server.origin}/open`, { headers: bearer('garbage') });
    expect(await expectServed(server, response, 'open')).toBe('{"caller":null}');
    expect(ApiKeyOrOAuthGuard.callers).toEqual([undefined]);
  });

  it('does not stand in for the scopes of a decorated route: an API key has none', async () => {
    const response = await fetch(`${server.origin}/plain/scoped`, { method: 'POST', headers: key });
    await expectRefusal(server, response, { status: 401, scope: 'a b' });
  });

  it('does not stand in for the scopes of a decorated tool: an API key has none', async () => {
    const result = await resultOf(await server.callTool('read-note', undefined, {}, key));
    expect(result).toMatchObject({ isError: true });
    expect(challengesOf(result)).toMatchObject([{ scheme: 'Bearer', params: { scope: 'a' } }]);
    expect(server.ran).toEqual([]);
  });

  it('keeps what only the caller may see out of shared caches, as the guard itself does', async () => {
    const plain = await fetch(`${server.origin}/plain`, { headers: bearer(token) });
    const called = await server.callTool('ping', token);
    for (const { headers } of [plain, called]) {
      expect(headers.get('cache-control')).toBe('private');
      expect(headers.get('vary')).toMatch(/authorization/i);
    }
  });

  it('lets the caller use the session that it opened, and nobody else', async () => {
    const stateful = await startNotesServer(platform, {
      sharedIssuer: server.issuer,
      options: { globalGuard: false },
      providers: [{ provide: APP_GUARD, useClass: ApiKeyOrOAuthGuard }],
      transport: { statefulMode: true, enableJsonResponse: true },
    });
    try {
      const caller = await stateful.mint();
      const clientInfo = { name: 'test', version: '1' };
      const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo };
      const opened = await stateful.rpc('initialize', params, bearer(caller));
      const session = { 'mcp-session-id': opened.headers.get('mcp-session-id') as string };
      await expectServed(stateful, await stateful.callTool('ping', caller, {}, session), 'ping');
      resetRecorded(stateful);
      const stolen = await stateful.callTool('ping', await stateful.mint({ sub: 'mallory' }), {}, session);
      await expectRefusal(stateful, stolen, { status: 404, transport: 'session_not_found' });
    } finally {
      await stateful.close();
    }
  });

  it('goes along with the guard that a decorator binds to the same route', async () => {
    const headers = bearer(await server.mint({ scope: 'a b' }));
    const response = await fetch(`${server.origin}/plain/scoped`, { method: 'POST', headers });
    expect([response.status, server.ran, ApiKeyOrOAuthGuard.callers]).toEqual([201, ['scoped'], ['alice']]);
  });
});

describe.each(PLATFORMS)('McpAuthGuard.authorize() with several resources, on %s', (platform) => {
  @Injectable()
  class OAuthGuard implements CanActivate {
    constructor(@Inject(McpAuthGuard) private readonly mcpAuth: McpAuthGuard) {}

    async canActivate(context: ExecutionContext): Promise<boolean> {
      return (await this.mcpAuth.authorize(context)) !== undefined;
    }
  }

  @Controller('notes')
  @ProtectedResource('notes')
  class NotesController {
    @Get()
    get(): object {
      return {};
    }
  }

  @Controller('billing')
  @ProtectedResource('billing')
  class BillingController {
    @Get()
    get(): object {
      return {};
    }
  }

  it('names the metadata of the resource that the route belongs to', async () => {
    const { publicJwk } = await generateTestKey({ alg: 'ES256' });
    const resources = ['notes', 'billing'].map((id) => ({
      id,
      resource: `https://mcp.example.com/${id}/mcp`,
      authorizationServers: [{ issuer: 'https://login.example.com', jwks: { keys: [publicJwk] } }],
    }));
    const module = await Test.createTestingModule({
      imports: [McpAuthModule.forRoot({ resources, globalGuard: false, checkAuthorizationServers: false })],
      controllers: [NotesController, BillingController],
      providers: [{ provide: APP_GUARD, useClass: OAuthGuard }],
    }).compile();
    const app = module.createNestApplication(adapterFor(platform), { logger: false });
    const origin = await listen(app);
    try {
      for (const { id, resource } of resources) {
        const response = await fetch(`${origin}/${id}`);
        const [challenge] = parseChallenges(response.headers.get('www-authenticate') as string);
        expect([response.status, challenge?.params]).toEqual([401, { resource_metadata: metadataUrlOf(resource) }]);
      }
    } finally {
      await app.close();
    }
  });
});

describe.each(PLATFORMS)('globalGuard: false, on %s', (platform) => {
  const reached: string[] = [];

  @Controller('guarded')
  @UseGuards(McpAuthGuard)
  class GuardedController {
    @Get()
    get(@AuthInfo('subject') subject: string): object {
      reached.push('guarded');
      return { subject };
    }

    @Get('public')
    @Public()
    open(): object {
      reached.push('guarded-public');
      return { ok: true };
    }
  }

  @Controller('partly')
  class PartlyGuardedController {
    @Get()
    get(@AuthInfo() auth: McpAuthInfo | undefined): object {
      reached.push('partly');
      return { caller: auth?.subject ?? null };
    }

    @Get('guarded')
    @UseGuards(McpAuthGuard)
    guarded(@AuthInfo('clientId') clientId: string): object {
      reached.push('partly-guarded');
      return { clientId };
    }

    @Get('scoped')
    @RequireScopes('a')
    scoped(@AuthInfo('scopes') scopes: string[]): object {
      reached.push('partly-scoped');
      return { scopes };
    }

    @Get('any')
    @RequireAnyScope('a', 'admin')
    any(): object {
      reached.push('partly-any');
      return { ok: true };
    }
  }

  let server: NotesServer;
  let witness: Pick<NotesServer, 'ran' | 'log' | 'resource'>;
  const get = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(server.origin + path, { headers });

  describe('with the guard bound by decorators', () => {
    beforeAll(async () => {
      server = await startNotesServer(platform, {
        issuer,
        options: { globalGuard: false },
        controllers: [GuardedController, PartlyGuardedController],
      });
      witness = { ran: reached, log: server.log, resource: server.resource };
    });
    afterAll(() => server.close());
    beforeEach(() => {
      resetRecorded(server);
      reached.length = 0;
    });

    it('leaves routes without a decorator alone, and looks at no token there', async () => {
      for (const headers of [{}, bearer('garbage'), bearer(await server.mint())]) {
        reached.length = 0;
        expect(await expectServed(witness, await get('/partly', headers), 'partly')).toBe('{"caller":null}');
      }
    });

    it('protects a controller with @UseGuards(McpAuthGuard), but for what is public in it', async () => {
      const token = await server.mint();
      await expectRefusal(witness, await get('/guarded'), { status: 401 });
      const bad = await get('/guarded', bearer('garbage'));
      await expectRefusal(witness, bad, { status: 401, error: 'invalid_token', token: 'garbage' });
      expect(await expectServed(witness, await get('/guarded', bearer(token)), 'guarded')).toBe('{"subject":"alice"}');
      reached.length = 0;
      await expectServed(witness, await get('/guarded/public'), 'guarded-public');
    });

    it('protects a method with @UseGuards(McpAuthGuard)', async () => {
      await expectRefusal(witness, await get('/partly/guarded'), { status: 401 });
      const response = await get('/partly/guarded', bearer(await server.mint()));
      expect(await expectServed(witness, response, 'partly-guarded')).toBe('{"clientId":"test-client"}');
    });

    it('protects a method with @RequireScopes alone, which binds the guard by itself', async () => {
      await expectRefusal(witness, await get('/partly/scoped'), { status: 401, scope: 'a' });
      const poor = await server.mint({ scope: 'b' });
      const expected = { status: 403, error: 'insufficient_scope', scope: 'a', token: poor } as const;
      await expectRefusal(witness, await get('/partly/scoped', bearer(poor)), expected);
      await expectRefusal(witness, await get('/partly/any', bearer(poor)), expected);
      const rich = await server.mint({ scope: 'a b' });
      expect(await expectServed(witness, await get('/partly/scoped', bearer(rich)), 'partly-scoped')).toBe(
        '{"scopes":["a","b"]}',
      );
      reached.length = 0;
      const admin = await server.mint({ scope: 'admin' });
      await expectServed(witness, await get('/partly/any', bearer(admin)), 'partly-any');
    });

    it('protects the MCP endpoint all the same, for tools with and without a decorator', async () => {
      await expectRefusal(server, await server.callTool('ping'), { status: 401 });
      await expectRefusal(server, await server.callTool('write-note'), { status: 401, scope: 'a b' });
      const poor = await server.mint({ scope: 'a' });
      const refused = await server.callTool('write-note', poor);
      await expectRefusal(server, refused, { status: 403, error: 'insufficient_scope', scope: 'a b', token: poor });
      await expectServed(server, await server.callTool('ping', poor), 'ping');
    });

    it('lists a tool that needs scopes with these scopes, never as one for everybody', async () => {
      const answer = await server.rpc('tools/list', {}, bearer(await server.mint()));
      const [message] = messagesOf(await answer.text()) as [{ result: { tools: { name: string; _meta?: object }[] } }];
      const tool = message.result.tools.find(({ name }) => name === 'write-note');
      expect(tool).toMatchObject({ _meta: { securitySchemes: [{ type: 'oauth2', scopes: ['a', 'b'] }] } });
      expect(JSON.stringify(tool)).not.toContain('noauth');
    });
  });

  it.each<[string, NotesServerSettings]>([
    ['at another path than the resource', { path: '/elsewhere/mcp', resourcePath: '/mcp' }],
    ['below a prefix', { prepare: (app: INestApplication) => void app.setGlobalPrefix('api'), resourcePath: '/mcp' }],
    // Fastify answers 415 where nothing parses JSON.
    ...(platform === 'express'
      ? [
          ['where nothing parses its body', { path: '/elsewhere/mcp', resourcePath: '/mcp', bodyParser: false }] as [
            string,
            NotesServerSettings,
          ],
        ]
      : []),
  ])('protects MCP that a controller serves %s', async (_where, settings) => {
    const elsewhere = await startNotesServer(platform, { issuer, options: { globalGuard: false }, ...settings });
    try {
      const url = `${elsewhere.origin}${settings.path ?? '/api/mcp'}`;
      const message = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'ping', arguments: {} } };
      const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
      const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(message) });
      await expectRefusal(elsewhere, response, { status: 401 });
    } finally {
      await elsewhere.close();
    }
  });

  it('protects the MCP endpoint whole with @UseGuards(McpAuthGuard) on its controller', async () => {
    server = await startNotesServer(platform, {
      issuer,
      options: { globalGuard: false },
      decorateEndpoint: UseGuards(McpAuthGuard) as ClassDecorator,
    });
    try {
      await expectRefusal(server, await server.callTool('ping'), { status: 401 });
      await expectRefusal(server, await server.callTool('write-note'), { status: 401, scope: 'a b' });
      const poor = await server.mint({ scope: 'a' });
      const refused = await server.callTool('write-note', poor);
      await expectRefusal(server, refused, { status: 403, error: 'insufficient_scope', scope: 'a b', token: poor });
      const rich = await server.mint({ scope: 'a b' });
      await expectServed(server, await server.callTool('write-note', rich), 'write-note');
    } finally {
      await server.close();
    }
  });

  it('protects the MCP endpoint with @RequireScopes on its controller, for every operation', async () => {
    server = await startNotesServer(platform, {
      issuer,
      options: { globalGuard: false },
      decorateEndpoint: RequireScopes('mcp'),
    });
    try {
      await expectRefusal(server, await server.callTool('ping'), { status: 401, scope: 'mcp' });
      const token = await server.mint({ scope: 'mcp' });
      const refused = await server.callTool('read-note', token);
      await expectRefusal(server, refused, { status: 403, error: 'insufficient_scope', scope: 'mcp a', token });
      await expectServed(server, await server.callTool('ping', token), 'ping');
    } finally {
      await server.close();
    }
  });
});

describe.each(PLATFORMS)('Precedence of class and method, on %s', (platform) => {
  const reached: string[] = [];

  @Controller('public-class')
  @Public()
  class PublicController {
    @Get()
    open(): object {
      reached.push('open');
      return { ok: true };
    }

    @Get('scoped')
    @RequireScopes('a')
    scoped(): object {
      reached.push('scoped');
      return { ok: true };
    }
  }

  @Controller('scoped-class')
  @RequireScopes('a')
  class ScopedController {
    @Get()
    get(): object {
      reached.push('get');
      return { ok: true };
    }

    @Get('more')
    @RequireScopes('b', 'c')
    more(): object {
      reached.push('more');
      return { ok: true };
    }

    @Get('either')
    @RequireAnyScope('b', 'c')
    either(): object {
      reached.push('either');
      return { ok: true };
    }

    @Get('twice')
    @RequireScopes('c')
    @RequireScopes('b')
    twice(): object {
      reached.push('twice');
      return { ok: true };
    }

    @Get('open')
    @Public()
    open(): object {
      reached.push('open');
      return { ok: true };
    }
  }

  @Controller('derived-class')
  class DerivedController extends ScopedController {
    @Get('own')
    own(): object {
      reached.push('own');
      return { ok: true };
    }
  }

  @McpController()
  @RequireScopes('class')
  class ScopedTools {
    @Tool({ name: 'of-class', description: 'What the class needs' })
    ofClass(): object {
      reached.push('of-class');
      return text('ok');
    }

    @Tool({ name: 'of-both', description: 'What class and method need' })
    @RequireScopes('method')
    ofBoth(): object {
      reached.push('of-both');
      return text('ok');
    }
  }

  @McpController()
  @Public()
  class PublicTools {
    @Tool({ name: 'of-public-class', description: 'Public by its class' })
    ofPublicClass(): object {
      reached.push('of-public-class');
      return text('ok');
    }

    @Tool({ name: 'public-by-itself', description: 'Public by itself' })
    @Public()
    publicByItself(): object {
      reached.push('public-by-itself');
      return text('ok');
    }
  }

  let server: NotesServer;
  let witness: Pick<NotesServer, 'ran' | 'log' | 'resource'>;
  const get = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(server.origin + path, { headers });

  beforeAll(async () => {
    const controllers = [PublicController, ScopedController, DerivedController, ScopedTools, PublicTools];
    server = await startNotesServer(platform, { issuer, controllers });
    witness = { ran: reached, log: server.log, resource: server.resource };
  });
  afterAll(() => server.close());
  beforeEach(() => {
    resetRecorded(server);
    reached.length = 0;
  });

  it('opens what is public by its class, and ignores a token there, bad or good', async () => {
    for (const headers of [{}, bearer('garbage'), { authorization: 'Bearer a b' }]) {
      reached.length = 0;
      await expectServed(witness, await get('/public-class', headers), 'open');
    }
  });

  it('protects a method with requirements in a public class', async () => {
    await expectRefusal(witness, await get('/public-class/scoped'), { status: 401, scope: 'a' });
    const response = await get('/public-class/scoped', bearer(await server.mint({ scope: 'a' })));
    await expectServed(witness, response, 'scoped');
  });

  it('opens a public method in a class with requirements', async () => {
    await expectServed(witness, await get('/scoped-class/open'), 'open');
  });

  it.each([
    ['', 'a', 'get'],
    ['/more', 'a b c', 'more'],
    ['/either', 'a b', 'either'],
    ['/twice', 'a b c', 'twice'],
  ])('adds what the class needs to what the method needs: %s', async (path, scope, handler) => {
    await expectRefusal(witness, await get(`/scoped-class${path}`), { status: 401, scope });
    const withoutClass = await server.mint({ scope: scope.replace('a', '') });
    const expected = { status: 403, error: 'insufficient_scope', scope, token: withoutClass } as const;
    await expectRefusal(witness, await get(`/scoped-class${path}`, bearer(withoutClass)), expected);
    await expectServed(witness, await get(`/scoped-class${path}`, bearer(await server.mint({ scope }))), handler);
  });

  it('protects the routes of a derived class as its base class says', async () => {
    await expectRefusal(witness, await get('/derived-class'), { status: 401, scope: 'a' });
    await expectRefusal(witness, await get('/derived-class/more'), { status: 401, scope: 'a b c' });
    await expectRefusal(witness, await get('/derived-class/own'), { status: 401, scope: 'a' });
    await expectServed(witness, await get('/derived-class/open'), 'open');
  });

  it('adds the scopes of a class of tools to those of each tool', async () => {
    await expectRefusal(witness, await server.callTool('of-class'), { status: 401, scope: 'class' });
    const token = await server.mint({ scope: 'class' });
    const refused = await server.callTool('of-both', token);
    await expectRefusal(witness, refused, { status: 403, error: 'insufficient_scope', scope: 'class method', token });
    await expectServed(witness, await server.callTool('of-class', token), 'of-class');
  });

  it.each(['of-public-class', 'public-by-itself'])(
    'asks for a token on the MCP endpoint even where the tool is public, unless anonymous callers are let in: %s',
    async (name) => {
      await expectRefusal(witness, await server.callTool(name), { status: 401 });
      await expectServed(witness, await server.callTool(name, await server.mint()), name);
    },
  );

  it('refuses to start where one and the same class or method is both public and protected', async () => {
    @Controller('contradiction')
    class ContradictingController {
      @Get()
      @Public()
      @RequireScopes('a')
      get(): object {
        return {};
      }
    }
    const start = startNotesServer(platform, { sharedIssuer: server.issuer, controllers: [ContradictingController] });
    const error: unknown = await start.catch((reason: unknown) => reason);
    expect(error).toEqual(expect.any(McpAuthConfigError));
    expect((error as Error).message).toContain('ContradictingController.get');
  });
});

describe.each(PLATFORMS)('A transport that mounts itself past the guards of NestJS, on %s', (platform) => {
  const transport = { mount: true, endpoint: '/self-mounted' };
  let server: NotesServer;
  beforeAll(async () => {
    server = await startNotesServer(platform, { issuer, transport, options: { allowUnguardedMounts: true } });
  });
  afterAll(() => server.close());
  beforeEach(() => resetRecorded(server));

  const call = (name: string, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${server.origin}/self-mounted`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': '2025-11-25',
        ...headers,
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: {} } }),
    });

  it.each([
    ['read-note', 'a'],
    ['write-note', 'a b'],
    ['forbidden', undefined],
    ['role-gated', undefined],
  ])('refuses the decorated tool %s at the handler, with a challenge in the result', async (name, scope) => {
    const token = await server.mint({ scope: 'a b', roles: ['x'] });
    // A good token does not help: nobody has verified it.
    for (const headers of [{}, bearer('garbage'), bearer(token)]) {
      const result = await resultOf(await call(name, headers));
      expect(result.isError).toBe(true);
      const resource_metadata = metadataUrlOf(server.resource);
      expect(challengesOf(result)).toEqual([
        { scheme: 'Bearer', params: { ...(scope !== undefined && { scope }), resource_metadata } },
      ]);
    }
    expect(server.ran).toEqual([]);
  });

  it('takes nothing for a caller that was put on the request by somebody else', async () => {
    const forging = await startNotesServer(platform, {
      issuer,
      prepare: (app: INestApplication) => {
        app.use((request: { auth?: unknown; user?: unknown }, _response: unknown, next: () => void) => {
          request.auth = { subject: 'mallory', scopes: ['a', 'b', 'admin'] };
          request.user = { id: 'mallory' };
          next();
        });
      },
    });
    try {
      await expectRefusal(forging, await forging.callTool('read-note'), { status: 401, scope: 'a' });
      await expectRefusal(forging, await fetch(`${forging.origin}/plain`), { status: 401 });
      const response = await fetch(`${forging.origin}/plain`, { headers: bearer(await forging.mint()) });
      expect(await expectServed(forging, response, 'plain')).toBe('{"subject":"alice"}');
    } finally {
      await forging.close();
    }
  });
});

describe.each(PLATFORMS)('The caller, below a handler, on %s', (platform) => {
  /** A service that knows of requests only what McpAuthService tells it. */
  @Injectable()
  class LedgerService {
    constructor(@Inject(McpAuthService) private readonly mcpAuth: McpAuthService) {}

    /** In turns, so that concurrent calls mix. */
    async owner(turns: number): Promise<string | undefined> {
      for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
      return this.mcpAuth.authInfo?.subject;
    }
  }

  @McpController()
  class LedgerTools {
    constructor(@Inject(LedgerService) private readonly ledger: LedgerService) {}

    @Tool({ name: 'owner', description: 'By McpAuthService' })
    async owner(): Promise<object> {
      const owners = await Promise.all([1, 20, 5].map((turns) => this.ledger.owner(turns)));
      return text(JSON.stringify(owners));
    }

    @Tool({ name: 'scoped-owner', description: 'By McpAuthService, in a decorated tool' })
    @RequireScopes('a')
    async scopedOwner(): Promise<object> {
      return text(JSON.stringify(await this.ledger.owner(10)));
    }

    @Tool({ name: 'subject', description: 'By @AuthInfo()' })
    subject(
      @AuthInfo('subject') subject: string,
      @AuthInfo('issuer') iss: string,
      @AuthInfo('scopes') scopes: string[],
      @AuthInfo('token') token: string,
      @AuthInfo() auth: McpAuthInfo,
    ): object {
      const same = { subject: auth.subject, iss: auth.issuer, scopes: auth.scopes, token: auth.token };
      return text(JSON.stringify([{ subject, iss, scopes, token }, same]));
    }
  }

  @Controller('ledger')
  class LedgerController {
    constructor(@Inject(LedgerService) private readonly ledger: LedgerService) {}

    @Get()
    async owner(): Promise<object> {
      return { owner: await this.ledger.owner(10) };
    }

    @Get('observable')
    observable(): Observable<object> {
      return defer(async () => ({ owner: await this.ledger.owner(3) })).pipe(delay(0));
    }

    @Get('open')
    @Public()
    async open(): Promise<object> {
      return { owner: (await this.ledger.owner(3)) ?? null };
    }

    @Post('parameters')
    parameters(@AuthInfo('subject') subject: string, @AuthInfo('principalKey') key: string): object {
      return { subject, key };
    }
  }

  let server: NotesServer;
  const get = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(server.origin + path, { headers });

  beforeAll(async () => {
    const settings: NotesServerSettings = { providers: [LedgerService], controllers: [LedgerTools, LedgerController] };
    server = await startNotesServer(platform, { issuer, ...settings });
  });
  afterAll(() => server.close());

  it('is known to a service that a tool awaits, and not mixed up among concurrent calls', async () => {
    const subjects = Array.from({ length: 12 }, (_, index) => `user-${index}`);
    const results = await Promise.all(
      subjects.map(async (sub, index) => {
        const token = await server.mint({ sub, scope: 'a' });
        return resultOf(await server.callTool(index % 2 === 0 ? 'owner' : 'scoped-owner', token));
      }),
    );
    const owners = results.map(({ content }) => [JSON.parse(content[0]?.text ?? '') as string | string[]].flat());
    expect(owners).toEqual(subjects.map((sub, index) => (index % 2 === 0 ? [sub, sub, sub] : [sub])));
  });

  it('is known to a service below an HTTP handler, awaited or run when an observable is subscribed to', async () => {
    const headers = bearer(await server.mint());
    for (const path of ['/ledger', '/ledger/observable']) {
      expect(await (await get(path, headers)).json()).toEqual({ owner: 'alice' });
    }
  });

  it('is unknown on public routes, and outside of requests', async () => {
    expect(await (await get('/ledger/open', bearer(await server.mint()))).json()).toEqual({ owner: null });
    expect(server.app.get(McpAuthService).authInfo).toBeUndefined();
  });

  it('is injected by @AuthInfo(), whole or one property of it, the token included', async () => {
    const token = await server.mint({ scope: 'a b' });
    const { content } = await resultOf(await server.callTool('subject', token));
    const [properties, whole] = JSON.parse(content[0]?.text ?? '') as object[];
    expect(properties).toEqual({ subject: 'alice', iss: server.issuer.issuer, scopes: ['a', 'b'], token });
    expect(whole).toEqual(properties);
    const response = await fetch(`${server.origin}/ledger/parameters`, { method: 'POST', headers: bearer(token) });
    expect(await response.json()).toEqual({ subject: 'alice', key: expect.stringMatching(/^[\w-]{43}$/) });
  });
});

describe.each(PLATFORMS)('A McpAuthError of the application, on %s', (platform) => {
  const REFUSALS: [code: McpAuthErrorCode, reason: McpAuthReason, scopes: string[]][] = [
    ['authorization_required', 'handler_unauthenticated', []],
    ['invalid_token', 'verifier_failed', []],
    ['insufficient_scope', 'scope_missing', ['a', 'late']],
    ['access_denied', 'policy_denied', []],
    ['temporarily_unavailable', 'issuer_unreachable', []],
  ];
  const STATUS = {
    authorization_required: { status: 401 },
    invalid_token: { status: 401, error: 'invalid_token' },
    insufficient_scope: { status: 403, error: 'insufficient_scope', scope: 'a late' },
    access_denied: { status: 403 },
    temporarily_unavailable: { status: 503 },
  } as const;
  type Code = keyof typeof STATUS;

  const UNCHALLENGED: ReadonlySet<McpAuthErrorCode> = new Set(['access_denied', 'temporarily_unavailable']);
  const isChallenged = (code: McpAuthErrorCode): boolean => !UNCHALLENGED.has(code);

  const refuse = (code: string): never => {
    const [, reason, scopes] = REFUSALS.find(([known]) => known === code) as (typeof REFUSALS)[number];
    const cause = new Error('inner');
    throw new McpAuthError(code as McpAuthErrorCode, reason, { scopes, retryAfterSeconds: 7, cause });
  };

  @Controller('late')
  class LateController {
    @Get('authorization_required')
    required(): void {
      refuse('authorization_required');
    }

    @Get('invalid_token')
    async invalid(): Promise<void> {
      await Promise.resolve();
      refuse('invalid_token');
    }

    @Get('insufficient_scope')
    @RequireScopes('a')
    insufficient(): Observable<never> {
      return defer(() => refuse('insufficient_scope'));
    }

    @Get('access_denied')
    denied(): void {
      refuse('access_denied');
    }

    @Get('temporarily_unavailable')
    unavailable(): void {
      refuse('temporarily_unavailable');
    }
  }

  @McpController()
  class LateTools {
    @Tool({ name: 'late-authorization_required', description: 'Refuses' })
    @RequireScopes('a')
    required(): object {
      return refuse('authorization_required');
    }

    @Tool({ name: 'late-invalid_token', description: 'Refuses' })
    @RequireScopes('a')
    async invalid(): Promise<object> {
      await Promise.resolve();
      return refuse('invalid_token');
    }

    @Tool({ name: 'late-insufficient_scope', description: 'Refuses' })
    @RequireScopes('a')
    insufficient(): object {
      return refuse('insufficient_scope');
    }

    @Tool({ name: 'late-access_denied', description: 'Refuses' })
    @RequireScopes('a')
    denied(): object {
      return refuse('access_denied');
    }

    @Tool({ name: 'late-temporarily_unavailable', description: 'Refuses' })
    @RequireScopes('a')
    unavailable(): object {
      return refuse('temporarily_unavailable');
    }

    @Tool({ name: 'undecorated', description: 'Refuses, without a decorator' })
    undecorated(): object {
      return refuse('insufficient_scope');
    }

    @Resource({ name: 'late', uri: 'late://resource', mimeType: 'text/plain' })
    @RequireScopes('a')
    resource(): object {
      return refuse('insufficient_scope');
    }

    @Prompt({ name: 'late', description: 'Refuses' })
    @RequireScopes('a')
    prompt(): object {
      return refuse('access_denied');
    }
  }

  let server: NotesServer;
  let token: string;
  const start = async (settings: NotesServerSettings = {}): Promise<void> => {
    server = await startNotesServer(platform, { issuer, controllers: [LateController, LateTools], ...settings });
    token = await server.mint({ scope: 'a' });
  };

  it.each(REFUSALS.map(([code]) => code as Code))('becomes the answer to an HTTP request: %s', async (code) => {
    await start();
    try {
      const response = await fetch(`${server.origin}/late/${code}`, { headers: bearer(token) });
      expect(response.headers.get('retry-after')).toBe('7');
      // The route has a scope of its own where the error names scopes.
      await expectRefusal(server, response, { ...STATUS[code], token });
    } finally {
      await server.close();
    }
  });

  it.each(REFUSALS.map(([code]) => code as Code))('becomes the answer to the call of a tool: %s', async (code) => {
    await start();
    try {
      const response = await server.callTool(`late-${code}`, token);
      const { status, ...params } = STATUS[code];
      expect([response.status, response.headers.get('cache-control')]).toEqual([status, 'no-store']);
      const challenges = parseChallenges(response.headers.get('www-authenticate') ?? []);
      const expected = { scheme: 'Bearer', params: { scope: 'a', ...params } };
      expect(challenges).toMatchObject(isChallenged(code) ? [expected] : []);
      const [message] = messagesOf(await response.text());
      expect(message).toMatchObject({ result: { isError: true } });
      expect(JSON.stringify(message)).not.toContain('inner');
    } finally {
      await server.close();
    }
  });

  it.each([
    ['that act on tool results', { options: { challenge: 'tool-result' } }, 'application/json'],
    ['that are answered with a stream', { transport: { enableJsonResponse: false } }, 'text/event-stream'],
  ] as const)('becomes the result of a tool for clients %s', async (_what, settings, type) => {
    await start(settings);
    try {
      for (const [code] of REFUSALS) {
        const response = await server.callTool(`late-${code}`, token);
        expect(response.headers.get('content-type')).toContain(type);
        const result = await resultOf(response);
        const sentence = expect.stringMatching(/^(?:The|Authorization) [^"\\]+\.$/);
        expect(result).toMatchObject({ isError: true, content: [{ type: 'text', text: sentence }] });
        const { status: _status, ...params } = STATUS[code as Code];
        const resource_metadata = metadataUrlOf(server.resource);
        const expected = isChallenged(code) ? [{ scheme: 'Bearer', params: { ...params, resource_metadata } }] : [];
        expect(challengesOf(result)).toMatchObject(expected);
        expect(JSON.stringify(result)).not.toContain('inner');
      }
    } finally {
      await server.close();
    }
  });

  it('becomes a JSON-RPC error of a resource or prompt, which have no results with errors', async () => {
    await start();
    try {
      const read = await server.rpc('resources/read', { uri: 'late://resource' }, bearer(token));
      expect(read.status).toBe(403);
      expect(messagesOf(await read.text())).toMatchObject([
        { error: { code: 403, message: expect.stringContaining('lacks a scope') } },
      ]);
      const [challenge] = parseChallenges(read.headers.get('www-authenticate') as string);
      expect(challenge?.params).toMatchObject({ error: 'insufficient_scope', scope: 'a late' });
      const prompted = await server.rpc('prompts/get', { name: 'late' }, bearer(token));
      expect(prompted.status).toBe(403);
      expect(messagesOf(await prompted.text())).toMatchObject([
        { error: { code: 403, message: expect.stringContaining('not permitted') } },
      ]);
    } finally {
      await server.close();
    }
  });

  it('becomes the answer to a tool without a decorator where global filters hold for MCP handlers', async () => {
    await start({ inheritAppConfig: true });
    try {
      const response = await server.callTool('undecorated', token);
      const [challenge] = parseChallenges(response.headers.get('www-authenticate') ?? []);
      expect([response.status, challenge?.params]).toMatchObject([
        403,
        { error: 'insufficient_scope', scope: 'a late' },
      ]);
    } finally {
      await server.close();
    }
  });

  it('is masked by the MCP framework where nothing binds the filter to the tool', async () => {
    await start();
    try {
      const result = await resultOf(await server.callTool('undecorated', token));
      expect(result).toEqual({ isError: true, content: [{ type: 'text', text: 'Internal server error' }] });
    } finally {
      await server.close();
    }
  });
});
