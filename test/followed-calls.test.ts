import { AsyncResource } from 'node:async_hooks';
import { once } from 'node:events';
import { IncomingMessage, ServerResponse, type Server } from 'node:http';
import { Socket } from 'node:net';
import { Writable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  Catch,
  Controller,
  forwardRef,
  Get,
  Inject,
  Injectable,
  Module,
  Param,
  Req,
  Scope,
  UseGuards,
  UseInterceptors,
  type CallHandler,
  type ExceptionFilter,
  type ArgumentsHost,
  type ExecutionContext,
  type INestMicroservice,
  type MiddlewareConsumer,
  type ModuleMetadata,
  type NestInterceptor,
  type Type,
} from '@nestjs/common';
import { APP_FILTER, APP_INTERCEPTOR, ModuleRef } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { McpController, McpStrategy, ResourceTemplate, Tool } from '@rekog/mcp-nest';
import type { Observable } from 'rxjs';
import {
  AuthInfo,
  Authorize,
  McpAuthGuard,
  McpAuthModule,
  McpAuthService,
  Public,
  RequireScopes,
  type McpAuthInfo,
  type McpAuthModuleOptions,
} from 'nestjs-mcp-auth';
import { parseChallenges, TestIssuer } from 'nestjs-mcp-auth/testing';
import { answerOf, expectServed, resetRecorded, messagesOf } from './support/expectations.js';
import { MessagesOnly } from './support/stdio-like-transport.js';
import { startNotesServer, type NotesServer, type NotesServerSettings } from './support/notes-server.js';
import { PLATFORMS, type Platform } from './support/platforms.js';
import { bearer } from './support/rpc.js';
import { openSession } from './support/sessions.js';

const issuer = { alg: 'ES256' } as const;
const text = (value: unknown): object => ({ content: [{ type: 'text', text: JSON.stringify(value) }] });

/** Has calls wait for each other, so that they are under way at once. */
class Rendezvous {
  #arrived = 0;
  #waiting: { readonly count: number; readonly go: () => void }[] = [];

  /** Arrives, and waits until as many have. */
  meet(count: number): Promise<void> {
    this.#arrived += 1;
    const met = this.arrivals(count);
    const ready = this.#waiting.filter((one) => one.count <= this.#arrived);
    this.#waiting = this.#waiting.filter((one) => one.count > this.#arrived);
    for (const { go } of ready) go();
    return met;
  }

  /** Waits until as many have arrived, without arriving. */
  arrivals(count: number): Promise<void> {
    return new Promise((go) => {
      if (this.#arrived >= count) go();
      else this.#waiting.push({ count, go });
    });
  }
}

/**
 * Hands a request to a server without a network, as `inject()` of Fastify and adapters for serverless platforms do: everything
 * below it runs within what is around it.
 */
async function dispatch(
  { app }: NotesServer,
  path: string,
  headers: Readonly<Record<string, string>>,
  payload?: object,
): Promise<{ status: number; body: string }> {
  const request = new IncomingMessage(new Socket());
  const sent = payload === undefined ? '' : JSON.stringify(payload);
  const all = {
    host: '127.0.0.1',
    ...headers,
    ...(payload && { 'content-type': 'application/json', 'content-length': `${sent.length}` }),
  };
  Object.assign(request, {
    method: payload ? 'POST' : 'GET',
    url: path,
    complete: true,
    headers: all,
    rawHeaders: Object.entries(all).flat(),
  });
  if (sent !== '') request.push(sent);
  request.push(null);
  const written: Buffer[] = [];
  const response = new ServerResponse(request);
  response.assignSocket(
    new Writable({ write: (chunk: Buffer, _encoding, done) => (written.push(chunk), done()) }) as Socket,
  );
  const finished = once(response, 'finish');
  (app.getHttpServer() as Server).emit('request', request, response);
  await finished;
  const [, body = ''] = /\r\n\r\n(.*)$/s.exec(Buffer.concat(written).toString()) ?? [];
  return { status: response.statusCode, body };
}

/** Servers of a test, which end with it. */
const running: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const server of running.splice(0).toReversed()) await server.close();
});

