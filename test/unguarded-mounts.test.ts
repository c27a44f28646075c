import 'reflect-metadata';
import type { Server } from 'node:http';
import {
  Controller,
  Get,
  Injectable,
  Module,
  Post,
  UnauthorizedException,
  type INestApplication,
  type MiddlewareConsumer,
  type Type,
} from '@nestjs/common';
import { APP_GUARD, NestFactory } from '@nestjs/core';
import { afterEach, describe, expect, it } from '@jest/globals';
import { McpController, Tool } from '@rekog/mcp-nest';
import express from 'express';
import { McpAuthConfigError, McpAuthModule, Public, type McpAuthModuleOptions } from 'nestjs-mcp-auth';
import { until } from './support/until.js';
import { adapterFor, listen, PLATFORMS, type Platform } from './support/platforms.js';
import { openLogs, RECORDER } from './support/notes-server.js';

const resource = 'http://127.0.0.1:3000/mcp';
const CALL = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'tools/call',
  params: { name: 'delete-everything', arguments: {} },
});

/** Requests that an MCP server outside of Nest has served. */
let served = 0;

interface AnyResponse {
  readonly raw?: AnyResponse;
  writeHead(status: number, headers: Record<string, string>): void;
  end(text?: string): void;
  hijack?(): void;
}

/** As an MCP server of the SDK answers, on either platform. */
function serve(_request: unknown, response: AnyResponse): void {
  served += 1;
  response.hijack?.();
  const raw = response.raw ?? response;
  raw.writeHead(200, { 'content-type': 'application/json' });
  raw.end(JSON.stringify({ jsonrpc: '2.0', id: 1, result: {} }));
}

/** As one with sessions answers what belongs to none. */
function serveSessions(_request: unknown, response: AnyResponse): void {
  served += 1;
  response.hijack?.();
  const raw = response.raw ?? response;
  raw.writeHead(400, { 'content-type': 'application/json' });
  raw.end(JSON.stringify({ jsonrpc: '2.0', id: null, error: { code: -32000, message: 'Server not initialized' } }));
}

/** As one answers that streams. */
function serveStream(_request: unknown, response: AnyResponse): void {
  served += 1;
  response.hijack?.();
  const raw = (response.raw ?? response) as AnyResponse & { write(text: string): void };
  raw.writeHead(200, { 'content-type': 'text/event-stream' });
  raw.write('event: endpoint\ndata: /messages\n\n');
}

@Controller('health')
class Health {
  @Get()
  up(): object {
    return { up: true };
  }
}

@McpController()
class Tools {
  @Tool({ name: 'own', description: 'A tool of the application' })
  own(): object {
    return { content: [] };
  }
}

@Injectable()
class ServingMiddleware {
  use(request: unknown, response: AnyResponse): void {
    serve(request, response);
  }
}

type Instance = Record<string, (...args: unknown[]) => unknown>;
const instanceOf = (app: INestApplication): Instance => app.getHttpAdapter().getInstance() as Instance;
const atMcp = (request: { url?: string }): boolean => (request.url ?? '').split('?')[0] === '/mcp';
const onlyAtMcp = (request: { url?: string }, response: AnyResponse, next: () => void): void =>
  atMcp(request) ? serve(request, response) : next();

function router(): express.Router {
  const inner = express.Router();
  inner.post('/', serve as never);
  return inner;
}

function innerApplication(): express.Express {
  const app = express();
  app.all('/', serve as never);
  return app;
}

const EXPRESS: Record<string, (app: INestApplication) => unknown> = {
  "app.use('/mcp', handler)": (app) => app.use('/mcp', serve),
  'app.use(handler)': (app) => app.use(onlyAtMcp),
  "app.use('/mcp', handler) of a server with sessions": (app) => app.use('/mcp', serveSessions),
  "app.use('/mcp', handler) of a server that streams": (app) => app.use('/mcp', serveStream),
  'adapter.post': (app) => (app.getHttpAdapter() as unknown as Instance)['post']!('/mcp', serve),
  'adapter.all': (app) => (app.getHttpAdapter() as unknown as Instance)['all']!('/mcp', serve),
  'instance.post': (app) => instanceOf(app)['post']!('/mcp', serve),
  'instance.all': (app) => instanceOf(app)['all']!('/mcp', serve),
  'instance.all of a pattern': (app) => instanceOf(app)['all']!('/{*path}', onlyAtMcp),
  'instance.get of a stream': (app) => instanceOf(app)['get']!('/mcp', serveStream),
  'instance.route': (app) => (instanceOf(app)['route']!('/mcp') as { post(handler: unknown): void }).post(serve),
  'a router': (app) => app.use('/mcp', router()),
  'a router in a router': (app) => app.use('/', express.Router().use('/mcp', router())),
  'an application of Express': (app) => app.use('/mcp', innerApplication()),
};

