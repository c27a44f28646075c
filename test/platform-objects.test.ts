import { createServer, ServerResponse, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, Req, type INestApplication, type Type } from '@nestjs/common';
import express, { type Express, type Request } from 'express';
import { AuthInfo, McpAuthError, Public, type McpAuthInfo } from 'nestjs-mcp-auth';
import { parseChallenges } from 'nestjs-mcp-auth/testing';
import { expectServed, resetRecorded } from './support/expectations.js';
import { givenTool } from './support/given-tool.js';
import { startNotesServer, type NotesServer, type NotesServerSettings } from './support/notes-server.js';
import { PLATFORMS, type Platform } from './support/platforms.js';
import { bearer } from './support/rpc.js';
import { openSession } from './support/sessions.js';

interface WithCaller {
  auth?: unknown;
  user?: unknown;
  raw?: { auth?: unknown; user?: unknown };
}

/** What others find on the request, in a handler. */
type Look = (request: WithCaller, auth: McpAuthInfo | undefined) => unknown;

function lookController(look: Look): Type {
  @Controller('look')
  class LookController {
    @Get()
    look(@Req() request: WithCaller, @AuthInfo() auth: McpAuthInfo): unknown {
      return { found: look(request, auth) };
    }

    @Get('open')
    @Public()
    open(@Req() request: WithCaller): unknown {
      return { found: look(request, undefined) };
    }
  }
  return LookController;
}

const running: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const server of running.splice(0).toReversed()) await server.close();
});

async function start(platform: Platform, settings: NotesServerSettings = {}): Promise<NotesServer> {
  const server = await startNotesServer(platform, {
    issuer: { alg: 'ES256' },
    transport: { enableJsonResponse: true },
    inheritAppConfig: true,
    ...settings,
  });
  running.push(server);
  return server;
}

const looked = async (server: NotesServer, path = '/look', token?: string): Promise<unknown> => {
  const response = await fetch(server.origin + path, { headers: bearer(token) });
  expect(response.status).toBe(200);
  return ((await response.json()) as { found: unknown }).found;
};

type Middleware = (request: IncomingMessage & WithCaller, response: ServerResponse, next: () => void) => void;

const using =
  (middleware: Middleware) =>
  (app: INestApplication): void =>
    void app.use(middleware);

describe.each(PLATFORMS)('the caller on the request, on %s', (platform) => {
  it('is the one that handlers are given, as auth and as user', async () => {
    const look: Look = (request, auth) =>
      [
        auth?.subject,
        request.auth === auth,
        request.user === auth,
        request.raw?.auth ?? auth,
        request.raw?.user ?? auth,
      ].map((one) => (one === auth ? 'same' : one));
    const server = await start(platform, { controllers: [lookController(look)] });
    expect(await looked(server, '/look', await server.mint())).toEqual(['alice', true, true, 'same', 'same']);
  });

  it('is not there on public routes, whatever token comes', async () => {
    const look: Look = ({ auth, user }) => [typeof auth, typeof user];
    const server = await start(platform, { controllers: [lookController(look)] });
    expect(await looked(server, '/look/open', await server.mint())).toEqual(['undefined', 'undefined']);
    expect(await looked(server, '/look/open')).toEqual(['undefined', 'undefined']);
  });

  it('can be replaced, deleted and defined by the application, as any field', async () => {
    const look: Look = (request, caller) => {
      if (caller?.subject === 'bob') return (request.auth as McpAuthInfo).subject;
      request.auth = { subject: 'mallory' };
      Object.defineProperty(request, 'user', { value: 'own', configurable: true });
      const replaced = [request.auth, request.user, Object.keys(request).includes('auth')];
      delete request.user;
      return [...replaced, request.user === 'own'];
    };
    const server = await start(platform, { controllers: [lookController(look)] });
    expect(await looked(server, '/look', await server.mint())).toEqual([{ subject: 'mallory' }, 'own', true, false]);
    // Of the next request nothing is left.
    expect(await looked(server, '/look', await server.mint({ sub: 'bob' }))).toBe('bob');
  });

  it('takes no place that is taken', async () => {
    const server = await start(platform, {
      controllers: [lookController((request, auth) => [request.user, request.auth === auth])],
      prepare: (app) => {
        // Fastify hands the request of Node's to such middleware, and another one to handlers.
        if (platform === 'express')
          return using((request, _response, next) => ((request.user = { id: 'own' }), next()))(app);
        (app.getHttpAdapter().getInstance() as { addHook(name: string, hook: object): void }).addHook(
          'onRequest',
          async (request: WithCaller) => {
            request.user = { id: 'own' };
          },
        );
      },
    });
    expect(await looked(server, '/look', await server.mint())).toEqual([{ id: 'own' }, true]);
  });
});

