import * as zlib from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, HttpCode, Post, Res } from '@nestjs/common';
import { filter, firstValueFrom } from 'rxjs';
import { McpAuthService, type CompletedEvent } from 'nestjs-mcp-auth';
import { closeAtOnce, startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS, type PlatformResponse } from '../support/platforms.js';
import { bearer } from '../support/rpc.js';
import { sendRaw } from '../support/raw-http.js';
import { until } from '../support/until.js';

// What the event of a call that ended says of the answer, however the answer was written.

type Write = (response: PlatformResponse) => void;
type End = Partial<CompletedEvent>;

let write: Write;

@Controller()
class Answers {
  @Post('written')
  @HttpCode(200)
  written(@Res() response: PlatformResponse): void {
    response.hijack?.();
    write((response.raw ?? response) as PlatformResponse);
  }
}

/** As much of an answer as is read, in bytes of a JSON body, and in characters of an event. */
const LIMIT = 262_144;

const call = (id: unknown): object => ({ jsonrpc: '2.0', id, method: 'tools/call', params: { name: 'x' } });
const NOTIFICATION = { jsonrpc: '2.0', method: 'notifications/x' };
const result = (id: unknown, more: object = {}): object => ({ jsonrpc: '2.0', id, result: { content: [], ...more } });
const error = (id: unknown, code: unknown): object => ({ jsonrpc: '2.0', id, error: { code, message: 'no' } });
const event = (value: object): string => `data: ${JSON.stringify(value)}\n\n`;

/** The result of a tool that failed, as JSON of this length, filled with this letter. */
function failedOfLength(length: number, letter = 'x'): string {
  const empty = JSON.stringify(result(7, { isError: true, text: '' }));
  const missing = length - empty.length;
  const letters = letter.repeat(Math.floor(missing / Buffer.byteLength(letter)));
  return empty.replace(
    '"text":""',
    `"text":"${letters.padEnd(letters.length + (missing % Buffer.byteLength(letter)))}"`,
  );
}

const ERROR = JSON.stringify(error(7, 5));
const IS_ERROR: End = { outcome: 'rpc-error', errorCode: 5 };
const IS_UNKNOWN: End = { outcome: 'unknown' };
const IS_OK: End = { outcome: 'ok' };

const JSON_HEAD = { 'content-type': 'application/json' };
const json =
  (...pieces: (string | Uint8Array)[]): Write =>
  (response) => {
    response.writeHead(200, JSON_HEAD);
    for (const piece of pieces) response.write(piece);
    response.end();
  };
const coded =
  (coding: string, body: string | Uint8Array): Write =>
  (response) =>
    void response.writeHead(200, { ...JSON_HEAD, 'content-encoding': coding }).end(body);
const stream =
  (...pieces: (string | Uint8Array)[]): Write =>
  (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const piece of pieces) response.write(piece);
    response.end();
  };

/** Answers with one JSON body to a call with the id 7, and what the event says of each. */
const BODIES: [what: string, body: unknown, end: End][] = [
  ['no message: null', null, IS_UNKNOWN],
  ['no message: a number', 7, IS_UNKNOWN],
  ['a batch with something else in it', [null, 'text', result(7)], IS_OK],
  ['a result that is null', { jsonrpc: '2.0', id: 7, result: null }, IS_OK],
  ['a result that is text', { jsonrpc: '2.0', id: 7, result: 'text' }, IS_OK],
  ['a result beside an error that is null', { ...result(7), error: null }, IS_OK],
  ['a message without a result', { jsonrpc: '2.0', id: 7 }, IS_UNKNOWN],
  ['an error whose id is left out', { jsonrpc: '2.0', error: { code: 5, message: 'no' } }, IS_ERROR],
  ['an error whose code is no integer', error(7, 1.5), { outcome: 'rpc-error', errorCode: undefined }],
  ['an error whose code is text', error(7, '5'), { outcome: 'rpc-error', errorCode: undefined }],
  ['the same error twice', [error(7, 5), error(7, 6)], IS_ERROR],
];

/** Answers to a batch of the calls 1 and 2. */
const BATCHES: [what: string, body: unknown, end: End][] = [
  ['two results', [result(1), result(2)], IS_OK],
  ['a tool that failed', [result(1, { isError: true }), result(2)], { outcome: 'tool-error' }],
  ['two errors, of which the first counts', [error(1, 5), error(2, 6)], IS_ERROR],
  ['a tool that failed, and an error', [result(1, { isError: true }), error(2, 5)], IS_ERROR],
  ['one error for both', error(null, 5), IS_ERROR],
];