const FASTIFY: Record<string, (app: INestApplication) => unknown> = {
  "app.use('/mcp', handler)": (app) => app.use('/mcp', serve),
  'app.use(handler)': (app) => app.use(onlyAtMcp),
  'adapter.post': (app) => (app.getHttpAdapter() as unknown as Instance)['post']!('/mcp', serve),
  'instance.post': (app) => instanceOf(app)['post']!('/mcp', serve),
  'instance.all': (app) => instanceOf(app)['all']!('/mcp', serve),
  'instance.route': (app) => instanceOf(app)['route']!({ method: ['POST'], url: '/mcp', handler: serve }),
  'instance.get of a stream': (app) => instanceOf(app)['get']!('/mcp', serveStream),
  'a plugin': (app) =>
    void instanceOf(app)['register']!(
      (instance: Instance, _options: unknown, done: () => void) => (instance['post']!('/mcp', serve), done()),
    ),
  'a plugin with a prefix': (app) =>
    void instanceOf(app)['register']!(
      (instance: Instance, _options: unknown, done: () => void) => (instance['post']!('/', serve), done()),
      { prefix: '/mcp' },
    ),
  'a pattern': (app) => instanceOf(app)['post']!('/:anything', serve),
  'a hook that answers': (app) =>
    instanceOf(app)['addHook']!(
      'onRequest',
      (request: { url: string; raw: unknown }, reply: AnyResponse, done: () => void) =>
        atMcp(request) ? serve(request, reply) : done(),
    ),
};

const MODULES: [string, (options: Partial<McpAuthModuleOptions>, more?: object) => Type][] = [
  ['without tools of its own', (options, more = {}) => moduleOf(options, { controllers: [Health], ...more })],
  ['with tools of its own', (options, more = {}) => moduleOf(options, { controllers: [Health, Tools], ...more })],
];

function moduleOf(options: Partial<McpAuthModuleOptions>, metadata: { controllers: Type[] }): Type {
  const all = {
    resource,
    authorizationServers: ['https://login.example.com'],
    checkAuthorizationServers: false,
    ...options,
  } as McpAuthModuleOptions;
  @Module({ imports: [McpAuthModule.forRoot(all)], ...metadata })
  class AppModule {}
  return AppModule;
}

let app: INestApplication | undefined;
const log: string[] = [];
afterEach(async () => {
  // Streams go on.
  (app?.getHttpServer() as Server | undefined)?.closeAllConnections();
  await app?.close();
  app = undefined;
  openLogs.delete(log);
  log.length = 0;
  served = 0;
});

async function create(platform: Platform, module: Type): Promise<INestApplication> {
  openLogs.add(log);
  app = await NestFactory.create(module, adapterFor(platform), { logger: RECORDER, abortOnError: false });
  return app;
}

/** Whether a request without a token is served by somebody: a call, or with GET the opening of a stream. */
async function isServed(origin: string, method: 'POST' | 'GET' = 'POST'): Promise<boolean> {
  served = 0;
  const call = { headers: { 'content-type': 'application/json' }, body: CALL };
  const response = await fetch(`${origin}/mcp`, { method, ...(method === 'POST' && call) });
  await response.body?.cancel();
  return served > 0;
}

/** With what each way is asked; to a call, a route for GET alone answers nothing. */
const methodOf = (way: string): 'POST' | 'GET' => (way === 'instance.get of a stream' ? 'GET' : 'POST');

const CASES = PLATFORMS.flatMap((platform) =>
  Object.entries(platform === 'express' ? EXPRESS : FASTIFY).flatMap(([way, mount]) =>
    MODULES.map(([tools, make]) => ({ platform, way, mount, tools, make })),
  ),
);

