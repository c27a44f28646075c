import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  Controller,
  Get,
  Module,
  Post,
  Req,
  type INestApplication,
  type MiddlewareConsumer,
  type NestModule,
  type Type,
} from '@nestjs/common';
import type { FastifyInstance } from 'fastify';
import serverlessHttp from 'serverless-http';
import { AuthInfo } from 'nestjs-mcp-auth';
import { dispatch } from './support/adapter-request.js';
import { resetRecorded } from './support/expectations.js';
import { MCP_2026_META } from './support/mcp-2026.js';
import { startNotesServer, type NotesServer, type NotesServerSettings } from './support/notes-server.js';
import { PLATFORMS, type Platform } from './support/platforms.js';
import { bearer } from './support/rpc.js';
import { openSession } from './support/sessions.js';
import { sendRaw } from './support/raw-http.js';

type Headers = Record<string, string | string[] | undefined>;

/** What the application does with the header fields of a request before the guard sees it. */
type Change = (headers: Headers) => void;

@Controller('caller')
class CallerController {
  @Get()
  caller(@AuthInfo('subject') subject: string): object {
    return { subject };
  }
}

/** Says what whoever serves the request would read of it. */
@Controller('seen')
class SeenController {
  @Post()
  seen(
    @Req() request: { headers: Headers; rawHeaders?: string[]; raw?: { headers: Headers; rawHeaders: string[] } },
  ): object {
    const { headers, rawHeaders } = request.raw ?? request;
    return { shown: request.headers, headers, rawHeaders };
  }
}

function middlewareModule(change: Change): Type {
  @Module({})
  class MiddlewareModule implements NestModule {
    configure(consumer: MiddlewareConsumer): void {
      consumer
        .apply((request: { headers: Headers }, _response: unknown, next: () => void) => {
          change(request.headers);
          next();
        })
        .forRoutes('{*all}');
    }
  }
  return MiddlewareModule;
}

const fastifyOf = (app: INestApplication): FastifyInstance => app.getHttpAdapter().getInstance() as FastifyInstance;

/** The places in which applications write to header fields. */
const PLACES: Record<Platform, Record<string, (change: Change) => NotesServerSettings>> = {
  express: {
    'middleware of Express': (change) => ({
      prepare: (app) =>
        void app.use((request: { headers: Headers }, _response: unknown, next: () => void) => {
          change(request.headers);
          next();
        }),
    }),
    'middleware of Express that replaces the headers': (change) => ({
      prepare: (app) =>
        void app.use((request: { headers: Headers }, _response: unknown, next: () => void) => {
          const headers = { ...request.headers };
          change(headers);
          request.headers = headers;
          next();
        }),
    }),
    'middleware of a Nest module': (change) => ({ imports: [middlewareModule(change)] }),
  },
  fastify: {
    'middleware of a Nest module': (change) => ({ imports: [middlewareModule(change)] }),
    'an onRequest hook': (change) => ({
      prepare: (app) => void fastifyOf(app).addHook('onRequest', async (request) => void change(request.headers)),
    }),
    'a preHandler hook': (change) => ({
      prepare: (app) => void fastifyOf(app).addHook('preHandler', async (request) => void change(request.headers)),
    }),
    'a hook that writes to the request of Node': (change) => ({
      prepare: (app) => void fastifyOf(app).addHook('onRequest', async (request) => void change(request.raw.headers)),
    }),
    'a hook that replaces the headers': (change) => ({
      prepare: (app) =>
        void fastifyOf(app).addHook('preHandler', async (request) => {
          const headers: Headers = { ...request.headers };
          change(headers);
          Object.assign(request, { headers });
        }),
    }),
  },
};

/** Fastify adds what is assigned to `headers` to what came, so that nothing can be deleted so. */
const canDelete = (place: string): boolean => place !== 'a hook that replaces the headers';