async function start(platform: Platform, settings: NotesServerSettings = {}): Promise<NotesServer> {
  const server = await startNotesServer(platform, { issuer, ...settings });
  running.push(server);
  return server;
}

/** Has the service without injecting it, so that nothing about its class says so. */
@Injectable()
class Finder {
  constructor(@Inject(ModuleRef) private readonly modules: ModuleRef) {}

  get authInfo(): McpAuthInfo | undefined {
    return this.modules.get(McpAuthService, { strict: false }).authInfo;
  }

  /** In turns, so that concurrent calls mix. */
  async subject(turns = 1): Promise<string | null> {
    for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
    return this.authInfo?.subject ?? null;
  }
}

@Injectable()
class Injecting {
  constructor(@Inject(McpAuthService) readonly service: McpAuthService) {}
}

@McpController()
class FinderTools {
  constructor(@Inject(Finder) private readonly finder: Finder) {}

  @Tool({ name: 'found', description: 'By McpAuthService' })
  async found(): Promise<object> {
    return text(await Promise.all([7, 1, 4].map((turns) => this.finder.subject(turns))));
  }

  @Tool({ name: 'injected', description: 'By @AuthInfo()' })
  injected(@AuthInfo('subject') subject: string): object {
    return text(subject);
  }
}

@Controller('found')
class FinderController {
  constructor(@Inject(Finder) private readonly finder: Finder) {}

  @Get()
  async found(@AuthInfo('subject') subject: string): Promise<object> {
    return { subject, found: await this.finder.subject(5) };
  }

  @Get('open')
  @Public()
  async open(): Promise<object> {
    return { found: await this.finder.subject(3) };
  }
}

const FINDING = { providers: [Finder], controllers: [FinderTools, FinderController] };

describe.each(PLATFORMS)('where nobody injects McpAuthService, on %s', (platform) => {
  it('says that callers are not followed, and what to do', async () => {
    const server = await start(platform, FINDING);
    expect(() => server.app.get(McpAuthService).authInfo).toThrow(/followCaller: true/);
    const response = await fetch(`${server.origin}/found`, { headers: bearer(await server.mint()) });
    expect([response.status, server.log.join('\n')]).toEqual([500, expect.stringContaining('followCaller: true')]);
  });

  it('has the caller in routes and tools by @AuthInfo() as ever', async () => {
    const server = await start(platform, FINDING);
    const token = await server.mint();
    const response = await fetch(`${server.origin}/plain`, { headers: bearer(token) });
    expect(await expectServed(server, response, 'plain')).toBe('{"subject":"alice"}');
    expect(await answerOf(await server.callTool('injected', token))).toBe('alice');
  });

  it('verifies tokens all the same', async () => {
    const server = await start(platform);
    expect((await server.app.get(McpAuthService).verify(await server.mint())).subject).toBe('alice');
  });
});

describe.each(PLATFORMS)('with followCaller: true, on %s', (platform) => {
  it('knows the caller below handlers, whoever asks, and mixes up no concurrent calls', async () => {
    const server = await start(platform, { ...FINDING, options: { followCaller: true } });
    const subjects = Array.from({ length: 12 }, (_, index) => `user-${index}`);
    const answers = await Promise.all(
      subjects.map(async (sub, index) => {
        const token = await server.mint({ sub });
        if (index % 2 === 0) return answerOf(await server.callTool('found', token));
        const response = await fetch(`${server.origin}/found`, { headers: bearer(token) });
        return response.json();
      }),
    );
    expect(answers).toEqual(
      subjects.map((sub, index) => (index % 2 === 0 ? [sub, sub, sub] : { subject: sub, found: sub })),
    );
  });

  it('knows none on public routes, whatever token comes, and none outside of requests', async () => {
    const server = await start(platform, { ...FINDING, options: { followCaller: true } });
    for (const token of [undefined, await server.mint()]) {
      const response = await fetch(`${server.origin}/found/open`, { headers: bearer(token) });
      expect(await response.json()).toEqual({ found: null });
    }
    expect(server.app.get(McpAuthService).authInfo).toBeUndefined();
  });
});

