import 'reflect-metadata';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, Module, Post, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { McpController, McpStrategy, StreamableHttpTransport, Tool } from '@rekog/mcp-nest';
import fastify from 'fastify';
import { McpAuthModule } from 'nestjs-mcp-auth';
import { openLogs, RECORDER } from './support/notes-server.js';
import { adapterFor, listen, PLATFORMS } from './support/platforms.js';

const OPTIONS = {
  resource: 'http://127.0.0.1/mcp',
  authorizationServers: ['https://login.example.com'],
  checkAuthorizationServers: false,
};

@McpController()
class Tools {
  @Tool({ name: 'bare', description: 'No requirements' })
  bare(): object {
    return { content: [] };
  }
}

@Controller('mcp')
class Mcp {
  @Get()
  get(): object {
    return {};
  }

  @Post()
  post(): object {
    return {};
  }
}

@Module({ imports: [McpAuthModule.forRoot(OPTIONS)], controllers: [Tools, Mcp] })
class AppModule {}

interface Reply {
  send(body: object): void;
}

type Handler = (request: unknown, reply: Reply) => void;
type Instance = Record<string, (...args: unknown[]) => unknown>;

const answer: Handler = (_request, reply) => reply.send({ beside: true });
/** As an application hands requests on to a transport of the SDK. */
const serve: Handler = (request, reply) => {
  const transport = { handleRequest: answer };
  transport.handleRequest(request, reply);
};

const instanceOf = (app: INestApplication): Instance => app.getHttpAdapter().getInstance() as Instance;
const plugin = (path: string, handler: Handler) => (inner: Instance, _options: unknown, done: () => void) => (
  inner['post']!(path, handler),
  done()
);

let app: INestApplication | undefined;
const log: string[] = [];
afterEach(async () => {
  await app?.close();
  app = undefined;
  openLogs.delete(log);
  log.length = 0;
});

describe.each(PLATFORMS)('a route of the platform, beside tools, on %s', (platform) => {
  async function start(lay: (created: INestApplication) => unknown, adapter = adapterFor(platform)): Promise<string> {
    app = await NestFactory.create<INestApplication>(AppModule, adapter, { logger: false, abortOnError: false });
    await lay(app);
    return listen(app);
  }

  const wildcard = platform === 'express' ? '/auth/{*rest}' : '/auth/*';
  const ways: [string, string, (handler: Handler) => (created: INestApplication) => unknown][] = [
    ['by the instance', '/hook', (handler) => (created) => instanceOf(created)['post']!('/hook', handler)],
    [
      'by the adapter',
      '/hook',
      (handler) => (created) => (created.getHttpAdapter() as unknown as Instance)['post']!('/hook', handler),
    ],
    [
      'for all methods and paths below',
      '/auth/sign-in',
      (handler) => (created) => instanceOf(created)['all']!(wildcard, handler),
    ],
    ...(platform === 'fastify'
      ? ([
          [
            'by a route with several methods',
            '/hook',
            (handler: Handler) => (created: INestApplication) =>
              instanceOf(created)['route']!({ method: ['GET', 'POST'], url: '/hook', handler }),
          ],
        ] as never[])
      : []),
  ];

  it.each(ways)(
    'is no reason to refuse the start, where nothing of MCP is recognised in it: laid %s',
    async (_way, path, lay) => {
      const origin = await start(lay(answer));
      expect(await (await fetch(`${origin}${path}`, { method: 'POST' })).json()).toEqual({ beside: true });
    },
  );

  it.each(ways)('LIB-21: stops the start where a transport is: laid %s', async (_way, _path, lay) => {
    await expect(start(lay(serve))).rejects.toThrow(/POST \/(hook|auth\/\S+): .* no guard runs before it/);
  });

  it('LIB-21: stops the start where a transport of @rekog/mcp-nest mounts itself', async () => {
    const transport = new StreamableHttpTransport({ mount: true, endpoint: '/elsewhere' });
    const strategy = new McpStrategy({ name: 'x', version: '1', transports: [transport], logging: false });
    const started = start(async (created) => {
      strategy.setHttpAdapter(created.getHttpAdapter());
      created.connectMicroservice({ strategy });
      await created.startAllMicroservices();
    });
    await expect(started).rejects.toThrow(/POST \/elsewhere/);
  });
});

describe('a route of Fastify, beside tools', () => {
  async function start(instance: ReturnType<typeof fastify>): Promise<string> {
    app = await NestFactory.create<INestApplication>(AppModule, new FastifyAdapter(instance as never), {
      logger: false,
      abortOnError: false,
    });
    return listen(app);
  }

  async function startWith(handler: Handler): Promise<string> {
    app = await NestFactory.create<INestApplication>(AppModule, new FastifyAdapter(), {
      logger: false,
      abortOnError: false,
    });
    instanceOf(app)['register']!(plugin('/metrics', handler), { prefix: '/inner' });
    return listen(app);
  }

  it('may be laid by a plugin', async () => {
    const origin = await startWith(answer);
    expect(await (await fetch(`${origin}/inner/metrics`, { method: 'POST' })).json()).toEqual({ beside: true });
  });

  it('LIB-21: stops the start where a plugin lays it and a transport is recognised in it', async () => {
    await expect(startWith(serve)).rejects.toThrow(/POST \/inner\/metrics: .* no guard runs before it/);
  });

  it('is named at the start, since a transport may not be recognised', async () => {
    openLogs.add(log);
    app = await NestFactory.create<INestApplication>(AppModule, new FastifyAdapter(), {
      logger: RECORDER,
      abortOnError: false,
    });
    instanceOf(app)['post']!('/hook', answer);
    await listen(app);
    expect(log.join('\n')).toContain('No guard runs before POST /hook, which Fastify serves outside of Nest');
  });

  it('LIB-21: stops the start where it was laid before the application was created, since nothing tells what serves it', async () => {
    const instance = fastify();
    instance.post('/hook', answer as never);
    await expect(start(instance)).rejects.toThrow(/POST \/hook/);
  });
});