describe('the caller on the requests of Express', () => {
  it('leaves what an application says of all its requests alone', async () => {
    const server = await start('express', {
      controllers: [lookController((request, auth) => [request.user, request.auth === auth])],
      prepare: (app) => {
        const { request } = app.getHttpAdapter().getInstance() as Express;
        Object.defineProperty(request, 'user', { get: () => 'of the application', set() {} });
      },
    });
    expect(await looked(server, '/look', await server.mint())).toEqual(['of the application', true]);
  });

  it('is there in an application inside, and where it is one inside itself', async () => {
    const seen: unknown[] = [];
    const server = await start('express', {
      controllers: [lookController((request, auth) => [request.auth === auth, auth?.subject])],
      prepare: (app) => {
        const inner = express();
        inner.use((request: Request & WithCaller, response) => response.json({ own: typeof request.auth }));
        app.use('/inner', inner);
      },
    });
    const outer = express();
    outer.use('/below', server.app.getHttpAdapter().getInstance() as Express);
    outer.use((request: Request & WithCaller, response) => {
      seen.push(request.auth);
      response.status(404).end();
    });
    const listening = createServer(outer).listen(0, '127.0.0.1');
    await new Promise((resolve) => listening.once('listening', resolve));
    running.push({ close: () => new Promise((resolve) => (listening as Server).close(resolve)) });
    const origin = `http://127.0.0.1:${(listening.address() as AddressInfo).port}`;
    const headers = bearer(await server.mint());
    expect(await (await fetch(`${origin}/below/look`, { headers })).json()).toEqual({ found: [true, 'alice'] });
    expect(await (await fetch(`${server.origin}/inner`, { headers })).json()).toEqual({ own: 'undefined' });
    expect((await fetch(`${origin}/elsewhere`, { headers })).status).toBe(404);
    expect(seen).toStrictEqual([undefined]);
  });
});

/** Has it say that it was there, and then go on as before, or with what is given. */
function haveAHand(response: ServerResponse, writeHead = response.writeHead): void {
  response.writeHead = function own(this: ServerResponse, ...head: unknown[]) {
    this.setHeader('x-own', 'seen');
    return Reflect.apply(writeHead, this, head) as ServerResponse;
  } as ServerResponse['writeHead'];
}

/** Whoever has a hand in the head of answers, and when. */
const HANDS: [string, NonNullable<NotesServerSettings['prepare']>][] = [
  ['nobody', () => undefined],
  [
    'a middleware on each response',
    using((_request, response, next) => {
      haveAHand(response);
      next();
    }),
  ],
  [
    'a middleware that calls the one of Node itself',
    using((_request, response, next) => {
      haveAHand(response, ServerResponse.prototype.writeHead);
      next();
    }),
  ],
];

const ON_THE_PROTOTYPE: (typeof HANDS)[number] = [
  'the application, on the prototype of Express',
  (app) => haveAHand((app.getHttpAdapter().getInstance() as { response: ServerResponse }).response),
];

describe.each(PLATFORMS)('the head of an answer, on %s', (platform) => {
  describe.each(platform === 'express' ? [...HANDS, ON_THE_PROTOTYPE] : HANDS)(
    'in which has a hand: %s',
    (who, prepare) => {
      const own = who === 'nobody' ? null : 'seen';

      it('becomes that of a refusal where a handler raises one', async () => {
        const raises = givenTool('raises', {}, () => {
          throw McpAuthError.insufficientScope('late');
        });
        const server = await start(platform, { prepare, tools: [raises] });
        const response = await server.callTool('raises', await server.mint());
        expect([response.status, response.headers.get('x-own')]).toEqual([403, own]);
        const [challenge] = parseChallenges(response.headers.get('www-authenticate') ?? '');
        expect(challenge?.params).toMatchObject({ error: 'insufficient_scope', scope: 'late' });
        expect(await response.json()).toMatchObject({ result: { isError: true } });
        resetRecorded(server);
        await expectServed(server, await server.callTool('ping', await server.mint()), 'ping');
      });

      it('says whose a session is, and until when a stream lasts', async () => {
        const server = await start(platform, { prepare, transport: { statefulMode: true } });
        const token = await server.mint({ exp: Math.floor(server.clock.now / 1000) + 60 });
        const session = { 'mcp-session-id': await openSession(server, token) };
        expect((await server.callTool('ping', await server.mint({ sub: 'bob' }), {}, session)).status).toBe(404);
        const stream = await fetch(server.resource, {
          headers: { accept: 'text/event-stream', 'mcp-protocol-version': '2025-11-25', ...bearer(token), ...session },
        });
        expect([stream.status, stream.headers.get('x-own')]).toEqual([200, own]);
        server.clock.now += 61_000;
        await stream.text();
        const later = await server.mint();
        expect(
          (await fetch(server.resource, { method: 'DELETE', headers: { ...bearer(later), ...session } })).status,
        ).toBe(200);
        expect((await server.callTool('ping', later, {}, session)).status).toBe(404);
      });
    },
  );
});