describe.each(PLATFORMS)('header fields as the application left them, on %s', (platform) => {
  describe.each(Object.keys(PLACES[platform]))('by %s', (place) => {
    let server: NotesServer;
    let alice: string;
    let bob: string;
    /** Of the test that runs. */
    let change: Change;
    beforeAll(async () => {
      change = () => undefined;
      server = await startNotesServer(platform, {
        issuer: { alg: 'ES256' },
        controllers: [CallerController, SeenController],
        transport: { statefulMode: true },
        options: { allowedOrigins: ['https://app.example.com'] },
        ...PLACES[platform][place]?.((headers) => change(headers)),
      });
      alice = await server.mint({ sub: 'alice' });
      bob = await server.mint({ sub: 'bob' });
    });
    afterAll(() => server.close());
    beforeEach(() => {
      change = () => undefined;
      resetRecorded(server);
    });

    const ask = async (headers: Record<string, string>): Promise<unknown[]> => {
      const response = await fetch(`${server.origin}/caller`, { headers });
      return [
        response.status,
        response.status === 200 ? ((await response.json()) as { subject: string }).subject : undefined,
      ];
    };

    it('a token that was moved into Authorization counts', async () => {
      change = (headers) => {
        headers['authorization'] = `Bearer ${String(headers['x-forwarded-access-token'])}`;
      };
      expect(await ask({ 'x-forwarded-access-token': alice })).toEqual([200, 'alice']);
      expect(await ask({ 'x-forwarded-access-token': 'none' })).toEqual([401, undefined]);
      expect(await ask({ 'x-forwarded-access-token': alice, ...bearer(bob) })).toEqual([200, 'alice']);
    });

    it('a deleted token does not count', async () => {
      if (!canDelete(place)) return;
      change = (headers) => {
        delete headers['authorization'];
      };
      expect(await ask(bearer(alice))).toEqual([401, undefined]);
      const response = await fetch(`${server.origin}/caller`, { headers: bearer(alice) });
      expect(response.headers.get('www-authenticate')).not.toContain('error=');
    });

    it('several values that were written are refused as several that were sent are', async () => {
      change = (headers) => {
        headers['authorization'] = [`Bearer ${alice}`, `Bearer ${bob}`];
      };
      expect(await ask({})).toEqual([400, undefined]);
    });

    it('two fields that the client sent are refused, whatever was written since', async () => {
      change = (headers) => {
        headers['authorization'] = `Bearer ${alice}`;
      };
      const headers = [`Authorization: Bearer ${alice}`, `Authorization: Bearer ${alice}`];
      expect((await sendRaw(server.origin, { method: 'GET', path: '/caller', headers })).status).toBe(400);
    });

    it('an Origin that was written or deleted is the one that is checked', async () => {
      const session = await openSession(server, alice);
      const list = async (headers: Record<string, string>): Promise<number> =>
        (await server.rpc('tools/list', {}, { ...bearer(alice), 'mcp-session-id': session, ...headers })).status;
      change = (headers) => {
        headers['origin'] = 'https://evil.test';
      };
      expect(await list({})).toBe(403);
      change = (headers) => {
        headers['origin'] = 'https://app.example.com';
      };
      expect(await list({ origin: 'https://evil.test' })).toBe(200);
      if (!canDelete(place)) return;
      change = (headers) => {
        delete headers['origin'];
      };
      expect(await list({ origin: 'https://evil.test' })).toBe(200);
    });

    it('a session is the one that was written, and belongs to its owner', async () => {
      const [own, other] = [await openSession(server, alice), await openSession(server, bob)];
      const call = async (token: string, session?: string): Promise<number> =>
        (await server.callTool('ping', token, {}, session === undefined ? {} : { 'mcp-session-id': session })).status;
      change = (headers) => {
        headers['mcp-session-id'] = own;
      };
      expect(await call(alice)).toBe(200);
      expect(await call(alice, other)).toBe(200);
      expect(await call(bob)).toBe(404);
      expect(await call(bob, other)).toBe(404);
      expect(server.ran).toEqual(['ping', 'ping']);
    });

    const look = async (body: object, headers: Record<string, string> = {}): Promise<string> => {
      const all = { 'content-type': 'application/json', ...bearer(alice), ...headers };
      const response = await fetch(`${server.origin}/seen`, {
        method: 'POST',
        headers: all,
        body: JSON.stringify(body),
      });
      expect(response.status).toBe(201);
      return response.text();
    };

    it('LIB-16: what was written or deleted is what every reader of the request finds', async () => {
      change = (headers) => {
        headers['mcp-name'] = 'written';
        headers['mcp-protocol-version'] = '2025-03-26';
      };
      const seen = JSON.parse(await look({}, { 'Mcp-Name': 'sent' })) as {
        shown: Headers;
        headers: Headers;
        rawHeaders: string[];
      };
      expect([seen.shown['mcp-name'], seen.headers['mcp-name']]).toEqual(['written', 'written']);
      expect(JSON.stringify(seen)).not.toContain('"sent"');
      expect(
        seen.rawHeaders.filter((_one, at) =>
          /^(?:mcp-name|mcp-protocol-version)$/i.test(seen.rawHeaders[at - 1] ?? ''),
        ),
      ).toEqual(['2025-03-26', 'written']);
      if (!canDelete(place)) return;
      change = (headers) => {
        delete headers['mcp-session-id'];
      };
      expect(await look({}, { 'Mcp-Session-Id': 'of-another' })).not.toContain('of-another');
    });

    it('of a request of 2026-07-28 no reader finds a session', async () => {
      change = (headers) => {
        headers['mcp-session-id'] = 'of-another';
      };
      const body = { jsonrpc: '2.0', id: 1, method: 'tools/list', params: { _meta: MCP_2026_META } };
      expect(await look(body, { 'Last-Event-ID': 'of-another' })).not.toContain('of-another');
    });

    it('headers that repeat the body are compared as they were written', async () => {
      change = (headers) => {
        headers['mcp-method'] = 'tools/list';
      };
      expect((await server.callTool('ping', alice, {}, { 'mcp-method': 'tools/call' })).status).toBe(400);
    });
  });
});