describe.each(PLATFORMS)('with followCaller: false, on %s', (platform) => {
  it('follows nobody, although the service is injected', async () => {
    const server = await start(platform, {
      ...FINDING,
      providers: [Finder, Injecting],
      options: { followCaller: false },
    });
    expect(() => server.app.get(McpAuthService).authInfo).toThrow(/followCaller is false/);
    const response = await fetch(`${server.origin}/found`, { headers: bearer(await server.mint()) });
    expect(response.status).toBe(500);
  });
});

describe('that McpAuthService is injected', () => {
  @Injectable()
  class ByType {
    constructor(readonly service: McpAuthService) {}
  }

  @Injectable()
  class ByForwardRef {
    constructor(@Inject(forwardRef(() => McpAuthService)) readonly service: unknown) {}
  }

  @Injectable()
  class ByProperty {
    @Inject() readonly service!: McpAuthService;
  }

  @Injectable()
  class ByNamedProperty {
    @Inject(McpAuthService) readonly service!: unknown;
  }

  @Injectable()
  class ByForwardedProperty {
    @Inject(forwardRef(() => McpAuthService)) readonly service!: unknown;
  }

  @Injectable()
  class ByBaseClass extends ByType {}

  @Injectable({ scope: Scope.REQUEST })
  class PerRequest {
    constructor(readonly service: McpAuthService) {}
  }

  @Controller('by-controller')
  class ByController {
    constructor(readonly service: McpAuthService) {}
  }

  @Injectable()
  class CallerInterceptor implements NestInterceptor {
    constructor(readonly service: McpAuthService) {}

    intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
      return next.handle();
    }
  }

  @Controller('intercepted')
  @UseInterceptors(CallerInterceptor)
  class InterceptedController {
    @Get()
    get(): object {
      return {};
    }
  }

  @Module({ providers: [ByType] })
  class FeatureModule {}

  @Injectable()
  class Unrelated {
    constructor(@Inject(ModuleRef) readonly modules: ModuleRef) {}
  }

  const useFactory = (): object => ({});
  const BASE = { resource: 'https://mcp.example.com/mcp', authorizationServers: ['https://login.example.com'] };

  /** The service of an application with this in it. */
  async function serviceIn(metadata: ModuleMetadata): Promise<McpAuthService> {
    const imports = [McpAuthModule.forRoot({ ...BASE, checkAuthorizationServers: false }), ...(metadata.imports ?? [])];
    const module = await Test.createTestingModule({ ...metadata, imports }).compile();
    running.push(module);
    return module.get(McpAuthService);
  }

  it.each<[string, ModuleMetadata]>([
    ['into a constructor, by type', { providers: [ByType] }],
    ['into a constructor, by @Inject(McpAuthService)', { providers: [Injecting] }],
    ['into a constructor, by forwardRef()', { providers: [ByForwardRef] }],
    ['into a property, by its type', { providers: [ByProperty] }],
    ['into a property, by @Inject(McpAuthService)', { providers: [ByNamedProperty] }],
    ['into a property, by forwardRef()', { providers: [ByForwardedProperty] }],
    ['into the constructor of a base class', { providers: [ByBaseClass] }],
    ['into a class under another token', { providers: [{ provide: 'CALLER', useClass: ByType }] }],
    ['into a factory', { providers: [{ provide: 'CALLER', useFactory, inject: [McpAuthService] }] }],
    [
      'into a factory that can do without',
      { providers: [{ provide: 'CALLER', useFactory, inject: [{ token: McpAuthService, optional: true }] }] },
    ],
    [
      'into a factory, by forwardRef()',
      { providers: [{ provide: 'CALLER', useFactory, inject: [forwardRef(() => McpAuthService) as never] }] },
    ],
    ['under another name', { providers: [{ provide: 'CALLER', useExisting: McpAuthService }] }],
    ['into a provider of a request', { providers: [PerRequest] }],
    ['into a controller', { controllers: [ByController] }],
    ['into an interceptor that a decorator binds', { controllers: [InterceptedController] }],
    ['into a global interceptor', { providers: [{ provide: APP_INTERCEPTOR, useClass: CallerInterceptor }] }],
    ['in another module', { imports: [FeatureModule] }],
  ])('is noticed: %s', async (_how, metadata) => {
    expect((await serviceIn(metadata)).authInfo).toBeUndefined();
  });

  it.each<[string, ModuleMetadata]>([
    ['there is nothing else', {}],
    ['others are injected', { providers: [Unrelated, { provide: 'OTHER', useFactory, inject: [Unrelated] }] }],
    ['a factory needs nothing', { providers: [{ provide: 'OTHER', useFactory }] }],
    [
      'there are values',
      {
        providers: [
          { provide: 'OTHER', useValue: McpAuthService },
          { provide: 'NONE', useValue: null },
        ],
      },
    ],
  ])('is not assumed where %s', async (_what, metadata) => {
    const service = await serviceIn(metadata);
    expect(() => service.authInfo).toThrow('followCaller');
  });
});

