import type { IncomingMessage, ServerResponse } from 'node:http';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, HttpCode, Param, Post, Res, type INestApplication } from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { FastifyInstance } from 'fastify';
import { messagesOf } from './support/expectations.js';
import { http2Client } from './support/http2.js';
import { startNotesServer, type NotesServer, type NotesServerSettings } from './support/notes-server.js';
import { PLATFORMS, type Platform, type PlatformResponse } from './support/platforms.js';
import { bearer } from './support/rpc.js';
import { sendRaw } from './support/raw-http.js';

/** The answer of an MCP server that is not a framework. */
const LIST = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  result: { tools: [{ name: 'ping' }, { name: 'admin' }, { name: 'ü€😀' }] },
});

/** What was thrown or emitted on the way. */
const faults: unknown[] = [];

@Controller('own')
class OwnController {
  @Post('written/:way')
  @HttpCode(200)
  written(@Param('way') way: string, @Res() response: PlatformResponse): void {
    response.hijack?.();
    const raw = response.raw ?? response;
    raw.on('error', (error) => faults.push(error));
    raw.statusCode = 200;
    WAYS[way]?.(raw);
  }

  @Post('returned')
  @HttpCode(200)
  returned(): unknown {
    return JSON.parse(LIST) as unknown;
  }
}

const running: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const server of running.splice(0).toReversed()) await server.close();
  expect(faults.splice(0)).toEqual([]);
});

async function start(platform: Platform, settings: NotesServerSettings = {}): Promise<NotesServer> {
  const server = await startNotesServer(platform, {
    issuer: { alg: 'ES256' },
    controllers: [OwnController],
    ...settings,
    options: settings.options ?? { scopes: { listing: 'hide' } },
  });
  running.push(server);
  return server;
}

/** Names of the tools in an answer. */
const toolsIn = (text: string): string[] => {
  const [message] = messagesOf(text) as [
    { result: { tools: { name: string; _meta?: { securitySchemes?: unknown } }[] } },
  ];
  return message.result.tools.map(({ name }) => name);
};

const list = async (
  server: NotesServer,
  path = '/mcp',
  headers: Record<string, string> = {},
): Promise<{ text: string; headers: Headers }> => {
  const response = await fetch(server.origin + path, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...bearer(await server.mint()),
      ...headers,
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' }),
  });
  expect(response.status).toBe(200);
  return { text: await response.text(), headers: response.headers };
};

type Middleware = (request: IncomingMessage, response: ServerResponse, next: () => void) => void;

/** Middleware that has a hand in what is written below the guard. */
const MIDDLEWARE: Record<string, Middleware> = {
  'an end that writes first': (_request, response, next) => {
    const { end } = response;
    response.end = function (this: ServerResponse, chunk?: unknown) {
      if (chunk !== undefined && chunk !== null && typeof chunk !== 'function') this.write(chunk as string);
      return Reflect.apply(end, this, []) as ServerResponse;
    } as ServerResponse['end'];
    next();
  },
  'an end that waits, as that of a session store': (_request, response, next) => {
    const { end } = response;
    response.end = function (this: ServerResponse, ...args: unknown[]) {
      const [chunk] = args;
      if (typeof chunk === 'string' || chunk instanceof Uint8Array) this.write(chunk);
      setImmediate(() => Reflect.apply(end, this, []));
      return this;
    } as ServerResponse['end'];
    next();
  },
  'compression of what is written': (_request, response, next) => {
    const { write: pass, end } = response;
    const chunks: Buffer[] = [];
    response.write = ((chunk: string | Uint8Array) => chunks.push(Buffer.from(chunk)) > 0) as ServerResponse['write'];
    response.end = function (this: ServerResponse, chunk?: string | Uint8Array) {
      if (chunk !== undefined) this.write(chunk);
      if (!this.headersSent) {
        this.setHeader('Content-Encoding', 'gzip');
        this.removeHeader('Content-Length');
      }
      Reflect.apply(pass, this, [gzipSync(Buffer.concat(chunks))]);
      return Reflect.apply(end, this, []) as ServerResponse;
    } as ServerResponse['end'];
    const { writeHead } = response;
    response.writeHead = function (this: ServerResponse, ...head: unknown[]) {
      this.setHeader('Content-Encoding', 'gzip');
      this.removeHeader('Content-Length');
      return Reflect.apply(writeHead, this, head) as ServerResponse;
    } as ServerResponse['writeHead'];
    next();
  },
  'a write of its own': (_request, response, next) => {
    const { write: pass } = response;
    response.write = function (this: ServerResponse, ...args: unknown[]) {
      return Reflect.apply(pass, this, args) as boolean;
    } as ServerResponse['write'];
    next();
  },
};

/** The only way in which the answer cannot be read. */
const UNKNOWN_CODING = 'a content coding that is not known';