describe('LIB-21: MCP that is served past the guard', () => {
  it.each(CASES)('stops the start: $way on $platform, $tools', async ({ platform, mount, make }) => {
    const created = await create(platform, make({}));
    await mount(created);
    await expect(listen(created)).rejects.toThrow(/(POST|GET) \/(mcp|:anything): .*no guard runs before it/);
  });

  it.each(PLATFORMS)('stops the start at /mcp, too, where the resource is another path, on %s', async (platform) => {
    const created = await create(
      platform,
      moduleOf({ resource: 'http://127.0.0.1:3000/other' } as object, { controllers: [Health] }),
    );
    created.use('/mcp', serve);
    await expect(listen(created)).rejects.toThrow(/POST \/mcp: .*no guard runs before it/);
  });

  const transport = { handleRequest: serve, handlePostMessage: serve };
  it.each<[string, (created: INestApplication) => unknown]>([
    [
      'a route',
      (created) =>
        instanceOf(created)['post']!('/elsewhere', (request: unknown, response: AnyResponse) =>
          transport.handleRequest(request, response),
        ),
    ],
    [
      'a route for messages',
      (created) =>
        instanceOf(created)['post']!('/elsewhere', (request: unknown, response: AnyResponse) =>
          transport.handlePostMessage(request, response),
        ),
    ],
    [
      'middleware',
      (created) =>
        created.use('/elsewhere', (request: unknown, response: AnyResponse) =>
          transport.handleRequest(request, response),
        ),
    ],
    [
      'a router',
      (created) =>
        created.use(
          '/elsewhere',
          express
            .Router()
            .post('/', ((request: unknown, response: AnyResponse) =>
              transport.handleRequest(request, response)) as never),
        ),
    ],
  ])('stops the start at any path where the handler calls a transport on express: %s', async (_way, mount) => {
    const created = await create('express', moduleOf({}, { controllers: [Health] }));
    mount(created);
    await expect(listen(created)).rejects.toThrow(/no guard runs before it/);
  });

  it.each(CASES)(
    'is served, and said, where that is wanted: $way on $platform, $tools',
    async ({ platform, way, mount, make }) => {
      const created = await create(platform, make({ allowUnguardedMounts: true }));
      await mount(created);
      const origin = await listen(created);
      expect(served).toBe(0);
      expect(await isServed(origin, methodOf(way))).toBe(true);
      if (methodOf(way) === 'GET') expect(await isServed(origin)).toBe(false);
      expect(log.join('\n')).toMatch(/allowUnguardedMounts is on/);
    },
  );

  it.each(CASES)(
    'is refused or out of reach when it is mounted after init: $way on $platform, $tools',
    async ({ platform, way, mount, make }) => {
      const created = await create(platform, make({}));
      await created.init();
      await mount(created);
      const outcome = await listen(created).catch((error: unknown) => error);
      if (platform === 'fastify') {
        // It takes routes and hooks until it listens, so that the library finds them.
        expect(outcome).toBeInstanceOf(McpAuthConfigError);
        expect((outcome as Error).message).toMatch(/(POST|GET) \/(mcp|:anything): .*no guard runs before it/);
      } else {
        // It asks in order, and by then Nest has answered 404 before.
        expect(outcome).toEqual(expect.any(String));
        expect(await isServed(outcome as string, methodOf(way))).toBe(false);
      }
    },
  );

  it.each(PLATFORMS.flatMap((platform) => MODULES.map(([tools, make]) => ({ platform, tools, make }))))(
    'stops the start: middleware of a module on $platform, $tools',
    async ({ platform, make }) => {
      const Base = make({}, { providers: [ServingMiddleware] });
      class WithMiddleware extends Base {
        configure(consumer: MiddlewareConsumer): void {
          consumer.apply(ServingMiddleware).forRoutes('mcp');
        }
      }
      Module({ imports: Reflect.getMetadata('imports', Base), controllers: [Health], providers: [ServingMiddleware] })(
        WithMiddleware,
      );
      await expect(listen(await create(platform, WithMiddleware))).rejects.toThrow(
        /POST \/mcp: .*no guard runs before it/,
      );
    },
  );
});