describe.each(PLATFORMS)('requests that an adapter has made, on %s', (platform) => {
  let server: NotesServer;
  let alice: string;
  beforeAll(async () => {
    server = await startNotesServer(platform, {
      issuer: { alg: 'ES256' },
      controllers: [CallerController],
      transport: { enableJsonResponse: true },
    });
    alice = await server.mint({ sub: 'alice' });
  });
  afterAll(() => server.close());
  beforeEach(() => resetRecorded(server));

  it.each(['full', 'empty', 'absent'] as const)(
    'are read whether the list of fields as sent is %s',
    async (rawHeaders) => {
      const good = await dispatch(server.app, { path: '/caller', headers: bearer(alice), rawHeaders });
      expect([good.status, good.body]).toEqual([200, expect.stringContaining('alice')]);
      expect((await dispatch(server.app, { path: '/caller', headers: {}, rawHeaders })).status).toBe(401);
      expect((await dispatch(server.app, { path: '/caller', headers: bearer('bad'), rawHeaders })).status).toBe(401);
      const [body, json] = [
        JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'admin' } }),
        'application/json, text/event-stream',
      ];
      const call = { method: 'POST', path: '/mcp', body, rawHeaders };
      expect((await dispatch(server.app, { ...call, headers: { accept: json, ...bearer(alice) } })).status).toBe(403);
      expect(
        (
          await dispatch(server.app, {
            ...call,
            headers: { accept: json, origin: 'https://evil.test', ...bearer(alice) },
          })
        ).status,
      ).toBe(403);
      expect(
        (
          await dispatch(server.app, {
            ...call,
            headers: { accept: json, 'mcp-session-id': 'x', ...bearer(await server.mint({ scope: 'admin' })) },
          })
        ).status,
      ).toBe(404);
      expect(server.ran).toEqual([]);
    },
  );

  if (platform === 'express') {
    it('are served behind serverless-http', async () => {
      await server.app.init();
      const handler = serverlessHttp(server.app.getHttpAdapter().getInstance() as Parameters<typeof serverlessHttp>[0]);
      const invoke = async (headers: Record<string, string>): Promise<number> => {
        const requestContext = { http: { method: 'GET', path: '/plain', sourceIp: '192.0.2.1' }, stage: '$default' };
        const event = {
          version: '2.0',
          rawPath: '/plain',
          rawQueryString: '',
          headers: { host: '127.0.0.1', ...headers },
          requestContext,
        };
        return ((await handler(event, {})) as { statusCode: number }).statusCode;
      };
      expect([await invoke(bearer(alice)), await invoke({}), await invoke(bearer(`${alice}x`))]).toEqual([
        200, 401, 401,
      ]);
      expect(server.ran).toEqual(['plain']);
    });
  }
});
