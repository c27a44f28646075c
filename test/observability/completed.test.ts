import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { IncomingMessage } from 'node:http';
import { connect, type ClientHttp2Stream } from 'node:http2';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, HttpCode, HttpException, Post, Res } from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { filter, firstValueFrom, type Subscription } from 'rxjs';
import { McpAuthError, McpAuthService, type CompletedEvent, type McpAuthEvent } from 'nestjs-mcp-auth';
import { givenTool } from '../support/given-tool.js';
import { sendMcp2026 } from '../support/mcp-2026.js';
import { resetRecorded } from '../support/expectations.js';
import { closeAtOnce, startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS, type PlatformResponse } from '../support/platforms.js';
import { bearer } from '../support/rpc.js';
import { sdk1Endpoint, sdk2Endpoint } from '../support/sdk-endpoints.js';
import { until } from '../support/until.js';

/** Answers that a handler writes itself. */
let write: (response: PlatformResponse) => void;
/** Numbers of listeners that the response of the last written answer had. */
let hooks: number[] = [];

@Controller()
class Answers {
  @Post('written')
  @HttpCode(200)
  written(@Res() response: PlatformResponse): void {
    response.hijack?.();
    const raw = (response.raw ?? response) as PlatformResponse;
    hooks = ['finish', 'close'].map((name) => raw.listenerCount(name));
    write(raw);
  }

  @Get('teapot')
  teapot(): void {
    throw new HttpException('a teapot', 418);
  }
}

const BROKEN = givenTool('broken', {}, () => ({ isError: true, content: [{ type: 'text', text: 'no' }] }));
const LATE = givenTool('late', { scopes: ['a'] }, () => {
  throw McpAuthError.insufficientScope('z');
});
const OPEN = givenTool('open-tool', { isPublic: true });

/** The `x-test-id` of the current request. */
const requests = new AsyncLocalStorage<unknown>();

const NO_TRACE = { traceId: undefined, spanId: undefined, traceSource: undefined };

const json = (value: unknown) => (response: PlatformResponse) =>
  void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
const eventStream =
  (...pieces: string[]) =>
  (response: PlatformResponse) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const piece of pieces) response.write(piece);
    response.end();
  };
const result = (id: unknown, more: object = {}): object => ({ jsonrpc: '2.0', id, result: { content: [], ...more } });
const error = (id: unknown, code: number): object => ({ jsonrpc: '2.0', id, error: { code, message: 'no' } });
const call = (id: unknown): object => ({ jsonrpc: '2.0', id, method: 'tools/call', params: { name: 'x' } });
const event = (value: object): string => `event: message\ndata: ${JSON.stringify(value)}\n\n`;

/** What is written, what the request is, and what the event says of it. */
const ANSWERS: [what: string, write: (response: PlatformResponse) => void, request: unknown, end: object][] = [
  ['a result', json(result(7)), call(7), { outcome: 'ok' }],
  ['a result of a tool that failed', json(result(7, { isError: true })), call(7), { outcome: 'tool-error' }],
  ['isError of another type', json(result(7, { isError: 'true' })), call(7), { outcome: 'ok' }],
  ['an error', json(error(7, -32_602)), call(7), { outcome: 'rpc-error', errorCode: -32_602 }],
  ['an error without an id', json(error(null, -32_700)), call(7), { outcome: 'rpc-error', errorCode: -32_700 }],
  ['the answer to another request', json(error(8, -32_602)), call(7), { outcome: 'unknown' }],
  ['text that is not JSON', (response) => void response.end('fine'), call(7), { outcome: 'unknown' }],
  ['nothing', (response) => void response.writeHead(202).end(), call(7), { outcome: 'unknown', status: 202 }],
  [
    'nothing, to a notification',
    (response) => void response.writeHead(202).end(),
    { jsonrpc: '2.0', method: 'notifications/x' },
    { outcome: 'ok', status: 202 },
  ],
  [
    'a result that is too long to read',
    json(result(7, { isError: true, text: 'x'.repeat(262_144) })),
    call(7),
    { outcome: 'unknown' },
  ],
  [
    'a batch with one error',
    json([result(1), error(2, 5)]),
    [call(1), call(2)],
    { outcome: 'rpc-error', errorCode: 5 },
  ],
  ['a batch with one missing', json([result(1)]), [call(1), call(2)], { outcome: 'unknown' }],
  ['a stream', eventStream(event(result(7))), call(7), { outcome: 'ok' }],
  [
    'a stream in pieces, behind a request of the server',
    eventStream(event({ jsonrpc: '2.0', id: 7, method: 'ping' }), ...event(error(7, -32_000))),
    call(7),
    { outcome: 'rpc-error', errorCode: -32_000 },
  ],
  [
    'a stream with an event that is too long',
    eventStream(event(result(7, { text: 'x'.repeat(262_144) }))),
    call(7),
    { outcome: 'unknown' },
  ],
  ['a stream that ends early', eventStream(': wait\n\n'), call(7), { outcome: 'unknown' }],
  [
    'an error with a status',
    (response) =>
      void response.writeHead(404, { 'content-type': 'application/json' }).end(JSON.stringify(error(7, -32_601))),
    call(7),
    { outcome: 'http-error', status: 404, errorCode: -32_601 },
  ],
  [
    'a compressed result',
    (response) =>
      void response
        .writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' })
        .end(gzipSync(JSON.stringify(error(7, 5)))),
    call(7),
    { outcome: 'rpc-error', errorCode: 5 },
  ],
  [
    'an unknown content coding',
    (response) =>
      void response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'x-own' }).end('xx'),
    call(7),
    { outcome: 'unknown' },
  ],
];