describe.each(PLATFORMS)('the caller, beside handlers, on %s', (platform) => {
  const seen: unknown[] = [];
  beforeEach(() => void (seen.length = 0));

  @Injectable()
  class NotingInterceptor implements NestInterceptor {
    constructor(@Inject(McpAuthService) private readonly service: McpAuthService) {}

    intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
      seen.push(`interceptor: ${this.service.authInfo?.subject}`);
      return next.handle();
    }
  }

  class OwnError extends Error {}

  @Catch(OwnError)
  class NotingFilter implements ExceptionFilter {
    constructor(@Inject(McpAuthService) private readonly service: McpAuthService) {}

    catch(_error: OwnError, host: ArgumentsHost): void {
      seen.push(`filter: ${this.service.authInfo?.subject}`);
      const response = host.switchToHttp().getResponse<{ status(code: number): { send(body: object): void } }>();
      response.status(418).send({});
    }
  }

  @Controller('failing')
  class FailingController {
    @Get()
    async get(): Promise<never> {
      await new Promise((resolve) => setImmediate(resolve));
      throw new OwnError();
    }
  }

  it('is known to global interceptors and exception filters', async () => {
    const providers = [
      { provide: APP_INTERCEPTOR, useClass: NotingInterceptor },
      { provide: APP_FILTER, useClass: NotingFilter },
    ];
    const server = await start(platform, { providers, controllers: [FailingController] });
    const response = await fetch(`${server.origin}/failing`, { headers: bearer(await server.mint()) });
    expect([response.status, seen]).toEqual([418, ['interceptor: alice', 'filter: alice']]);
  });
});