/** Ways to write an answer to a call with the id 7, and what the event says of each. */
const WAYS: [what: string, write: Write, end: End][] = [
  ['as many bytes as are read', json(failedOfLength(LIMIT)), { outcome: 'tool-error' }],
  ['as many bytes as are read, in pieces', json(failedOfLength(LIMIT), ''), { outcome: 'tool-error' }],
  ['one byte more', json(failedOfLength(LIMIT + 1)), IS_UNKNOWN],
  ['one byte more, in fewer characters', json(failedOfLength(LIMIT + 1, 'é')), IS_UNKNOWN],
  ['too much before the message', json(' '.repeat(LIMIT), ' ', ERROR), IS_UNKNOWN],
  ['pieces of text', json(ERROR.slice(0, 20), ERROR.slice(20)), IS_ERROR],
  ['pieces of bytes and text', json(Buffer.from(ERROR.slice(0, 20)), ERROR.slice(20)), IS_ERROR],
  [
    'an event of as many characters as are read',
    stream(`data: ${failedOfLength(LIMIT)}\n\n`),
    { outcome: 'tool-error' },
  ],
  ['an event with one character more', stream(`data: ${failedOfLength(LIMIT + 1)}\n\n`), IS_UNKNOWN],
  ['an event that is no JSON before the message', stream('data: hello\n\n', event(error(7, 5))), IS_ERROR],
  ['a stream of bytes', stream(...[...Buffer.from(event(error(7, 5)))].map((byte) => Uint8Array.of(byte))), IS_ERROR],
  [
    'a status that says that the request is bad',
    (response) => void response.writeHead(400, JSON_HEAD).end(JSON.stringify(result(7))),
    { outcome: 'http-error', status: 400 },
  ],
  ['no head and no type', (response) => void response.end(ERROR), IS_ERROR],
  [
    'base64',
    (response) => {
      response.writeHead(200, JSON_HEAD).write(Buffer.from(ERROR.slice(0, 21)).toString('base64'), 'base64');
      response.end(Buffer.from(ERROR.slice(21)).toString('hex'), 'hex');
    },
    IS_ERROR,
  ],
  [
    'callbacks',
    (response) => {
      const rest = (): void => void response.end(ERROR.slice(20), () => undefined);
      response.writeHead(200, JSON_HEAD).write(ERROR.slice(0, 20), rest);
    },
    IS_ERROR,
  ],
  [
    'an end with nothing but a callback',
    (response) => {
      response.write(ERROR, 'utf8');
      response.end(() => undefined);
    },
    IS_ERROR,
  ],
  [
    'an end after the end, which is not sent',
    (response) => {
      response.on('error', () => undefined);
      response.writeHead(200, { 'content-type': 'text/event-stream' }).end(event(result(8)));
      response.end(event(error(7, 5)));
    },
    IS_UNKNOWN,
  ],
  ['x-gzip', coded('x-gzip', zlib.gzipSync(ERROR)), IS_ERROR],
  ['gzip, in other letters and with spaces', coded(' GZip ', zlib.gzipSync(ERROR)), IS_ERROR],
  ['deflate', coded('deflate', zlib.deflateSync(ERROR)), IS_ERROR],
  ['brotli', coded('br', zlib.brotliCompressSync(ERROR)), IS_ERROR],
  ['a coding that a middleware applies later', coded('gzip', ERROR), IS_ERROR],
  ['a coding that the body does not have', coded('gzip', 'no gzip'), IS_UNKNOWN],
  ['gzip that the head does not name', json(zlib.gzipSync(ERROR)), IS_UNKNOWN],
];

const { zstdCompressSync } = zlib as { readonly zstdCompressSync?: (text: string) => Buffer };
if (zstdCompressSync) WAYS.push(['zstd', coded('zstd', zstdCompressSync(ERROR)), IS_ERROR]);

