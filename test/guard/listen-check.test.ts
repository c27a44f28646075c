import 'reflect-metadata';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { setImmediate as turn } from 'node:timers/promises';
import { Controller, Module, Post, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { afterEach, describe, expect, it } from '@jest/globals';
import { McpAuthModule, type CommonOptions } from 'nestjs-mcp-auth';
import { freePort } from '../support/free-port.js';
import { recorder, type LogLine } from '../support/log-lines.js';
import { adapterFor, PLATFORMS } from '../support/platforms.js';
import { until } from '../support/until.js';

@Controller('mcp')
class Mcp {
  @Post()
  post(): object {
    return { handler: 'ran' };
  }
}

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

/** What an MCP server outside of Nest answers to everybody. */
const openMcp: Listener = (_request, response) => {
  response.setHeader('content-type', 'application/json');
  response.end('{"jsonrpc":"2.0","id":1,"result":{}}');
};

/** Puts code in front of all that Nest serves, as custom servers do. */
function putInFront(app: INestApplication, path: string, listener: Listener): void {
  const server = app.getHttpServer() as Server;
  const [ofNest] = server.listeners('request') as [Listener];
  server.removeAllListeners('request');
  server.on('request', (request, response) => (request.url === path ? listener : ofNest)(request, response));
}

/** Initializes the application and lets Fastify become ready, which is when it is asked before it listens. */
async function initialize(app: INestApplication): Promise<void> {
  await app.init();
  await (app.getHttpAdapter().getInstance() as { ready?(): Promise<unknown> }).ready?.();
}

describe.each(PLATFORMS)('LIB-21: an application that listens, on %s', (platform) => {
  const log: LogLine[] = [];
  let app: INestApplication | undefined;
  afterEach(async () => {
    await app?.close();
    app = undefined;
    log.length = 0;
  });

  async function create(options: CommonOptions = {}): Promise<INestApplication> {
    const all = {
      resource: 'https://mcp.example.com/mcp',
      authorizationServers: ['https://login.example.com'],
      checkAuthorizationServers: false,
      ...options,
    };
    @Module({ imports: [McpAuthModule.forRoot(all)], controllers: [Mcp] })
    class AppModule {}
    app = await NestFactory.create(AppModule, adapterFor(platform), { logger: recorder(log), abortOnError: false });
    return app;
  }

  const lines = (): LogLine[] => log.filter(({ text }) => text.startsWith('Since the application listens'));
  const post = (port: number): Promise<Response> => fetch(`http://127.0.0.1:${port}/mcp`, { method: 'POST' });

  it('is told of code that answers before the guard, and was added after init()', async () => {
    const created = await create();
    await initialize(created);
    putInFront(created, '/mcp', openMcp);
    const port = await freePort();
    await created.listen(port, '127.0.0.1');
    await until(() => lines().length > 0);
    expect(lines()).toEqual([
      { level: 'error', text: expect.stringContaining('POST /mcp gives an answer with status 200') },
    ]);
    expect(lines()[0]?.text).toContain('Add middleware, routes and listeners of requests before app.init()');
    expect((await post(port)).status).toBe(200);
  });

  it('is told of code that keeps the guard from being asked, whatever it answers', async () => {
    const created = await create();
    await initialize(created);
    putInFront(created, '/mcp', (_request, response) => void response.writeHead(418).end());
    await created.listen(0, '127.0.0.1');
    await until(() => lines().length > 0);
    expect(lines().map(({ text }) => text)).toEqual([
      expect.stringContaining('POST /mcp gives an answer with status 418 to a request without a token'),
    ]);
  });

  it('closes its server where startCheck is "close", and nothing else', async () => {
    const created = await create({ startCheck: 'close' });
    await initialize(created);
    putInFront(created, '/mcp', openMcp);
    const port = await freePort();
    await created.listen(port, '127.0.0.1');
    await until(() => lines().length > 0);
    expect(lines()).toEqual([{ level: 'fatal', text: expect.stringContaining("(startCheck: 'close')") }]);
    expect((created.getHttpServer() as Server).listening).toBe(false);
    await expect(post(port)).rejects.toThrow('fetch failed');
    await expect(created.close()).resolves.toBeUndefined();
    app = undefined;
  });

  it('is asked before and after it listens, and nothing is said of a guarded endpoint', async () => {
    const created = await create({ startCheck: 'close' });
    const answered: string[] = [];
    created.use((request: IncomingMessage, response: ServerResponse, next: () => void) => {
      const { method = '', headers } = request;
      if (headers['user-agent'] === 'nestjs-mcp-auth/start-check')
        response.once('finish', () => void answered.push(method));
      next();
    });
    await created.listen(0, '127.0.0.1');
    await until(() => answered.length === 4);
    await turn();
    await turn();
    expect(answered.toSorted()).toEqual(['GET', 'GET', 'POST', 'POST']);
    expect(lines()).toEqual([]);
    expect((created.getHttpServer() as Server).listening).toBe(true);
  });

  it('is not asked again with allowUnguardedMounts', async () => {
    const created = await create({ allowUnguardedMounts: true });
    const seen: unknown[] = [];
    await created.init();
    putInFront(created, '/mcp', (request, response) => {
      seen.push(request.url);
      openMcp(request, response);
    });
    await created.listen(0, '127.0.0.1');
    await turn();
    expect([seen, lines()]).toEqual([[], []]);
  });
});

it('LIB-21: Express: finds middleware outside of the global prefix that was added after init()', async () => {
  const log: LogLine[] = [];
  const options = {
    resource: 'https://mcp.example.com/mcp',
    authorizationServers: ['https://login.example.com'],
    checkAuthorizationServers: false,
  };
  @Module({ imports: [McpAuthModule.forRoot(options)], controllers: [Mcp] })
  class AppModule {}
  const app = await NestFactory.create(AppModule, adapterFor('express'), {
    logger: recorder(log),
    abortOnError: false,
  });
  app.setGlobalPrefix('api');
  await app.init();
  app.use('/mcp', openMcp);
  await app.listen(0, '127.0.0.1');
  await until(() => log.some(({ level }) => level === 'error'));
  expect(log.filter(({ level }) => level === 'error').map(({ text }) => text)).toEqual([
    expect.stringContaining('Since the application listens, POST /mcp gives an answer with status 200'),
  ]);
  await app.close();
});