describe.each(PLATFORMS)('a request that is made within another, on %s', (platform) => {
  type Send = (path: string, token: string | undefined) => Promise<unknown>;
  const sends: Record<string, Send> = {};

  @Controller('outer')
  class OuterController {
    constructor(@Inject(McpAuthService) private readonly service: McpAuthService) {}

    @Get(':how')
    async get(@Param('how') how: string, @Req() request: { headers: Record<string, string> }): Promise<object> {
      const before = this.service.authInfo?.subject;
      const inner = await sends[how]?.('/inner', request.headers['x-inner-token']);
      return { before, inner, after: this.service.authInfo?.subject };
    }
  }

  @Controller('inner')
  class InnerController {
    constructor(@Inject(Finder) private readonly finder: Finder) {}

    @Get()
    async get(@AuthInfo('subject') subject: string): Promise<object> {
      // Of an application that follows nobody, the service would say so.
      return { subject, found: await this.finder.subject().catch(() => 'not followed') };
    }
  }

  const ways: Record<string, (server: NotesServer) => Send> = {
    'over HTTP': (server) => async (path, token) =>
      (await fetch(server.origin + path, { headers: bearer(token) })).json(),
    'without a network': (server) => async (path, token) =>
      JSON.parse((await dispatch(server, path, bearer(token))).body) as unknown,
  };

  it.each(Object.entries(ways))('leaves the caller of the outer one as it was: %s', async (how, send) => {
    const server = await start(platform, { providers: [Finder], controllers: [OuterController, InnerController] });
    sends[how] = send(server);
    const inner = await server.mint({ sub: 'bob' });
    const headers = { ...bearer(await server.mint()), 'x-inner-token': inner };
    const response = await fetch(`${server.origin}/outer/${how}`, { headers });
    expect(await response.json()).toEqual({ before: 'alice', inner: { subject: 'bob', found: 'bob' }, after: 'alice' });
  });

  it.each(Object.entries(ways))('leaves it alone in an application that follows nobody, too: %s', async (how, send) => {
    const server = await start(platform, { controllers: [OuterController] });
    const other = await start(platform, { providers: [Finder], controllers: [InnerController] });
    sends[how] = send(other);
    const headers = { ...bearer(await server.mint()), 'x-inner-token': await other.mint({ sub: 'bob' }) };
    const response = await fetch(`${server.origin}/outer/${how}`, { headers });
    const expected = { before: 'alice', inner: { subject: 'bob', found: 'not followed' }, after: 'alice' };
    expect(await response.json()).toEqual(expected);
  });

  it('lends its caller to no application that follows nobody', async () => {
    const server = await start(platform, { controllers: [OuterController], options: { id: 'notes' } });
    const other = await start(platform, {
      options: { id: 'notes', allowUnguardedMounts: true },
      transport: { mount: true, endpoint: '/self-mounted', enableJsonResponse: true },
    });
    const params = { name: 'read-note', arguments: {} };
    const message = { jsonrpc: '2.0', id: 1, method: 'tools/call', params };
    const headers = { accept: 'application/json, text/event-stream', 'mcp-protocol-version': '2025-11-25' };
    sends['mount'] = async (_path, token) => {
      const { status, body } = await dispatch(other, '/self-mounted', { ...headers, ...bearer(token) }, message);
      return { status, ...(JSON.parse(body) as object) };
    };
    const response = await fetch(`${server.origin}/outer/mount`, {
      headers: bearer(await server.mint({ scope: 'a b' })),
    });
    const result = { isError: true, content: [{ type: 'text', text: 'Authorization is required.' }] };
    expect(await response.json()).toMatchObject({ before: 'alice', inner: { status: 200, result }, after: 'alice' });
    expect(other.ran).toEqual([]);
  });
});

