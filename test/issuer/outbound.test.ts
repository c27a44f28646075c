import { getEventListeners, once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { TestIssuer, type TestFault } from 'nestjs-mcp-auth/testing';
import { fetchJsonObject, postForm, postJson, type Outbound } from '../../lib/issuer/outbound.js';

const LIMITS = { timeoutMs: 20_000, maxBytes: 10_000 };
const URL_ASKED = 'https://login.example.com/jwks';

const ask = (fetchOfApplication: unknown, changes: Partial<Outbound> = {}): Promise<Record<string, unknown>> =>
  fetchJsonObject(URL_ASKED, { ...LIMITS, fetch: fetchOfApplication as typeof fetch, ...changes });

/** A response that says of itself what the constructor does not let one say. */
const responseWith = (members: object, body = '{}'): Response =>
  Object.defineProperties(Response.json({}), {
    ...Object.fromEntries(Object.entries(members).map(([name, value]) => [name, { value }])),
    ...('body' in members ? {} : { body: { value: new Response(body).body } }),
  }) as Response;

describe('a fetch of the application', () => {
  it('is asked as the global one is: for this URL, without redirects and credentials, with a time limit', async () => {
    const asked: [unknown, RequestInit][] = [];
    expect(
      await ask(async (url: unknown, init: RequestInit) => {
        asked.push([url, init]);
        return Response.json({ keys: [] });
      }),
    ).toEqual({ keys: [] });
    expect(asked).toEqual([
      [
        URL_ASKED,
        expect.objectContaining({ method: 'GET', redirect: 'manual', credentials: 'omit', signal: expect.anything() }),
      ],
    ]);
  });

  it('may answer with what it made itself, or with the URL that was asked', async () => {
    expect(await ask(() => Response.json({ a: 1 }))).toEqual({ a: 1 });
    expect(await ask(() => responseWith({ url: URL_ASKED }, '{"a":2}'))).toEqual({ a: 2 });
  });

  it.each<[string, object | (() => object), RegExp]>([
    ['says that it followed a redirect', { redirected: true }, /a redirect was followed/],
    ['answers from another URL', { url: 'https://evil.example/jwks' }, /a redirect was followed/],
    ['answers from another path', { url: `${URL_ASKED}/` }, /a redirect was followed/],
    ['answers with a redirect', { status: 302 }, /status 302/],
    ['answers with an opaque redirect', { status: 0, type: 'opaqueredirect' }, /status 0/],
    ['answers with an error', { status: 500 }, /status 500/],
    [
      'has a body that is text',
      () => ({ body: new ReadableStream({ start: (to) => to.enqueue('{}') }) }),
      /could not be read to its end$/,
    ],
    ['has a body that is no stream', { body: '{}' }, /no usable answer/],
    ['has a body that is read already', { body: locked() }, /no usable answer/],
  ])('is not believed where it %s', async (_what, members, message) => {
    const answer = (): Response => responseWith(typeof members === 'function' ? members() : members);
    await expect(ask(answer)).rejects.toThrow(message);
  });

  it('has the cause kept, where its answer cannot be used', async () => {
    const text = new ReadableStream({ start: (to) => to.enqueue('{}') });
    await expect(ask(() => responseWith({ body: text }))).rejects.toMatchObject({
      cause: { message: 'the body is not a stream of bytes' },
    });
    await expect(ask(() => responseWith({ body: '{}' }))).rejects.toMatchObject({
      message: `GET ${URL_ASKED}: no usable answer`,
      cause: { name: 'TypeError' },
    });
  });

  it('may answer with an object that has no more than what is read of an answer', async () => {
    const headers = new Headers({ 'content-type': 'application/json' });
    expect(await ask(() => ({ status: 200, headers, body: new Response('{"a":3}').body }))).toEqual({ a: 3 });
  });

  it.each<[string, number, string]>([
    ['of another status', 500, 'status 500'],
    ['that is too long', 200, 'the body is longer than 10000 bytes'],
  ])('has the transfer ended of an answer %s', async (_what, status, message) => {
    const chunk = new Uint8Array(1_000).fill(0x20);
    const headers = { 'content-type': 'application/json' };
    let isEnded = false;
    const body = new ReadableStream({ pull: (to) => to.enqueue(chunk), cancel: () => void (isEnded = true) });
    await expect(ask(() => new Response(body, { status, headers }))).rejects.toThrow(message);
    expect(isEnded).toBe(true);
  });

  it('keeps nobody waiting whose body never ends being cancelled', async () => {
    const body = new ReadableStream({ cancel: () => new Promise<void>(() => undefined) });
    await expect(ask(() => new Response(body, { status: 500 }))).rejects.toThrow(/status 500/);
  });

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['text', '{}'],
  ])('is not believed where it returns %s', async (_what, response) => {
    await expect(ask(() => response)).rejects.toMatchObject({
      name: 'OutboundError',
      message: `GET ${URL_ASKED}: no answer`,
      cause: { message: 'fetch returned no response' },
    });
  });

  it.each<[string, unknown, RegExp]>([
    ['an object', {}, /: status undefined$/],
    ['an object with a status', { status: 200 }, /: no usable answer$/],
  ])('is not believed where it returns %s', async (_what, response, message) => {
    await expect(ask(() => response)).rejects.toMatchObject({
      name: 'OutboundError',
      message: expect.stringMatching(message),
    });
  });

  it.each<[string, () => unknown]>([
    ['rejects', () => Promise.reject(new Error('no proxy'))],
    [
      'throws',
      () => {
        throw new Error('no proxy');
      },
    ],
  ])('may fail: it %s', async (_what, fail) => {
    await expect(ask(fail)).rejects.toMatchObject({
      name: 'OutboundError',
      status: undefined,
      cause: { message: 'no proxy' },
    });
  });

  it.each([
    { message: 'POST with token=s3cret' },
    { code: 'token=s3cret' },
    { code: 'ECONNRESET', message: 'token=s3cret' },
  ])('may quote in an error what it was to send, which goes no further than its cause: %j', async (inner) => {
    const failure = await ask(() => Promise.reject(new Error('failed', { cause: inner }))).catch(
      (error: unknown) => error,
    );
    expect((failure as Error).message).toBe(
      `GET ${URL_ASKED}: no answer${inner.code === 'ECONNRESET' ? ' (ECONNRESET)' : ''}`,
    );
  });

  it('does not get more time by overlooking the signal, neither for the answer nor for the body', async () => {
    const never = new Promise<never>(() => undefined);
    await expect(ask(() => never, { timeoutMs: 10 })).rejects.toThrow('no answer within 10 ms');
    const endless = new ReadableStream({ pull: () => never });
    await expect(ask(() => responseWith({ body: endless }), { timeoutMs: 10 })).rejects.toThrow(
      'could not be read to its end',
    );
  });

  it('has the transfer ended of an answer that comes too late', async () => {
    let deliver: (response: Response) => void = () => undefined;
    const late = new Promise<Response>((resolve) => {
      deliver = resolve;
    });
    await expect(ask(() => late, { timeoutMs: 1 })).rejects.toThrow('no answer within');
    const ended = new Promise((resolve) => {
      deliver(responseWith({ body: new ReadableStream({ cancel: resolve }) }));
    });
    await ended;
  });

  it('does not get a longer body through', async () => {
    const chunk = new Uint8Array(1_000).fill(0x20);
    const endless = new ReadableStream({ pull: (to) => to.enqueue(chunk) });
    await expect(ask(() => responseWith({ body: endless }))).rejects.toThrow('longer than 10000 bytes');
  });

  it('is not asked once the application closes, and not waited for', async () => {
    const closing = new AbortController();
    const waiting = ask(() => new Promise(() => undefined), { closing: closing.signal });
    closing.abort();
    await expect(waiting).rejects.toThrow('the application is closing');
    let count = 0;
    await expect(ask(() => ++count, { closing: closing.signal })).rejects.toThrow('the application is closing');
    expect(count).toBe(0);
  });

  it('leaves nothing behind that waits for the end of the application', async () => {
    const closing = new AbortController();
    await ask(() => Response.json({}), { closing: closing.signal });
    await ask(() => Response.error(), { closing: closing.signal }).catch(() => undefined);
    expect(getEventListeners(closing.signal, 'abort')).toEqual([]);
  });
});