/** Ways to write the same answer on Node's response. */
const WAYS: Record<string, (response: ServerResponse) => void> = {
  end: (response) => response.writeHead(200, { 'content-type': 'application/json' }).end(LIST),
  'write and end': (response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.write(LIST.slice(0, 30));
    response.end(LIST.slice(30));
  },
  'bytes that divide a character': (response) => {
    const bytes = Buffer.from(LIST);
    for (const byte of bytes) response.write(Buffer.of(byte));
    response.end();
  },
  'a length in an object': (response) =>
    response.writeHead(200, { 'Content-Length': Buffer.byteLength(LIST) }).end(LIST),
  'a length in a list': (response) =>
    response.writeHead(200, ['CONTENT-length', String(Buffer.byteLength(LIST))] as never).end(LIST),
  'a length that was set': (response) => response.setHeader('content-length', Buffer.byteLength(LIST)).end(LIST),
  flushHeaders: (response) => {
    response.flushHeaders();
    response.end(LIST);
  },
  'callbacks and an encoding': (response) => {
    response.write(LIST.slice(0, 30), 'utf8', () =>
      response.end(Buffer.from(LIST.slice(30)).toString('base64'), 'base64'),
    );
  },
  'an end after the end': (response) => {
    response.end(LIST);
    response.end('again');
  },
  'a write after the end': (response) => {
    response.end(LIST);
    response.write('more');
  },
  gzip: (response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(LIST)),
  'gzip in a list': (response) => response.writeHead(200, ['Content-Encoding', 'GZIP'] as never).end(gzipSync(LIST)),
  brotli: (response) => response.setHeader('Content-Encoding', 'br').end(brotliCompressSync(LIST)),
  deflate: (response) => response.setHeader('Content-Encoding', 'deflate').end(deflateSync(LIST)),
  identity: (response) => response.setHeader('Content-Encoding', 'identity').end(LIST),
  [UNKNOWN_CODING]: (response) =>
    response.setHeader('x-coding', '1').writeHead(200, { 'content-encoding': 'x-own' }).end('anything'),
};

const pathOf = (way: string): string => `/own/written/${encodeURIComponent(way)}`;

describe.each(PLATFORMS)('a list that is held back, on %s', (platform) => {
  const readable = Object.keys(WAYS).filter((way) => way !== UNKNOWN_CODING);
  it.each(readable)('is changed, and complete, however it is written: %s', async (way) => {
    const server = await start(platform);
    const { text } = await list(server, pathOf(way));
    expect(toolsIn(text)).toEqual(['ping', 'ü€😀']);
  });

  it('is passed on as it is in a content coding that is not known', async () => {
    const server = await start(platform);
    const response = await sendRaw(server.origin, {
      path: pathOf(UNKNOWN_CODING),
      headers: ['Content-Type: application/json', `Authorization: Bearer ${await server.mint()}`],
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' }),
    });
    expect([response.status, response.headers.get('content-encoding')]).toEqual([200, ['x-own']]);
    expect(response.body).toContain('anything');
  });

  describe.each(['show', 'obtainable', 'hide'] as const)('with listing %s', (listing) => {
    it.each(Object.keys(MIDDLEWARE))('arrives behind %s', async (name) => {
      const prepare = (app: INestApplication): void => void app.use(MIDDLEWARE[name] as Middleware);
      for (const transport of [{}, { enableJsonResponse: true }]) {
        const server = await start(platform, { prepare, transport, options: { scopes: { listing } } });
        const { text } = await list(server);
        expect(toolsIn(text)).toContain('ping');
        expect(toolsIn(text).includes('admin')).toBe(listing !== 'hide');
        expect(text).toContain('securitySchemes');
      }
    });
  });
});

describe('a list that is held back', () => {
  it('is changed although a hook of Fastify has compressed it', async () => {
    const server = await start('fastify', {
      prepare: (app) =>
        void (app.getHttpAdapter().getInstance() as FastifyInstance).addHook(
          'onSend',
          async (_request, reply, payload) => {
            reply.header('content-encoding', 'gzip').removeHeader('content-length');
            return gzipSync(payload as string);
          },
        ),
    });
    const { text, headers } = await list(server, '/own/returned');
    expect([toolsIn(text), headers.get('content-encoding')]).toEqual([['ping', 'ü€😀'], null]);
  });

  it.each(['show', 'obtainable', 'hide'] as const)('arrives over HTTP/2, with listing %s', async (listing) => {
    const server = await start('fastify', {
      adapter: new FastifyAdapter({ http2: true } as object),
      options: { scopes: { listing } },
    });
    const client = http2Client(server.origin);
    running.push(client);
    const token = await server.mint();
    const headers = {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...bearer(token),
    };
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' });
    const answer = await client.send({ ':path': '/mcp', ...headers }, body);
    const text = await answer.text;
    expect([answer.status, toolsIn(text).includes('ping'), toolsIn(text).includes('admin')]).toEqual([
      200,
      true,
      listing !== 'hide',
    ]);
    for (const way of ['end', 'write and end', 'flushHeaders', 'gzip']) {
      const own = await client.send({ ':path': pathOf(way), ...headers }, body);
      expect(toolsIn(await own.text)).toContain('ping');
    }
  });
});
