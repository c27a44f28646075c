import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { All, Body, Controller, Get, Res, type INestApplication } from '@nestjs/common';
import express from 'express';
import type { FastifyInstance } from 'fastify';
import { startNotesServer, type NotesServer, type NotesServerSettings } from './support/notes-server.js';
import { PLATFORMS, type Platform } from './support/platforms.js';
import { bearer } from './support/rpc.js';
import { sdk1Endpoint, sdk2Endpoint } from './support/sdk-endpoints.js';

const ran: string[] = [];
afterEach(() => {
  ran.length = 0;
});

@Controller('api')
class ApiController {
  @All('body')
  body(@Body() body: unknown): object {
    return { body: body ?? null };
  }

  @Get('cached')
  cached(): object {
    return {};
  }

  @Get('own')
  own(@Res({ passthrough: true }) response: { header(name: string, value: string): void }): object {
    response.header('Cache-Control', 'public, max-age=1');
    return {};
  }
}

const WIPE = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'wipe', arguments: {} } });

/** Operations are named in the options, so that JSON is looked at on every route. */
function start(platform: Platform, settings: NotesServerSettings = {}): Promise<NotesServer> {
  return startNotesServer(platform, {
    issuer: { alg: 'ES256' },
    controllers: [ApiController, sdk1Endpoint('sdk1', ran), sdk2Endpoint('sdk2', ran)],
    options: { scopes: { operations: { tools: { wipe: ['admin'] } } } },
    ...settings,
  });
}

/** Sends a request whose body comes in chunks, of which there is none. */
async function sendNoChunks(origin: string, token: string, method: string): Promise<string> {
  const { hostname, port, host } = new URL(origin);
  const socket = connect(Number(port), hostname);
  const head = [`${method} /api/body HTTP/1.1`, `Host: ${host}`, 'Connection: close', `Authorization: Bearer ${token}`];
  socket.write([...head, 'Content-Type: application/json', 'Transfer-Encoding: chunked', '', '0', '', ''].join('\r\n'));
  let answer = '';
  for await (const chunk of socket) answer += String(chunk);
  return answer;
}

describe.each(PLATFORMS)('bodies of other routes, on %s', (platform) => {
  let server: NotesServer;
  let token: string;
  beforeAll(async () => {
    // Fastify takes any JSON value; the parser of Express has to be told so.
    const prepare = (app: INestApplication): void =>
      void (platform === 'express' && app.use(express.json({ strict: false })));
    server = await start(platform, { bodyParser: platform === 'fastify', prepare });
    token = await server.mint({ scope: 'other' });
  });
  afterAll(() => server.close());

  it.each(['"a string"', '""', '5', 'null', 'true', '[]', '{}'])(
    'LIB-17: the JSON value %s is left alone',
    async (body) => {
      const headers = { 'content-type': 'application/json', ...bearer(token) };
      const response = await fetch(`${server.origin}/api/body`, { method: 'POST', headers, body });
      expect([response.status, await response.json()]).toEqual([200, { body: JSON.parse(body) as unknown }]);
    },
  );

  it('LIB-17: a text that may hold a message is refused', async () => {
    for (const text of [WIPE, ` \n${WIPE}`, `\uFEFF${WIPE}`, `[${WIPE}]`]) {
      const headers = { 'content-type': 'application/json', ...bearer(token) };
      const response = await fetch(`${server.origin}/api/body`, {
        method: 'POST',
        headers,
        body: JSON.stringify(text),
      });
      expect([response.status, await response.text()]).toEqual([400, expect.stringContaining('body_not_parsed')]);
    }
  });

  it.each(['POST', 'DELETE'])(
    'LIB-17: %s with chunked coding and nothing in it is left to the platform',
    async (method) => {
      const answer = await sendNoChunks(server.origin, token, method);
      // Fastify refuses JSON of which there is nothing.
      expect(answer).toContain(platform === 'express' ? 'HTTP/1.1 200 ' : 'Body cannot be empty');
    },
  );
});

/** What stands in the place of a body that nobody has read. */
const STANDS_THERE: readonly unknown[] = [{ tenant: 'a' }, [1], 5, null, '', 'a text', Buffer.from('a')];

/** Middleware that shows something as the body of a request that nobody has read. */
function showing(body: () => unknown): Record<Platform, NotesServerSettings> {
  return {
    express: {
      prepare: (app) =>
        void app.use((request: { body?: unknown }, _response: unknown, next: () => void) => {
          request.body = body();
          next();
        }),
    },
    fastify: {
      prepare: (app) => {
        const fastify = app.getHttpAdapter().getInstance() as FastifyInstance;
        fastify.removeAllContentTypeParsers();
        fastify.addContentTypeParser('*', (_request, _payload, done) => done(null, body()));
      },
    },
  };
}

describe.each(PLATFORMS)('LIB-17: what middleware shows as a body that it has not read, on %s', (platform) => {
  let shown: unknown;
  let server: NotesServer;
  beforeAll(async () => {
    server = await start(platform, { bodyParser: false, ...showing(() => shown)[platform] });
  });
  afterAll(() => server.close());

  it.each(['/mcp', '/sdk1', '/sdk2', '/api/body'])('does not make it a parsed one at %s', async (path) => {
    const headers = {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...bearer(await server.mint()),
    };
    for (shown of STANDS_THERE) {
      const response = await fetch(server.origin + path, { method: 'POST', headers, body: WIPE });
      expect([shown, response.status, await response.text(), ran]).toEqual([
        shown,
        400,
        expect.stringContaining('body_not_parsed'),
        [],
      ]);
    }
  });
});

describe.each(PLATFORMS)('Cache-Control of the application, on %s', (platform) => {
  let value: string | string[] | undefined;
  let server: NotesServer;
  beforeAll(async () => {
    server = await start(platform, {
      prepare: (app) => {
        if (platform === 'express') {
          app.use(
            (_request: unknown, response: { setHeader(name: string, value: unknown): void }, next: () => void) => {
              if (value !== undefined) response.setHeader('Cache-Control', value);
              response.setHeader('Vary', 'Origin');
              next();
            },
          );
          return;
        }
        (app.getHttpAdapter().getInstance() as FastifyInstance).addHook('onRequest', (_request, { raw }, done) => {
          if (value !== undefined) raw.setHeader('Cache-Control', value);
          raw.setHeader('Vary', 'Origin');
          done();
        });
      },
    });
  });
  afterAll(() => server.close());

  it.each<[string | string[] | undefined, string]>([
    [undefined, 'private'],
    ['no-store', 'no-store'],
    ['No-Store, max-age=0', 'No-Store, max-age=0'],
    ['no-cache', 'private, no-cache'],
    ['private, max-age=60', 'private, max-age=60'],
    ['private="set-cookie", max-age=60', 'private, max-age=60'],
    ['public, max-age=60, s-maxage=600', 'private, max-age=60'],
    [['public', 'must-revalidate'], 'private, must-revalidate'],
    ['', 'private'],
  ])('%j is kept, as far as it shares nothing: %s', async (set, sent) => {
    value = set;
    const response = await fetch(`${server.origin}/api/cached`, { headers: bearer(await server.mint()) });
    expect([response.status, response.headers.get('cache-control'), response.headers.get('vary')]).toEqual([
      200,
      sent,
      'Origin, Authorization',
    ]);
  });

  it('what the handler sets holds', async () => {
    value = 'no-store';
    const response = await fetch(`${server.origin}/api/own`, { headers: bearer(await server.mint()) });
    expect(response.headers.get('cache-control')).toBe('public, max-age=1');
  });
});
