import { Readable } from 'node:stream';
import type { ServerResponse } from 'node:http';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { All, Controller, Get, Param, Req, Res, Sse } from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import express from 'express';
import { Subject, concat, of, type Observable } from 'rxjs';
import { http2Client } from './support/http2.js';
import { startNotesServer, type NotesServer } from './support/notes-server.js';
import { PLATFORMS, type Platform, type PlatformRequest, type PlatformResponse } from './support/platforms.js';
import { bearer } from './support/rpc.js';
import { sdk1Endpoint, sdk2Endpoint } from './support/sdk-endpoints.js';

const FIRST = 'data: first\n\n';
const EVENTS = 'text/event-stream';

/** What a handler goes on to do with each stream that it began. */
let streams: ServerResponse[] = [];
afterEach(() => {
  streams = [];
});

/** Writes the first message, and leaves the stream open. */
function begin(response: ServerResponse): void {
  response.write(FIRST);
  streams.push(response);
}

function beginAs(type: string | string[], response: ServerResponse): void {
  response.setHeader('content-type', type);
  begin(response);
}

/** Ways to begin an event stream on Node's response. */
const WAYS: Record<string, (response: ServerResponse) => void> = {
  'writeHead with an object': (response) =>
    begin(response.writeHead(200, { 'Content-Type': EVENTS, 'Cache-Control': 'no-cache' })),
  'writeHead with a reason and an object': (response) =>
    begin(response.writeHead(200, 'OK', { 'content-type': EVENTS })),
  'writeHead with a list': (response) =>
    begin(response.writeHead(200, ['X-First', '1', 'CONTENT-TYPE', EVENTS] as never)),
  'writeHead without headers': (response) => {
    response.setHeader('Content-Type', EVENTS);
    begin(response.writeHead(200));
  },
  'setHeader and write': (response) => beginAs(`${EVENTS}; charset=utf-8`, response),
  'setHeader in other letters': (response) => beginAs('Text/Event-Stream;charset=UTF-8', response),
  'setHeader with a list': (response) => beginAs([EVENTS], response),
  setHeaders: (response) => {
    // Not there over HTTP/2 in Node.js 20.
    if (typeof response.setHeaders === 'function') response.setHeaders(new Headers({ 'content-type': EVENTS }));
    else response.setHeader('content-type', EVENTS);
    begin(response);
  },
  appendHeader: (response) => {
    response.appendHeader('content-type', EVENTS);
    begin(response);
  },
  flushHeaders: (response) => {
    response.setHeader('content-type', EVENTS);
    response.flushHeaders();
    begin(response);
  },
  'a pipe': (response) => {
    response.writeHead(200, { 'content-type': EVENTS });
    const source = new Readable({ read: () => undefined });
    source.push(FIRST);
    source.pipe(response);
    streams.push(response);
  },
  'another status': (response) => begin(response.writeHead(201, { 'content-type': EVENTS })),
  'newline-delimited JSON': (response) => begin(response.writeHead(200, { 'content-type': 'application/x-ndjson' })),
  'JSON lines': (response) => begin(response.writeHead(200, { 'content-type': 'application/jsonl; charset=utf-8' })),
  'a sequence of JSON texts': (response) => begin(response.writeHead(200, { 'content-type': 'application/json-seq' })),
};

/** Answers that go on, but are one thing. */
const DOWNLOADS: Record<string, (response: ServerResponse) => void> = {
  'a file': (response) => begin(response.writeHead(200, { 'content-type': 'application/octet-stream' })),
  'text in chunks': (response) => begin(response.writeHead(200, { 'content-type': 'text/plain' })),
  'of no type': (response) => begin(response),
};

/** With what sends a stream. */
interface SendingResponse extends PlatformResponse {
  type?(value: string): SendingResponse;
  header?(name: string, value: string): SendingResponse;
  send?(body: unknown): SendingResponse;
}

const inner = express();
inner.all('/inner/:way', (request, response) => WAYS[request.params.way]?.(response));

@Controller()
class StreamController {
  readonly more = new Subject<{ data: string }>();

  @Get('raw/:way')
  raw(@Param('way') way: string, @Res() response: PlatformResponse): void {
    response.hijack?.();
    (WAYS[way] ?? DOWNLOADS[way])?.(response.raw ?? response);
  }

  @All('inner/:way')
  inner(@Req() request: PlatformRequest, @Res() response: PlatformResponse): void {
    response.hijack?.();
    inner(request.raw ?? request, response.raw ?? response);
  }

  @Sse('sse')
  sse(): Observable<{ data: string }> {
    return concat(of({ data: 'first' }), this.more);
  }

