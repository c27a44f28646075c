import type { IncomingMessage } from 'node:http';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, Post, Req, type INestApplication } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { FastifyInstance } from 'fastify';
import express from 'express';
import { expectRefusal, resetRecorded } from './support/expectations.js';
import { MCP_2026_META, mcp2026Headers } from './support/mcp-2026.js';
import { startNotesServer, type NotesServer, type NotesServerSettings } from './support/notes-server.js';
import { PLATFORMS, type Platform } from './support/platforms.js';
import { bearer } from './support/rpc.js';
import { sdk1Endpoint, sdk2Endpoint } from './support/sdk-endpoints.js';
import { sendRaw, type RawResponse } from './support/raw-http.js';

const ran: string[] = [];

/** Routes of the application that take bodies as they come. */
@Controller('upload')
class UploadController {
  @Post()
  async upload(
    @Req() request: AsyncIterable<Buffer> & { raw?: AsyncIterable<Buffer>; body?: unknown },
  ): Promise<object> {
    const { raw = request, body } = request;
    if (typeof body === 'string' || body instanceof Uint8Array) return { length: body.length };
    let length = 0;
    for await (const chunk of raw) length += chunk.length;
    return { length };
  }
}

type Prepare = NonNullable<NotesServerSettings['prepare']>;

interface Parsers {
  readonly bodyParser?: boolean;
  readonly prepare?: Prepare;
  /** Whether a body of `application/json` still comes to the guard parsed. */
  readonly parsesJson: boolean;
}

const onExpress =
  (configure: (app: NestExpressApplication) => unknown): Prepare =>
  (app: INestApplication) =>
    void configure(app as NestExpressApplication);

const onFastify =
  (configure: (fastify: FastifyInstance) => unknown): Prepare =>
  (app) =>
    void configure(app.getHttpAdapter().getInstance() as FastifyInstance);

/** Ways to set up the parsers of an application. */
const PARSERS: Record<Platform, Record<string, Parsers>> = {
  express: {
    'those of Nest': { parsesJson: true },
    'bodyParser: false': { bodyParser: false, parsesJson: false },
    'a text parser for everything': {
      bodyParser: false,
      prepare: onExpress((app) => app.use(express.text({ type: () => true }))),
      parsesJson: false,
    },
    'a raw parser for everything': {
      bodyParser: false,
      prepare: onExpress((app) => app.use(express.raw({ type: () => true }))),
      parsesJson: false,
    },
    'JSON parsed at one path only': {
      bodyParser: false,
      prepare: onExpress((app) => app.use('/other', express.json())),
      parsesJson: false,
    },
    'JSON parsed by the application': {
      bodyParser: false,
      prepare: onExpress((app) => app.use(express.json())),
      parsesJson: true,
    },
    'forms only': { bodyParser: false, prepare: onExpress((app) => app.use(express.urlencoded())), parsesJson: false },
    'a parser that leaves an empty object': {
      bodyParser: false,
      prepare: onExpress((app) =>
        app.use((request: { body?: unknown }, _response: unknown, next: () => void) => {
          request.body = {};
          next();
        }),
      ),
      parsesJson: false,
    },
    'middleware that has read the body': {
      bodyParser: false,
      prepare: onExpress((app) =>
        app.use((request: IncomingMessage & { rawBody?: Buffer[] }, _response: unknown, next: () => void) => {
          const rawBody: Buffer[] = [];
          request.rawBody = rawBody;
          request.on('data', (chunk: Buffer) => void rawBody.push(chunk)).once('end', next);
        }),
      ),
      parsesJson: false,
    },
  },
  fastify: {
    'those of Nest': { parsesJson: true },
    'bodyParser: false': { bodyParser: false, parsesJson: true },
    'all left unparsed': {
      bodyParser: false,
      prepare: onFastify((fastify) => {
        fastify.removeAllContentTypeParsers();
        fastify.addContentTypeParser('*', (_request, _payload, done) => done(null));
      }),
      parsesJson: false,
    },
    'all handed on as a stream': {
      bodyParser: false,
      prepare: onFastify((fastify) => {
        fastify.removeAllContentTypeParsers();
        fastify.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
      }),
      parsesJson: false,
    },
    'all read as text': {
      bodyParser: false,
      prepare: onFastify((fastify) => {
        fastify.removeAllContentTypeParsers();
        fastify.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));
      }),
      parsesJson: false,
    },
    'all read as bytes': {
      bodyParser: false,
      prepare: onFastify((fastify) => {
        fastify.removeAllContentTypeParsers();
        fastify.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
      }),
      parsesJson: false,
    },
  },
};

const CONTENT_TYPES: (string | undefined)[] = [
  undefined,
  'application/json',
  'APPLICATION/JSON',
  'application/json; charset=utf-8',
  'application/json; charset=',
  'application/json;charset=utf-16le',
  'application/json; x',
  'application/json;',
  'application/json-seq',
  'application/json-rpc',
  'application/mcp+json',
  'text/plain; application/json',
  'text/plain',
  'multipart/form-data; boundary=application/json',
  'application/octet-stream',
  'nonsense',
];