describe.each(PLATFORMS)('the event of a call that ended, on %s', (platform) => {
  let server: NotesServer;
  let token: string;
  beforeAll(async () => {
    server = await startNotesServer(platform, {
      options: { allowAnonymous: true },
      tools: [
        BROKEN,
        LATE,
        OPEN,
        givenTool('slow', {}, () => {
          server.clock.now += 1_500;
          return { content: [] };
        }),
      ],
      prepare: (app) =>
        void app.use((request: IncomingMessage, _response: unknown, next: () => void) =>
          requests.run(request.headers['x-test-id'], next),
        ),
      controllers: [Answers, sdk1Endpoint('sdk1', []), sdk2Endpoint('sdk2', [])],
    });
    token = await server.mint({ sub: 'alice', client_id: 'app', scope: 'a' });
  });
  afterAll(() => closeAtOnce(server));
  beforeEach(() => resetRecorded(server));

  const events = () => server.app.get(McpAuthService).events$;
  const completed = (): Promise<CompletedEvent> =>
    firstValueFrom(events().pipe(filter((one): one is CompletedEvent => one.type === 'completed')));
  const post = (path: string, body: unknown, signal?: AbortSignal, more: object = {}): Promise<Response> =>
    fetch(`${server.origin}/${path}`, {
      method: 'POST',
      headers: {
        ...bearer(token),
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': Array.isArray(body) ? '2025-03-26' : '2025-11-25',
        ...more,
      },
      body: JSON.stringify(body),
      ...(signal && { signal }),
    });

  it('says who called what, how it ended, and how long it took', async () => {
    const ended = completed();
    const response = await server.callTool('slow', token);
    await response.text();
    const { principalKey } = await server.app.get(McpAuthService).verify(token);
    expect(await ended).toEqual({
      type: 'completed',
      time: server.clock.now,
      resource: server.resource,
      operations: ['tools/call slow'],
      messages: [{ method: 'tools/call', kind: 'tool', name: 'slow', isDeclared: true }],
      ...NO_TRACE,
      issuer: server.issuer.issuer,
      clientId: 'app',
      principalKey,
      scopes: ['a'],
      outcome: 'ok',
      status: 200,
      errorCode: undefined,
      durationMs: 1_500,
    });
    expect(Object.isFrozen(await ended)).toBe(true);
  });

  it.each(['sdk1', 'sdk2'])('reads the answers of the official SDK, at /%s', async (path) => {
    const params = { name: 'ping', arguments: {} };
    const good = completed();
    await (await post(path, { jsonrpc: '2.0', id: 1, method: 'tools/call', params })).text();
    expect(await good).toMatchObject({ outcome: 'ok', status: 200 });
    const bad = completed();
    await (await post(path, { jsonrpc: '2.0', id: 2, method: 'prompts/get', params: { name: 'x' } })).text();
    expect(await bad).toMatchObject({ outcome: 'rpc-error', errorCode: -32_601 });
  });

  it('reads the answers of both eras', async () => {
    for (const send of [
      () => server.callTool('broken', token),
      () => sendMcp2026(server, 'tools/call', { name: 'broken', arguments: {} }, token),
    ]) {
      const ended = completed();
      await (await send()).text();
      expect(await ended).toMatchObject({ outcome: 'tool-error', status: 200, operations: ['tools/call broken'] });
    }
  });

  it('reads a list that the library rewrites', async () => {
    const ended = completed();
    const response = await server.rpc('tools/list', {}, bearer(token));
    expect(await response.text()).toContain('securitySchemes');
    expect(await ended).toMatchObject({ outcome: 'ok', operations: ['tools/list'] });
  });

  it('follows the refusal that a handler raises', async () => {
    const heard: McpAuthEvent['type'][] = [];
    const subscription = events().subscribe(({ type }) => heard.push(type));
    const ended = completed();
    await (await server.callTool('late', token)).text();

    expect(await ended).toMatchObject({ outcome: 'http-error', status: 403 });
    subscription.unsubscribe();
    expect(heard.filter((type) => type !== 'keys-refreshed')).toEqual(['authenticated', 'refused', 'completed']);
  });

  it('has no caller for an anonymous request, and the status of another route', async () => {
    const anonymous = completed();
    await (await server.callTool('open-tool')).text();
    expect(Object.keys(await anonymous)).not.toEqual(expect.arrayContaining(['principalKey']));
    expect(await anonymous).toMatchObject({ outcome: 'ok', operations: ['tools/call open-tool'] });
    const route = completed();
    await fetch(`${server.origin}/teapot`, { headers: bearer(token) });
    expect(await route).toMatchObject({ outcome: 'http-error', status: 418, operations: ['GET /teapot'] });
  });

  it.each(ANSWERS)('says what the answer was: %s', async (_what, answer, request, end) => {
    write = answer;
    const ended = completed();
    await (await post('written', request)).text();
    expect(await ended).toMatchObject({ status: 200, errorCode: undefined, ...end });
  });

  it('says that the client closed the connection before the answer, or within a stream', async () => {
    for (const [begin, status] of [
      [() => undefined, undefined],
      [
        (response: PlatformResponse) => response.writeHead(200, { 'content-type': 'text/event-stream' }).write(':\n\n'),
        200,
      ],
    ] as const) {
      const abort = new AbortController();
      let isReached = false;
      write = (response) => {
        begin(response);
        isReached = true;
      };
      const ended = completed();
      const answer = post('written', call(7), abort.signal).then((response) => response.text());
      answer.catch(() => undefined);
      await until(() => isReached);
      abort.abort();
      await expect(answer).rejects.toThrow();
      expect(await ended).toMatchObject({ outcome: 'aborted', status });
    }
  });

  it('says that all was well if the client closes a stream that has its response', async () => {
    const abort = new AbortController();
    write = (response) => void response.writeHead(200, { 'content-type': 'text/event-stream' }).write(event(result(7)));
    const ended = completed();
    const response = await post('written', call(7), abort.signal);
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    await reader.read();
    abort.abort();
    expect(await ended).toMatchObject({ outcome: 'ok', status: 200 });
  });

  it('costs nothing without a listener: no hook on the response, and no event for one who comes later', async () => {
    const later: McpAuthEvent[] = [];
    let subscription: Subscription | undefined;
    write = (response) => {
      subscription = events().subscribe((one) => later.push(one));
      json(result(7))(response);
    };
    await (await post('written', call(7))).text();
    const without = hooks;
    write = json(result(7));
    const ended = completed();
    await (await post('written', call(7))).text();
    await ended;
    expect(hooks).toEqual(without.map((count) => count + 1));
    subscription?.unsubscribe();
    expect(later.filter(({ type }) => type === 'completed')).toHaveLength(1);
  });

  it('comes in the asynchronous context of its request, where its span is active', async () => {
    const seen: unknown[] = [];
    const subscription = events().subscribe(({ type }) => {
      if (type === 'completed') seen.push(requests.getStore());
    });
    const sent = completed();
    await (await server.callTool('ping', token, {}, { 'x-test-id': 'sent' })).text();
    await sent;
    const closed = completed();
    const abort = new AbortController();
    write = () => abort.abort();
    const answer = post('written', call(7), abort.signal, { 'x-test-id': 'closed' });
    await expect(answer).rejects.toThrow();
    await closed;
    subscription.unsubscribe();
    expect(seen).toEqual(['sent', 'closed']);
  });

  it('is on its channel as the same object', async () => {
    const published: unknown[] = [];
    const listen = (one: unknown): void => void published.push(one);
    subscribe('nestjs-mcp-auth:completed', listen);
    const ended = completed();
    await (await server.callTool('ping', token)).text();
    const expected = await ended;
    unsubscribe('nestjs-mcp-auth:completed', listen);
    expect(published).toEqual([expected]);
    expect(published[0]).toBe(expected);
  });
});

it('the event of a call that ended says the same over HTTP/2, where Node reports a closed connection as finished', async () => {
  const server = await startNotesServer('fastify', {
    adapter: new FastifyAdapter({ http2: true } as object),
    controllers: [Answers],
  });
  const session = connect(server.origin);
  const token = await server.mint();
  const send = (): ClientHttp2Stream => {
    const headers = { ':method': 'POST', ':path': '/written', 'content-type': 'application/json', ...bearer(token) };
    return session.request(headers).end(JSON.stringify(call(7)));
  };
  const completed = (): Promise<CompletedEvent> =>
    firstValueFrom(
      server.app.get(McpAuthService).events$.pipe(filter((one): one is CompletedEvent => one.type === 'completed')),
    );
  try {
    write = json(result(7));
    const sent = completed();
    send().resume();
    expect(await sent).toMatchObject({ outcome: 'ok', status: 200 });
    let isReached = false;
    write = (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(':\n\n');
      isReached = true;
    };
    const closed = completed();
    const stream = send();
    await until(() => isReached);
    stream.close();
    expect(await closed).toMatchObject({ outcome: 'aborted', status: 200 });
  } finally {
    session.destroy();
    await server.close();
  }
});