  @Get('sent')
  sent(@Res() response: SendingResponse): void {
    const source = new Readable({ read: () => undefined });
    source.push(FIRST);
    streams.push(response.raw ?? response);
    if (response.raw) void response.header?.('content-type', EVENTS).send?.(source);
    else source.pipe(response.type?.(EVENTS) as SendingResponse);
  }
}

const running: NotesServer[] = [];
async function start(platform: Platform): Promise<NotesServer> {
  const server = await startNotesServer(platform, {
    issuer: { alg: 'ES256' },
    controllers: [StreamController, sdk1Endpoint('sdk1', []), sdk2Endpoint('sdk2', [])],
    transport: { statefulMode: true },
  });
  running.push(server);
  return server;
}

describe.each(PLATFORMS)('LIB-24: every stream of an admitted caller ends with the token, on %s', (platform) => {
  let server: NotesServer;
  beforeAll(async () => {
    server = await start(platform);
  });
  afterAll(async () => {
    for (const one of running.splice(0)) await one.close();
  });

  /** With a token that lives for a minute. */
  const open = async (path: string, init: RequestInit = {}): Promise<Response> => {
    const token = await server.mint({ exp: Math.floor(server.clock.now / 1000) + 60 });
    return fetch(server.origin + path, {
      ...init,
      headers: { accept: EVENTS, ...bearer(token), ...(init.headers as Record<string, string>) },
    });
  };

  /** Waits for the first part, lets the token end, and reads until the server ends the answer. */
  async function readToEnd(response: Response): Promise<string> {
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    let text = '';
    const decoder = new TextDecoder();
    for (let isFirst = true; ; isFirst = false) {
      const { done, value } = await reader.read();
      if (done) return text;
      text += decoder.decode(value);
      if (isFirst) server.clock.now += 61_000;
    }
  }

  it.each(Object.keys(WAYS))('begun by %s', async (way) => {
    const response = await open(`/raw/${encodeURIComponent(way)}`);
    expect(response.ok).toBe(true);
    expect(await readToEnd(response)).toBe(FIRST);
    // What is written after that goes nowhere, and breaks nothing.
    expect(streams).toHaveLength(1);
    for (const stream of streams) {
      // A pipe would otherwise wait for an event that never comes.
      expect(stream.write('data: late\n\n')).toBe(true);
      expect(stream.end('data: later\n\n')).toBe(stream);
    }
    expect((await fetch(`${server.origin}/plain`, { headers: bearer(await server.mint()) })).status).toBe(200);
  });

  it.each(Object.keys(WAYS))('begun in another Express application, by %s', async (way) => {
    expect(await readToEnd(await open(`/inner/${encodeURIComponent(way)}`))).toBe(FIRST);
  });

  it('begun by @Sse()', async () => {
    expect(await readToEnd(await open('/sse'))).toContain('data: first');
  });

  it('handed to the platform', async () => {
    expect(await readToEnd(await open('/sent'))).toBe(FIRST);
  });

  it('asked for with GET of the official SDK without sessions', async () => {
    const response = await open('/sdk1');
    expect([response.status, response.headers.get('content-type')]).toEqual([200, EVENTS]);
    server.clock.now += 61_000;
    await response.text();
  });

  it.each(Object.keys(DOWNLOADS))('but not an answer that is one thing: %s', async (way) => {
    const response = await open(`/raw/${encodeURIComponent(way)}`);
    server.clock.now += 61_000;
    for (const stream of streams) stream.end('the rest');
    expect(await response.text()).toBe(`${FIRST}the rest`);
  });

  it('and is not ended before', async () => {
    const response = await open(`/raw/${encodeURIComponent('writeHead with an object')}`);
    server.clock.now += 59_000;
    for (const stream of streams) stream.end('data: in time\n\n');
    expect(await response.text()).toBe(`${FIRST}data: in time\n\n`);
  });
});

describe('LIB-24: every stream of an admitted caller ends with the token, over HTTP/2', () => {
  let server: NotesServer;
  let client: ReturnType<typeof http2Client>;
  beforeAll(async () => {
    server = await startNotesServer('fastify', {
      issuer: { alg: 'ES256' },
      controllers: [StreamController],
      adapter: new FastifyAdapter({ http2: true } as object),
    });
    client = http2Client(server.origin);
  });
  afterAll(async () => {
    await client.close();
    await server.close();
  });

  it.each([...Object.keys(WAYS).map((way) => `/raw/${encodeURIComponent(way)}`), '/sent', '/sse'])(
    '%s',
    async (path) => {
      const token = await server.mint({ exp: Math.floor(server.clock.now / 1000) + 60 });
      const answer = await client.send({ ':path': path, accept: EVENTS, ...bearer(token) });
      await answer.begun;
      server.clock.now += 61_000;
      expect(await answer.text).toContain('data: first');
      for (const stream of streams) {
        stream.write('data: late\n\n');
        stream.end('data: later\n\n');
      }
    },
  );
});
