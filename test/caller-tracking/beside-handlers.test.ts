import { AsyncResource } from 'node:async_hooks';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  Catch,
  Controller,
  Get,
  Inject,
  Injectable,
  Module,
  Param,
  Req,
  type CallHandler,
  type ExceptionFilter,
  type ArgumentsHost,
  type ExecutionContext,
  type MiddlewareConsumer,
  type NestInterceptor,
  type Type,
} from '@nestjs/common';
import { APP_FILTER, APP_INTERCEPTOR } from '@nestjs/core';
import type { Observable } from 'rxjs';
import { AuthInfo, McpAuthService } from 'nestjs-mcp-auth';
import { dispatch } from '../support/adapter-request.js';
import { type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { bearer } from '../support/rpc.js';
import { Finder } from './finder.js';
import { Rendezvous } from './rendezvous.js';
import { closeServers, start } from './started-servers.js';

afterEach(closeServers);

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
      JSON.parse((await dispatch(server.app, { path, headers: bearer(token) })).body) as unknown,
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
      const { status, body } = await dispatch(other.app, {
        method: 'POST',
        path: '/self-mounted',
        headers: { ...headers, ...bearer(token) },
        body: JSON.stringify(message),
      });
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