describe('a JSON document', () => {
  const BOM = Buffer.from([0xef, 0xbb, 0xbf]);
  const of = (type: string | undefined, body: string | Uint8Array = '{"keys":[]}'): Promise<Record<string, unknown>> =>
    ask(
      () => new Response(Buffer.from(body as string), { headers: type === undefined ? {} : { 'content-type': type } }),
    );

  it.each([
    'application/json',
    'application/jwk-set+json',
    'APPLICATION/JSON; charset=utf-8',
    'text/plain',
    'text/plain; charset=us-ascii',
    'text/html',
    'application/octet-stream',
    'binary/octet-stream',
    'application/javascript',
    'x',
    undefined,
  ])('RFC7517-8.5: is used, whatever it is called: %s', async (type) => {
    expect(await of(type)).toEqual({ keys: [] });
  });

  it('RFC8259-8.1: may begin with a byte order mark', async () => {
    expect(await of('text/plain', Buffer.concat([BOM, Buffer.from('{"keys":[]}')]))).toEqual({ keys: [] });
  });

  it.each<[what: string, type: string | undefined, body: string | Uint8Array, message: RegExp]>([
    [
      'a login page',
      'text/html; charset=utf-8',
      '<html>login',
      /content type "text\/html", expected application\/json/,
    ],
    [
      'a login page in another encoding',
      'text/html; charset=iso-8859-1',
      Buffer.from('<p>caf\xe9', 'latin1'),
      /content type "text\/html"/,
    ],
    ['a long page', 'text/html', '<p>'.repeat(10_000), /content type "text\/html", expected application\/json$/],
    ['text', 'text/plain', 'keys', /content type "text\/plain"/],
    ['text of no type', undefined, 'keys', /no content type, expected application\/json/],
    ['JSON that is cut off', 'application/json', '{"keys":[', /the body is not JSON/],
    ['JSON in UTF-16', 'application/json', Buffer.from('\ufeff{"keys":[]}', 'utf16le'), /it is not UTF-8/],
    ['a list', 'text/plain', '[]', /no JSON object/],
    ['a number', 'application/json', '7', /no JSON object/],
    [
      'JSON of a type of its own in UTF-16',
      'application/jwk-set+json',
      Buffer.from('\ufeff{"keys":[]}', 'utf16le'),
      /it is not UTF-8$/,
    ],
    ['nothing', 'application/json', '', /the body is not JSON/],
  ])('is not %s', async (_what, type, body, message) => {
    await expect(of(type, body)).rejects.toThrow(message);
  });

  it('is not an answer without a body', async () => {
    const empty = (): Response => new Response(null, { headers: { 'content-type': 'application/json' } });
    await expect(ask(empty)).rejects.toThrow(`GET ${URL_ASKED}: the body is not JSON`);
  });

  it.each<[string, string, string, string]>([
    ['a long page', 'text/html', '<p>'.repeat(10_000), 'the body is longer than'],
    ['text', 'text/plain', 'keys', 'not valid JSON'],
    ['broken JSON', 'application/json', 'keys', 'not valid JSON'],
  ])('has the cause kept, where it is %s instead', async (_what, type, body, message) => {
    await expect(of(type, body)).rejects.toMatchObject({ cause: { message: expect.stringContaining(message) } });
  });

  it('is not called mislabelled where the rest of it never came', async () => {
    const endless = new ReadableStream({ pull: () => new Promise<never>(() => undefined) });
    const page = (): Response => new Response(endless, { headers: { 'content-type': 'text/html' } });
    await expect(ask(page, { timeoutMs: 10 })).rejects.toMatchObject({
      message: `GET ${URL_ASKED}: the body could not be read to its end in time`,
      status: undefined,
      cause: { name: 'TimeoutError' },
    });
  });

  it('may come in pieces that end within a character, and be as long as the limit', async () => {
    const bytes = Buffer.from('{"name":"\u00e9\u20ac"}'.padEnd(9_997));
    const pieces = [bytes.subarray(0, 10), bytes.subarray(10, 12), bytes.subarray(12)];
    const body = new ReadableStream({
      start: (to) => {
        for (const piece of pieces) to.enqueue(new Uint8Array(piece));
        to.close();
      },
    });
    expect(bytes).toHaveLength(10_000);
    expect(await ask(() => new Response(body))).toEqual({ name: '\u00e9\u20ac' });
  });

  it('does not have its type repeated as it stands', async () => {
    const type = `text/x${'y'.repeat(300)}`;
    const message = await of(type, 'no').catch((error: Error) => error.message);
    expect(message).toMatch(/content type "text\/xy+…, expected/);
    expect(String(message).length).toBeLessThan(250);
  });
});

describe('a request with a body', () => {
  it('sends JSON with the fields of the application, and gets JSON', async () => {
    const asked: unknown[] = [];
    const answer = async (url: unknown, init: RequestInit): Promise<Response> => {
      asked.push([url, init.method, init.headers, init.body]);
      return Response.json({ decision: true });
    };
    const outbound = { ...LIMITS, fetch: answer as typeof fetch };
    const headers = { authorization: 'Bearer x', accept: 'text/html' };
    expect(await postJson(URL_ASKED, { headers, body: '{"a":1}' }, outbound)).toEqual({ decision: true });
    const fields = { authorization: 'Bearer x', accept: 'application/json', 'content-type': 'application/json' };
    expect(asked).toEqual([[URL_ASKED, 'POST', fields, '{"a":1}']]);
  });

  it.each<[string, string, string, string]>([
    ['a page', 'text/html', '{}', 'content type "text/html", expected application/json'],
    ['broken JSON', 'application/json', '{', 'the body is not JSON'],
    ['a list', 'application/json', '[]', 'the body is no JSON object'],
  ])('refuses as the answer to JSON %s', async (_what, type, body, message) => {
    const answer = async (): Promise<Response> => new Response(body, { headers: { 'content-type': type } });
    const asked = postJson(URL_ASKED, { headers: {}, body: '{}' }, { ...LIMITS, fetch: answer as typeof fetch });
    await expect(asked).rejects.toThrow(`POST ${URL_ASKED}: ${message}`);
  });

  it('refuses another type where it named none', async () => {
    const form = { headers: {}, body: new URLSearchParams() };
    const outbound = { ...LIMITS, fetch: (async () => Response.json({})) as typeof fetch };
    await expect(postForm(URL_ASKED, form, { isType: () => false }, outbound)).rejects.toThrow(
      `POST ${URL_ASKED}: content type "application/json", expected another`,
    );
  });
});

describe('a redirect', () => {
  const to = (location: string | undefined, status = 301): Promise<unknown> =>
    ask(() => new Response(null, { status, ...(location !== undefined && { headers: { location } }) })).catch(
      (error: Error) => error.message,
    );

  it.each<[location: string, shown: string]>([
    [
      'https://elsewhere.example/jwks?token=secret#x',
      'a redirect to "https://elsewhere.example/jwks", and redirects are not followed',
    ],
    ['/moved', 'a redirect to "https://login.example.com/moved", and'],
    ['//elsewhere.example', 'a redirect to "https://elsewhere.example/", and'],
    ['https://user:password@elsewhere.example/', 'a redirect to "https://elsewhere.example/", and'],
    ['javascript:alert(1)', 'a redirect to "javascript:", and'],
    ['data:application/json,{}', 'a redirect to "data:", and'],
  ])('LIB-11: is not followed, and its target is told: %s', async (location, shown) => {
    expect(await to(location)).toContain(`status 301, ${shown}`);
  });

  it.each([undefined, '', 'http://[', `/${'x'.repeat(3_000)}`])(
    'LIB-11: is told without a target where there is none to be told (%s)',
    async (location) => {
      expect(await to(location, 308)).toMatch(/status 308$/);
    },
  );

  it('LIB-11: has a long target shortened', async () => {
    expect(String(await to(`/${'x'.repeat(1_500)}`)).length).toBeLessThan(400);
  });
});

describe('a body that comes too slowly', () => {
  it('LIB-11: is given up after the time for the whole answer, however much of it was there', async () => {
    const closed: Promise<unknown>[] = [];
    const server = createServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' }).write('{');
      const timer = setInterval(() => response.write(' '), 5);
      response.once('close', () => clearInterval(timer));
    }).on('connection', (socket) => {
      socket.on('error', () => undefined);
      closed.push(new Promise((resolve) => socket.once('close', resolve)));
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    const failure = fetchJsonObject(`http://127.0.0.1:${port}/`, { ...LIMITS, timeoutMs: 500 });
    await expect(failure).rejects.toMatchObject({
      message: expect.stringContaining('could not be read to its end in time'),
      status: undefined,
    });
    // The connection is not left open either.
    await Promise.all(closed);
    server.close();
  });
});

describe('requests under way when the application closes', () => {
  let issuer: TestIssuer;
  afterEach(() => issuer.close());

  it.each<[TestFault]>([['hang'], [{ slow: 60_000 }]])('end at once (%j)', async (fault) => {
    issuer = await TestIssuer.start({ alg: 'ES256' });
    issuer.fail(fault);
    const closing = new AbortController();
    const waiting = fetchJsonObject(issuer.jwksUri, { ...LIMITS, closing: closing.signal });
    closing.abort();
    await expect(waiting).rejects.toThrow('the application is closing');
  });
});

function locked(): ReadableStream {
  const stream = new ReadableStream();
  stream.getReader();
  return stream;
}