describe.each(PLATFORMS)('the question at the start, on %s', (platform) => {
  const ran: string[] = [];

  @Controller('mcp')
  class Mcp {
    @Post()
    post(): object {
      ran.push('mcp');
      return {};
    }
  }

  it.each([
    ['protected', () => class extends Mcp {}],
    [
      'public',
      () => {
        @Public()
        class Open extends Mcp {}
        return Open;
      },
    ],
  ])('runs no handler, and says nothing, where the route is %s', async (_which, make) => {
    const Sub = make();
    Controller('mcp')(Sub);
    const seen: string[] = [];
    const created = await create(platform, moduleOf({}, { controllers: [Sub] }));
    created.use(
      (
        request: { method: string; url: string; headers: object; socket: { remoteAddress?: string } },
        _response: unknown,
        next: () => void,
      ) => {
        // Who counts requests by address counts none of a client.
        seen.push(
          `${request.method} ${request.url} ${request.socket.remoteAddress} ${JSON.stringify(request.headers).includes('authorization')}`,
        );
        next();
      },
    );
    await listen(created);
    expect(ran).toEqual([]);
    // Once before the application listens, and once when it does.
    const asked = ['POST /mcp 127.0.0.2 false', 'GET /mcp 127.0.0.2 false'];
    await until(() => seen.length === 4);
    expect(seen).toEqual([...asked, ...asked]);
    expect(ran).toEqual([]);
    expect(log.join('\n')).not.toMatch(/the resource|Refused|no guard/);
  });

  it('warns of a resource that no route answers, and names the route that is meant', async () => {
    const created = await create(platform, moduleOf({}, { controllers: [Mcp] }));
    created.setGlobalPrefix('api');
    await listen(created);
    expect(log.join('\n')).toMatch(/No route answers POST \/mcp.*The application has POST \/api\/mcp\./);
  });

  it('warns of a guard or middleware that answers first', async () => {
    const created = await create(platform, moduleOf({}, { controllers: [Mcp] }));
    created.use('/mcp', (_request: unknown, response: AnyResponse) => {
      response.writeHead(401, { 'www-authenticate': 'Bearer' });
      response.end('{}');
    });
    await listen(created);
    expect(log.join('\n')).toMatch(
      /POST \/mcp.* is answered with 401 before McpAuthGuard is asked.*cannot sign in\. A guard of the controller or a middleware/,
    );
  });

  it.each(['before', 'after'])(
    'warns of a global guard of passport that is imported %s the library, unless it passes MCP',
    async (order) => {
      let isPassed = false;
      /** As much as `AuthGuard()` of `@nestjs/passport` has that others have not. */
      class JwtAuthGuard {
        handleRequest(): void {
          throw new UnauthorizedException();
        }

        getAuthenticateOptions(): undefined {
          return undefined;
        }

        canActivate(): boolean {
          if (!isPassed) this.handleRequest();
          return true;
        }
      }
      @Module({ providers: [{ provide: APP_GUARD, useClass: JwtAuthGuard }] })
      class Legacy {}
      const library = Reflect.getMetadata('imports', moduleOf({}, { controllers: [] })) as Type[];
      const make = (): Type => {
        @Module({ imports: order === 'before' ? [Legacy, ...library] : [...library, Legacy], controllers: [Mcp] })
        class AppModule {}
        return AppModule;
      };
      await listen(await create(platform, make()));
      const expected =
        order === 'before'
          ? /is answered with 401 before McpAuthGuard is asked.*these global guards run before McpAuthGuard: JwtAuthGuard\. Let it accept/
          : /The global guard JwtAuthGuard refuses POST \/mcp, too/;
      expect(log.join('\n')).toMatch(expected);
      await app?.close();
      log.length = 0;
      isPassed = true;
      await listen(await create(platform, make()));
      expect(log.join('\n')).not.toMatch(/before McpAuthGuard|JwtAuthGuard refuses/);
    },
  );

  it('warns of a route with a parameter that the resource has not', async () => {
    const make = (): Type => {
      @Controller('orgs/:org/mcp')
      class OrgMcp extends Mcp {}
      return OrgMcp;
    };
    await listen(
      await create(
        platform,
        moduleOf({ resource: 'http://127.0.0.1:3000/orgs/acme/mcp' } as object, { controllers: [make()] }),
      ),
    );
    expect(log.join('\n')).toMatch(
      /The route "\/orgs\/:org\/mcp" has a parameter, and the resource .*requests with another value get 404/,
    );
  });

  it('does not wait for a middleware that never answers', async () => {
    const created = await create(platform, moduleOf({}, { controllers: [Mcp] }));
    created.use('/mcp', () => undefined);
    await listen(created);
    expect(log.join('\n')).toMatch(/POST \/mcp.* gave no answer at the start/);
  });
});