const ENDPOINTS = ['/mcp', '/sdk1', '/sdk2'];

const call = (name: string): object => ({
  jsonrpc: '2.0',
  id: 1,
  method: 'tools/call',
  params: { name, arguments: {}, _meta: undefined },
});

const running: NotesServer[] = [];

async function start(
  platform: Platform,
  { prepare, bodyParser = true }: Partial<Parsers> = {},
  operations = true,
): Promise<NotesServer> {
  const server = await startNotesServer(platform, {
    issuer: { alg: 'ES256' },
    controllers: [sdk1Endpoint('sdk1', ran), sdk2Endpoint('sdk2', ran), UploadController],
    bodyParser,
    ...(prepare && { prepare }),
    ...(operations && { options: { scopes: { operations: { tools: { wipe: ['admin'] } } } } }),
  });
  running.push(server);
  return server;
}

afterEach(() => {
  ran.length = 0;
});

interface Sent {
  readonly path?: string;
  readonly method?: string;
  readonly type?: string | undefined;
  readonly accept?: string;
  readonly headers?: readonly string[];
  readonly body?: string;
}

function send(
  server: NotesServer,
  token: string | undefined,
  { path = '/mcp', method, type, accept, headers = [], body }: Sent,
): Promise<RawResponse> {
  return sendRaw(server.origin, {
    path,
    ...(method !== undefined && { method }),
    headers: [
      ...(type === undefined ? [] : [`Content-Type: ${type}`]),
      `Accept: ${accept ?? 'application/json, text/event-stream'}`,
      ...(token === undefined ? [] : [`Authorization: Bearer ${token}`]),
      ...headers,
    ],
    body: body ?? JSON.stringify(call('wipe')),
  });
}

describe.each(PLATFORMS)('LIB-17: a body that the guard has not seen parsed, on %s', (platform) => {
  describe.each(Object.keys(PARSERS[platform]))('with parsers: %s', (name) => {
    const parsers = PARSERS[platform][name] as Parsers;
    let server: NotesServer;
    let low: string;
    let full: string;
    beforeAll(async () => {
      server = await start(platform, parsers);
      low = await server.mint({ scope: 'other' });
      full = await server.mint({ scope: 'admin' });
    });
    afterAll(() => server.close());
    beforeEach(() => resetRecorded(server));

    it.each(ENDPOINTS)(
      '%s runs no operation for a caller without its scope, whatever the content type says',
      async (path) => {
        const outcomes: unknown[] = [];
        for (const type of CONTENT_TYPES) {
          const { status } = await send(server, low, { path, type });
          // A stream that the application hands to an SDK as the parsed body is a fault of its own.
          const isFault = status === 500 && path === '/mcp';
          if (ran.length > 0 || status < 400 || isFault) outcomes.push({ type, status, ran: ran.splice(0) });
        }
        expect(outcomes).toEqual([]);
      },
    );

    it.each(ENDPOINTS)('%s answers JSON with the decision if it was parsed, and else with 400', async (path) => {
      const refused = await send(server, low, { path, type: 'application/json' });
      if (parsers.parsesJson)
        await expectRefusal(server, refused, { status: 403, error: 'insufficient_scope', scope: 'admin' });
      else await expectRefusal(server, refused, { status: 400, transport: 'body_not_parsed', token: low });
      // What is no tool of this endpoint does not run there.
      const headers = {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        ...bearer(full),
      };
      const admitted = await fetch(server.origin + path, {
        method: 'POST',
        headers,
        body: JSON.stringify(call('wipe')),
      });
      await admitted.text();
      expect([admitted.status, ran]).toEqual([
        parsers.parsesJson ? 200 : 400,
        parsers.parsesJson && path !== '/mcp' ? ['wipe'] : [],
      ]);
    });

    it('wants a token first', async () => {
      const response = await send(server, undefined, { path: '/mcp', type: 'application/json' });
      expect(response.status).toBe(401);
    });
  });
});

/** An SDK has `400` for other reasons, too. */
const outcome = ({ status, body }: RawResponse): unknown =>
  status === 400 && body.includes('"body_not_parsed"') ? 'refused' : status;