describe.each(PLATFORMS)('a middleware that goes on with one request from within another, on %s', (platform) => {
  /** One at a time. Whoever waits is woken by whoever was before, and so within what is around that one. */
  const slot = {
    isTaken: false,
    waiting: new Rendezvous(),
    queue: [] as (() => void)[],
    take(next: () => void): void {
      if (slot.isTaken) {
        slot.queue.push(next);
        void slot.waiting.meet(0);
        return;
      }
      slot.isTaken = true;
      next();
    },
    free(): void {
      slot.isTaken = false;
      slot.queue.shift()?.();
    },
  };
  beforeEach(() => void Object.assign(slot, { isTaken: false, waiting: new Rendezvous(), queue: [] }));

  type Middleware = (request: unknown, response: unknown, next: () => void) => void;

  const poolModule = (middleware: Middleware): Type => {
    @Module({})
    class PoolModule {
      configure(consumer: MiddlewareConsumer): void {
        consumer.apply(middleware).forRoutes(PooledController);
      }
    }
    return PoolModule;
  };

  @Controller('pooled')
  class PooledController {
    constructor(@Inject(McpAuthService) private readonly service: McpAuthService) {}

    @Get()
    async get(@AuthInfo('subject') subject: string): Promise<object> {
      await slot.waiting.arrivals(1);
      slot.free();
      return { subject, found: this.service.authInfo?.subject };
    }
  }

  /** Two requests at once, of which one waits for the other. */
  async function both(
    middleware: Middleware,
  ): Promise<{ answers: { status: number; body: unknown }[]; log: string[] }> {
    const server = await start(platform, { imports: [poolModule(middleware)], controllers: [PooledController] });
    const get = async (sub: string): Promise<{ status: number; body: unknown }> => {
      const response = await fetch(`${server.origin}/pooled`, { headers: bearer(await server.mint({ sub })) });
      return { status: response.status, body: await response.json() };
    };
    return { answers: await Promise.all(['alice', 'bob'].map(get)), log: server.log };
  }

  const served = (subject: string): object => ({ status: 200, body: { subject, found: subject } });

  // Fastify has such middleware run before requests are followed.
  const isRefused = platform === 'express';

  it(isRefused ? 'refuses that one, and says what to do' : 'does no harm', async () => {
    const { answers, log } = await both((_request, _response, next) => slot.take(next));
    const refused = answers.filter(({ status }) => status === 500);
    expect(refused).toHaveLength(isRefused ? 1 : 0);
    answers.forEach((answer, index) => {
      if (answer.status !== 500) expect(answer).toEqual(served(['alice', 'bob'][index] as string));
    });
    expect(log.join().includes('AsyncResource.bind()')).toBe(isRefused);
  });

  it('does no harm where it keeps to what is around each', async () => {
    const { answers } = await both((_request, _response, next) => slot.take(AsyncResource.bind(next)));
    expect(answers).toEqual([served('alice'), served('bob')]);
  });
});

describe('the caller over stdio', () => {
  const VARIABLE = 'FOLLOWED_CALLS_TOKEN';
  const resource = 'https://mcp.example.com/mcp';
  afterEach(() => void delete process.env[VARIABLE]);

  @Injectable()
  class Ledger {
    constructor(@Inject(McpAuthService) private readonly service: McpAuthService) {}

    async owner(): Promise<string | null> {
      await new Promise((resolve) => setImmediate(resolve));
      return this.service.authInfo?.subject ?? null;
    }
  }

  @McpController()
  class StdioTools {
    constructor(@Inject(Ledger) private readonly ledger: Ledger) {}

    @Tool({ name: 'scoped', description: 'Needs a' })
    @RequireScopes('a')
    async scoped(): Promise<object> {
      return text(await this.ledger.owner());
    }

    @Tool({ name: 'plain', description: 'No requirements' })
    async plain(): Promise<object> {
      return text(await this.ledger.owner());
    }
  }

  it('is known below a tool', async () => {
    const own = await TestIssuer.start({ ...issuer, audience: resource });
    running.push(own);
    const transport = new MessagesOnly();
    const strategy = new McpStrategy({ name: 'x', version: '1', transports: [transport], logging: false });
    const options: McpAuthModuleOptions = {
      resource,
      authorizationServers: [own.issuer],
      stdio: { tokenEnv: VARIABLE },
    };
    const module = await Test.createTestingModule({
      imports: [McpAuthModule.forRoot(options)],
      controllers: [StdioTools],
      providers: [Ledger],
    }).compile();
    const app: INestMicroservice = module.createNestMicroservice({ strategy, logger: false });
    running.push(app);
    await app.listen();
    process.env[VARIABLE] = await own.mint({ sub: 'bob', scope: 'a' });
    expect(await transport.call('scoped')).toMatchObject({ result: text('bob') });
    process.env[VARIABLE] = await own.mint({ sub: 'carol', scope: 'a' });
    expect(await transport.call('scoped')).toMatchObject({ result: text('carol') });
    // The global guard holds for every handler of a microservice.
    expect(await transport.call('plain')).toMatchObject({ result: text('carol') });
    expect(app.get(McpAuthService).authInfo).toBeUndefined();
  });
});