describe.each(PLATFORMS)('what the event of a call says of its answer, on %s', (platform) => {
  let server: NotesServer;
  let token: string;
  beforeAll(async () => {
    server = await startNotesServer(platform, { issuer: { alg: 'ES256' }, controllers: [Answers] });
    token = await server.mint();
  });
  afterAll(() => closeAtOnce(server));

  const events = () =>
    server.app.get(McpAuthService).events$.pipe(filter((one): one is CompletedEvent => one.type === 'completed'));
  const headers = (body: unknown): Record<string, string> => ({
    ...bearer(token),
    'content-type': 'application/json',
    'mcp-protocol-version': Array.isArray(body) ? '2025-03-26' : '2025-11-25',
  });

  /** Raw, since the content coding that an answer names need not be that of its body. */
  async function endOf(answer: Write, body: unknown): Promise<CompletedEvent> {
    write = answer;
    const ended = firstValueFrom(events());
    const lines = Object.entries(headers(body)).map(([name, value]) => `${name}: ${value}`);
    await sendRaw(server.origin, { path: '/written', headers: lines, body: JSON.stringify(body) });
    return ended;
  }

  it.each(BODIES)('reads one body: %s', async (_what, body, end) => {
    expect(await endOf(json(JSON.stringify(body)), call(7))).toMatchObject({
      status: 200,
      errorCode: undefined,
      ...end,
    });
  });

  it.each(BATCHES)('reads the answer to a batch: %s', async (_what, body, end) => {
    const ended = await endOf(json(JSON.stringify(body)), [call(1), call(2)]);
    expect(ended).toMatchObject({ status: 200, errorCode: undefined, ...end });
  });

  it.each(WAYS)('reads it however it is written: %s', async (_what, answer, end) => {
    expect(await endOf(answer, call(7))).toMatchObject({ status: 200, errorCode: undefined, ...end });
  });

  it('does not read the answer to a notification, which has none', async () => {
    expect(await endOf(json(JSON.stringify(error(null, 5))), NOTIFICATION)).toMatchObject({
      ...IS_OK,
      errorCode: undefined,
    });
  });

  it('does not fail whoever writes a body that does not have its coding, where it may name a task', async () => {
    let failure: unknown = 'not written';
    const answer: Write = (response) => {
      try {
        coded('gzip', 'no gzip')(response);
        failure = undefined;
      } catch (reason) {
        failure = reason;
      }
    };
    const body = { ...call(7), params: { name: 'x', task: {} } };
    expect(await endOf(answer, body)).toMatchObject(IS_UNKNOWN);
    expect(failure).toBeUndefined();
  });

  it('reads what was written, although the writer uses the same memory for the next piece', async () => {
    const memory = Buffer.alloc(40);
    const pieces = [ERROR.slice(0, 40), ERROR.slice(40)];
    const answer: Write = (response) => {
      response.writeHead(200, JSON_HEAD);
      const next = (): void => {
        const piece = pieces.shift();
        if (piece === undefined) response.end();
        else response.write(memory.subarray(0, memory.write(piece)), next);
      };
      next();
    };
    expect(await endOf(answer, call(7))).toMatchObject(IS_ERROR);
  });

  it.each([
    ['one of two answers', [call(1), call(2)], event(result(1)), { outcome: 'aborted' }],
    ['an error', call(7), event(error(7, 5)), IS_ERROR],
    ['an error for all', [call(1), call(2)], event(error(null, 5)), IS_ERROR],
    ['something that nobody asked for', NOTIFICATION, event(result(7)), { outcome: 'aborted' }],
  ] as const)('knows what the client had when it closed the stream: %s', async (_what, body, sent, end) => {
    const abort = new AbortController();
    write = (response) => void response.writeHead(200, { 'content-type': 'text/event-stream' }).write(sent);
    const ended = firstValueFrom(events());
    const answer = await fetch(`${server.origin}/written`, {
      method: 'POST',
      headers: headers(body),
      body: JSON.stringify(body),
      signal: abort.signal,
    });
    await (answer.body as ReadableStream<Uint8Array>).getReader().read();
    abort.abort();
    expect(await ended).toMatchObject({ status: 200, ...end });
  });

  it.each([
    ['is sent', (response) => void response.end('{}')],
    ['is cut off', (response) => void response.destroy()],
    [
      'is closed before it is sent, as a platform may say',
      (response) => {
        response.emit('close');
        response.end('{}');
      },
    ],
  ] as [string, Write][])('comes once if the answer %s', async (_what, answer) => {
    let isClosed = false;
    write = (response) => {
      // After the listeners of the library.
      response.on('close', () => (isClosed = true));
      answer(response);
    };
    const heard: unknown[] = [];
    const subscription = events().subscribe((one) => heard.push(one));
    await fetch(`${server.origin}/written`, { method: 'POST', headers: headers({}), body: JSON.stringify(call(7)) })
      .then((response) => response.text())
      .catch(() => undefined);
    await until(() => isClosed);
    subscription.unsubscribe();
    expect(heard).toHaveLength(1);
  });
});