describe.each(PLATFORMS)('where an unparsed body is refused, on %s', (platform) => {
  const unparsed = PARSERS[platform][platform === 'express' ? 'bodyParser: false' : 'all left unparsed'] as Parsers;
  let server: NotesServer;
  let plain: NotesServer;
  let token: string;
  let plainToken: string;
  beforeAll(async () => {
    server = await start(platform, unparsed);
    plain = await start(platform, unparsed, false);
    token = await server.mint();
    plainToken = await plain.mint();
  });
  afterAll(async () => {
    for (const one of running.splice(0)) await one.close();
  });
  beforeEach(() => resetRecorded(server));

  it('tells the operator what was seen and what to do, once a body was refused', async () => {
    await send(server, token, { type: 'application/json' });
    const lines = server.log.filter((line) => line.startsWith('Refused 400 body_not_parsed'));
    expect(lines).toEqual([
      expect.stringMatching(
        /^Refused 400 body_not_parsed for POST \/mcp .*\(Content-Type is "application\/json", body is "undefined"\).*remove bodyParser: false, or add app\.use\(express\.json\(\)\).*content type parser of application\/json/,
      ),
    ]);
  });

  it.each(['POST', 'DELETE', 'PUT'])('the endpoint refuses one with %s, whatever it claims to be', async (method) => {
    for (const type of [undefined, 'text/plain', 'application/json', 'multipart/form-data; boundary=x']) {
      expect([type, outcome(await send(plain, plainToken, { method, type }))]).toEqual([
        type,
        method === 'PUT' ? 404 : 'refused',
      ]);
    }
  });

  it('the endpoint refuses one with GET, and serves GET without one', async () => {
    const accept = 'text/event-stream';
    expect(outcome(await send(plain, plainToken, { method: 'GET', accept, type: 'application/json' }))).toBe('refused');
    expect((await send(plain, plainToken, { method: 'GET', accept, body: '' })).body).not.toContain('body_not_parsed');
    expect(
      (await send(plain, plainToken, { method: 'GET', accept, body: '', headers: ['Content-Length: 0'] })).body,
    ).not.toContain('body_not_parsed');
  });

  it('a body in chunks is one as well', async () => {
    const text = JSON.stringify(call('ping'));
    const body = new ReadableStream({
      start: (controller) => {
        controller.enqueue(new TextEncoder().encode(text));
        controller.close();
      },
    });
    const headers = {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      authorization: `Bearer ${plainToken}`,
    };
    const response = await fetch(plain.resource, { method: 'POST', headers, body, duplex: 'half' } as RequestInit);
    expect([await response.text(), plain.ran]).toEqual([expect.stringContaining('body_not_parsed'), []]);
  });

  it.each(['//mcp', '/MCP', '/mcp/', '/%6dcp'])('the path of a resource is known in the spelling %s', async (path) => {
    expect([404, 'refused']).toContain(
      outcome(await send(plain, plainToken, { path, type: 'text/plain', accept: '*/*' })),
    );
    expect(plain.ran).toEqual([]);
  });

  it.each([
    ['MCP-Protocol-Version: 2025-11-25'],
    ['Mcp-Session-Id: x'],
    ['Mcp-Method: tools/call'],
    ['Mcp-Name: wipe'],
  ])('another path refuses one that comes with %s', async (header) => {
    const response = await send(plain, plainToken, {
      path: '/sdk1',
      type: 'text/plain',
      accept: '*/*',
      headers: [header],
    });
    expect([outcome(response), ran]).toEqual(['refused', []]);
  });

  it('another path refuses JSON of a client that accepts event streams, or names a session in the query', async () => {
    for (const path of ['/sdk1', '/sdk2'])
      expect([outcome(await send(plain, plainToken, { path, type: 'application/json' })), ran]).toEqual([
        'refused',
        [],
      ]);
    for (const query of ['sessionId=1', 'x=1&session%49d=1']) {
      const response = await send(plain, plainToken, {
        path: `/upload?${query}`,
        type: 'application/json',
        accept: '*/*',
      });
      expect(outcome(response)).toBe('refused');
    }
  });

  it('another path refuses all JSON as soon as the options name operations', async () => {
    expect(outcome(await send(server, token, { path: '/upload', type: 'application/json', accept: '*/*' }))).toBe(
      'refused',
    );
    expect(outcome(await send(plain, plainToken, { path: '/upload', type: 'application/json', accept: '*/*' }))).toBe(
      201,
    );
  });

  it.each(['multipart/form-data; boundary=x', 'application/octet-stream', 'text/csv', undefined])(
    'uploads of %s to other routes are left alone',
    async (type) => {
      for (const [one, as] of [
        [server, token],
        [plain, plainToken],
      ] as const) {
        for (const accept of ['*/*', 'text/event-stream']) {
          const response = await send(one, as, { path: '/upload', type, accept, body: '12345' });
          expect([response.status, response.body]).toEqual([201, '{"length":5}']);
        }
      }
    },
  );

  it('a request of 2026-07-28 is refused as well', async () => {
    const headers = Object.entries(mcp2026Headers('tools/call', 'wipe')).map((field) => field.join(': '));
    const body = JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name: 'wipe', arguments: {}, _meta: MCP_2026_META },
    });
    expect([
      outcome(await send(plain, plainToken, { path: '/sdk2', type: 'application/json', headers, body })),
      ran,
    ]).toEqual(['refused', []]);
  });
});

describe.each(PLATFORMS)('bodies that are no JSON-RPC, on %s', (platform) => {
  let server: NotesServer;
  let token: string;
  beforeAll(async () => {
    server = await start(platform);
    token = await server.mint();
  });
  afterAll(() => server.close());

  it.each(['[]', '{}', '{"a":1}', '[1]'])('%s is parsed, and left to the MCP framework', async (body) => {
    for (const path of ENDPOINTS) {
      const response = await send(server, token, { path, type: 'application/json', body });
      expect([path, response.status < 500, response.body.includes('body_not_parsed'), ran]).toEqual([
        path,
        true,
        false,
        [],
      ]);
    }
  });
});