describe.each(PLATFORMS)('in a session, where nobody injects McpAuthService, on %s', (platform) => {
  let meeting: Rendezvous;
  beforeEach(() => void (meeting = new Rendezvous()));
  const ran: (readonly string[])[] = [];
  beforeEach(() => void (ran.length = 0));

  @McpController()
  class MeetingTools {
    @Tool({ name: 'meet', description: 'Waits for another' })
    async meet(@AuthInfo('scopes') scopes: string[], @AuthInfo() auth: McpAuthInfo): Promise<object> {
      await meeting.meet(2);
      return text([scopes, auth.scopes]);
    }

    @Tool({ name: 'meet-anybody', description: 'The same, for anybody' })
    @Public()
    @UseGuards(McpAuthGuard)
    async meetAnybody(@AuthInfo('subject') subject: string | undefined): Promise<object> {
      await meeting.meet(2);
      return text(subject ?? null);
    }

    /** Whatever decides about a template, is asked at the handler alone. */
    @ResourceTemplate({ uriTemplate: 'notes://by-id/{id}', name: 'by-id' })
    @Authorize(async () => {
      await meeting.meet(2);
      return ['a'];
    })
    byId(@AuthInfo('scopes') scopes: string[]): object {
      ran.push(scopes);
      return { contents: [] };
    }
  }

  const stateful = { controllers: [MeetingTools], transport: { statefulMode: true } };

  it.each([
    ['first', ['a', 'b'], ['b']],
    ['second', ['b'], ['a', 'b']],
  ])('gives each handler the caller of its own message, the one with more scopes %s', async (_which, one, other) => {
    const server = await start(platform, stateful);
    expect(() => server.app.get(McpAuthService).authInfo).toThrow('followCaller');
    const [first, second] = await Promise.all([one, other].map((scopes) => server.mint({ scope: scopes.join(' ') })));
    const session = { 'mcp-session-id': await openSession(server, await server.mint({ scope: 'admin' })) };
    const early = server.callTool('meet', first, {}, session).then(answerOf);
    await meeting.arrivals(1);
    const late = server.callTool('meet', second, {}, session).then(answerOf);
    expect(await Promise.all([early, late])).toEqual([
      [one, one],
      [other, other],
    ]);
  });

  it.each([
    ['second', ['a', 'b'], ['b'], [200, 403]],
    ['first', ['b'], ['a', 'b'], [403, 200]],
  ])('refuses at the handler the one whose own token lacks the scope, the %s', async (_which, one, other, expected) => {
    const server = await start(platform, { ...stateful, transport: { statefulMode: true, enableJsonResponse: true } });
    const [first, second] = await Promise.all([one, other].map((scopes) => server.mint({ scope: scopes.join(' ') })));
    // The session was opened with more than either of them has.
    const session = { 'mcp-session-id': await openSession(server, await server.mint({ scope: 'a b admin' })) };
    const read = (token: string | undefined): Promise<Response> =>
      server.rpc('resources/read', { uri: 'notes://by-id/7' }, { ...bearer(token), ...session });
    const early = read(first);
    await meeting.arrivals(1);
    const answers = await Promise.all([early, read(second)]);
    expect(answers.map(({ status }) => status)).toEqual(expected);
    expect(ran).toEqual([['a', 'b']]);
    const refused = answers.find(({ status }) => status === 403);
    const [challenge] = parseChallenges(refused?.headers.get('www-authenticate') ?? []);
    expect(challenge?.params).toMatchObject({ error: 'insufficient_scope', scope: 'a' });
  });

  it('takes anonymous callers and others not for one another', async () => {
    const server = await start(platform, { ...stateful, options: { allowAnonymous: true } });
    const token = await server.mint();
    const mine = { 'mcp-session-id': await openSession(server, token) };
    const nobodys = { 'mcp-session-id': await openSession(server) };
    for (const order of [
      ['alice', 'nobody'],
      ['nobody', 'alice'],
    ]) {
      meeting = new Rendezvous();
      const answers: Promise<unknown>[] = [];
      for (const who of order) {
        const response =
          who === 'alice'
            ? server.callTool('meet-anybody', token, {}, mine)
            : server.callTool('meet-anybody', undefined, {}, nobodys);
        answers.push(response.then(answerOf));
        await meeting.arrivals(answers.length);
      }
      expect(await Promise.all(answers)).toEqual(order.map((who) => (who === 'alice' ? who : null)));
    }
    expect((await server.callTool('meet-anybody', undefined, {}, mine)).status).toBe(404);
    expect((await server.callTool('meet-anybody', token, {}, nobodys)).status).toBe(404);
  });
});

describe.each(PLATFORMS)('where the application replaces request.auth, on %s', (platform) => {
  /** Says what to put there, from what was there. */
  let replace: (auth: McpAuthInfo) => unknown;

  @Injectable()
  class ReplacingInterceptor implements NestInterceptor {
    intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
      const request = context.switchToHttp().getRequest<{ auth: McpAuthInfo; raw?: { auth: unknown } }>();
      const replaced = replace(request.auth) as McpAuthInfo;
      request.auth = replaced;
      if (request.raw) request.raw.auth = replaced;
      return next.handle();
    }
  }

  const providers = [{ provide: APP_INTERCEPTOR, useClass: ReplacingInterceptor }];
  const REPLACEMENTS: [string, typeof replace][] = [
    ['an empty object', () => ({})],
    ['nothing', () => undefined],
    ['a copy with more scopes', (auth) => ({ ...auth, scopes: ['a', 'b', 'admin'], subject: 'mallory' })],
    ['an heir with more scopes', (auth) => Object.create(auth, { scopes: { value: ['a', 'b', 'admin'] } }) as unknown],
  ];

  it.each(REPLACEMENTS)('tools have the caller all the same: %s', async (_what, replacement) => {
    replace = replacement;
    const server = await start(platform, { providers });
    const token = await server.mint({ scope: 'a' });
    expect(await answerOf(await server.callTool('whoami', token))).toMatchObject({ subject: 'alice', scopes: ['a'] });
    resetRecorded(server);
    await expectServed(server, await server.callTool('read-note', token), 'read-note');
  });

  it.each(REPLACEMENTS)(
    'calls of a session are refused, and not taken for those of its opener: %s',
    async (_what, replacement) => {
      replace = (auth) => auth;
      const server = await start(platform, { providers, transport: { statefulMode: true, enableJsonResponse: true } });
      const session = { 'mcp-session-id': await openSession(server, await server.mint({ scope: 'a b admin' })) };
      const token = await server.mint({ scope: 'a' });
      await expectServed(server, await server.callTool('read-note', token, {}, session), 'read-note');
      resetRecorded(server);
      replace = replacement;
      const [message] = messagesOf(await (await server.callTool('read-note', token, {}, session)).text());
      expect(message).toMatchObject({ result: { isError: true, content: [{ text: 'Authorization is required.' }] } });
      expect(server.ran).toEqual([]);
    },
  );

  it.each(REPLACEMENTS)(
    'calls of a session have their caller where callers are followed: %s',
    async (_what, replacement) => {
      replace = replacement;
      const server = await start(platform, {
        providers,
        options: { followCaller: true },
        transport: { statefulMode: true },
      });
      const session = { 'mcp-session-id': await openSession(server, await server.mint({ scope: 'a b admin' })) };
      const response = await server.callTool('whoami', await server.mint({ scope: 'a' }), {}, session);
      expect(await answerOf(response)).toMatchObject({ subject: 'alice', scopes: ['a'] });
    },
  );
});
