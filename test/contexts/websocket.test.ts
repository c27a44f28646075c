import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ParseIntPipe, UseGuards, type INestApplication, type Type } from '@nestjs/common';
import { IoAdapter } from '@nestjs/platform-socket.io';
import { WsAdapter } from '@nestjs/platform-ws';
import { MessageBody, SubscribeMessage, WebSocketGateway, WsException } from '@nestjs/websockets';
import { from, map, type Observable } from 'rxjs';
import {
  AuthInfo,
  Authorize,
  McpAuthError,
  McpAuthGuard,
  Public,
  RequireScopes,
  type McpAuthInfo,
  type PolicyContext,
} from 'nestjs-mcp-auth';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { resetRecorded } from '../support/expectations.js';
import { freePort } from '../support/free-port.js';
import { startNotesServer, type NotesServer, type NotesServerSettings } from '../support/notes-server.js';
import { PLATFORMS, type Platform } from '../support/platforms.js';
import { bearer } from '../support/rpc.js';
import { openSocketIo, openWs, type OpenSocket, type TestSocket } from '../support/sockets.js';

const ran: string[] = [];

interface Reply {
  event: string;
  data: unknown;
}

function reply(name: string, data: unknown = 'ran'): Reply {
  ran.push(name);
  return { event: name, data };
}

@WebSocketGateway()
class Gateway {
  @SubscribeMessage('hello')
  hello(@MessageBody() data: unknown): Reply {
    return reply('hello', data);
  }

  @SubscribeMessage('acknowledged')
  acknowledged(@MessageBody() data: unknown): unknown {
    reply('acknowledged');
    return data;
  }

  @SubscribeMessage('stream')
  stream(): Observable<Reply> {
    return from([1, 2]).pipe(map((one) => reply('stream', one)));
  }

  @SubscribeMessage('piped')
  piped(@MessageBody(ParseIntPipe) value: number): Reply {
    return reply('piped', value);
  }

  @SubscribeMessage('failing')
  failing(): never {
    throw new WsException('The disk is full');
  }

  @SubscribeMessage('late')
  late(): never {
    throw McpAuthError.insufficientScope('late');
  }

  @SubscribeMessage('open')
  @Public()
  open(): Reply {
    return reply('open');
  }

  @SubscribeMessage('scoped')
  @RequireScopes('a')
  scoped(@AuthInfo('subject') subject: string): Reply {
    return reply('scoped', subject);
  }

  @SubscribeMessage('guarded')
  @UseGuards(McpAuthGuard)
  guarded(): Reply {
    return reply('guarded');
  }

  @SubscribeMessage('me')
  me(@AuthInfo() auth: McpAuthInfo): Reply {
    return reply('me', auth.subject);
  }

  @SubscribeMessage('asked')
  @Authorize(({ args }: PolicyContext) => args === 'please')
  asked(): Reply {
    return reply('asked');
  }
}

@WebSocketGateway()
@UseGuards(McpAuthGuard)
class GuardedGateway {
  @SubscribeMessage('inside')
  inside(): Reply {
    return reply('inside');
  }
}

type Adapter = [name: string, open: OpenSocket, adapt: (app: INestApplication) => void];

const ADAPTERS: Adapter[] = [
  ['ws', openWs, (app) => void app.useWebSocketAdapter(new WsAdapter(app))],
  ['socket.io', openSocketIo, (app) => void app.useWebSocketAdapter(new IoAdapter(app))],
];

const CASES = PLATFORMS.flatMap((platform) =>
  ADAPTERS.map((adapter): [Platform, ...Adapter] => [platform, ...adapter]),
);

describe.each(CASES)('A gateway beside MCP, on %s with %s', (platform, name, open, prepare) => {
  let server: NotesServer;
  const sockets: TestSocket[] = [];

  function start(settings: NotesServerSettings = {}): Promise<NotesServer> {
    return startNotesServer(platform, {
      issuer: { alg: 'ES256' },
      providers: [Gateway, GuardedGateway],
      prepare,
      ...settings,
    });
  }

  async function connect(to: NotesServer, headers: Record<string, string> = {}): Promise<TestSocket> {
    const socket = await open(to.origin, headers);
    sockets.push(socket);
    return socket;
  }

  beforeAll(async () => {
    server = await start();
  });
  afterAll(async () => {
    for (const socket of sockets) socket.close();
    await server.close();
  });
  beforeEach(() => {
    resetRecorded(server);
    ran.length = 0;
  });

  it('LIB-26: runs handlers where nothing is declared, with any token and without', async () => {
    for (const headers of [{}, bearer(await server.mint()), bearer('not-a-token')]) {
      const socket = await connect(server, headers);
      expect(await socket.ask('hello', { a: 1 })).toEqual({ event: 'hello', data: { a: 1 } });
      expect(await socket.ask('piped', '7')).toEqual({ event: 'piped', data: 7 });
      expect(await socket.ask('stream')).toEqual({ event: 'stream', data: 1 });
      expect(await socket.next()).toEqual({ event: 'stream', data: 2 });
      if (name === 'socket.io') expect(await socket.ask('acknowledged', 'x')).toEqual({ event: 'ack', data: 'x' });
    }
  });

  it('LIB-26: fails as before where nothing is declared', async () => {
    const socket = await connect(server);
    expect(await socket.ask('failing', 1)).toEqual({
      event: 'exception',
      data: { status: 'error', message: 'The disk is full', cause: { pattern: 'failing', data: 1 } },
    });
  });

  it('gives a refusal of the application the same form', async () => {
    expect(await (await connect(server)).ask('late', 1)).toEqual({
      event: 'exception',
      data: {
        status: 'error',
        message: 'The access token lacks a scope that this operation needs: late.',
        cause: { pattern: 'late', data: 1 },
      },
    });
  });

  it('runs public handlers without a token', async () => {
    expect(await (await connect(server)).ask('open')).toEqual({ event: 'open', data: 'ran' });
  });

  it.each(['scoped', 'guarded', 'me', 'asked', 'inside'])(
    'refuses %s without a token, in the form of Nest and with a line of its own',
    async (event) => {
      const socket = await connect(server);
      expect(await socket.ask(event, { a: 1 })).toEqual({
        event: 'exception',
        data: { status: 'error', message: 'Authorization is required.', cause: { pattern: event, data: { a: 1 } } },
      });
      expect(ran).toEqual([]);
      const lines = server.log.filter((line) => line.includes('Refused 401'));
      expect(lines).toHaveLength(1);
      expect(lines[0]).toContain(`Gateway.${event}`);
      expect(lines[0]).toContain('a WebSocket handler was called without a verified caller');
      expect(lines[0]).toContain('looked for "an Authorization header in the upgrade request"');
      expect(server.log.join('\n')).not.toMatch(/stdio|Internal server error|Error:/);
      expect(await socket.ask('hello', 'still there')).toEqual({ event: 'hello', data: 'still there' });
    },
  );

  it('runs protected handlers for the caller whose token came with the upgrade request, with its scopes', async () => {
    const socket = await connect(server, bearer(await server.mint({ sub: 'bob', scope: 'a' })));
    expect(await socket.ask('scoped')).toEqual({ event: 'scoped', data: 'bob' });
    expect(await socket.ask('me')).toEqual({ event: 'me', data: 'bob' });
    expect(await socket.ask('guarded')).toEqual({ event: 'guarded', data: 'ran' });
    expect(await socket.ask('inside')).toEqual({ event: 'inside', data: 'ran' });
    expect(await socket.ask('asked', 'please')).toEqual({ event: 'asked', data: 'ran' });
    expect(await socket.ask('asked', 'now')).toMatchObject({
      event: 'exception',
      data: { message: 'The caller is not permitted to do this.' },
    });
  });

  it('tells callers of several connections apart', async () => {
    const subjects = ['alice', 'bob', 'carol'];
    const all = await Promise.all(subjects.map(async (sub) => connect(server, bearer(await server.mint({ sub })))));
    const answers = await Promise.all([...all, ...all].map((socket) => socket.ask('me')));
    expect(answers.map(({ data }) => data)).toEqual([...subjects, ...subjects]);
  });

  it('refuses a caller without the scope, and a token that is not valid', async () => {
    const socket = await connect(server, bearer(await server.mint({ scope: 'b' })));
    expect(await socket.ask('scoped')).toMatchObject({
      data: { message: 'The access token lacks a scope that this operation needs: a.' },
    });
    const expired = await connect(server, bearer(await server.mint({ exp: 1 })));
    expect(await expired.ask('guarded')).toMatchObject({
      data: { message: 'The access token is invalid or has expired.' },
    });
    expect(ran).toEqual([]);
  });

  it('refuses each message after the token has expired, on a connection that was opened before', async () => {
    const { clock } = server;
    const before = clock.now;
    const socket = await connect(server, bearer(await server.mint({ exp: Math.floor(before / 1000) + 60 })));
    expect(await socket.ask('guarded')).toMatchObject({ event: 'guarded' });
    clock.now = before + 120_000;
    expect(await socket.ask('guarded')).toMatchObject({ event: 'exception' });
    clock.now = before;
  });

  it('is protected by decorators alone, too', async () => {
    const other = await start({ options: { globalGuard: 'mcp' } });
    const socket = await connect(other);
    expect(await socket.ask('hello', 1)).toEqual({ event: 'hello', data: 1 });
    for (const event of ['scoped', 'guarded', 'inside']) {
      expect(await socket.ask(event)).toMatchObject({
        event: 'exception',
        data: { message: 'Authorization is required.' },
      });
    }
    expect(ran).toEqual(['hello']);
    await other.close();
  });
});

describe('A gateway on a port of its own', () => {
  async function gatewayOnOwnPort(): Promise<{ Elsewhere: Type; port: number }> {
    const port = await freePort();
    @WebSocketGateway(port)
    class Elsewhere {
      @SubscribeMessage('plain')
      plain(): Reply {
        return reply('plain');
      }

      @SubscribeMessage('needing')
      @RequireScopes('a')
      needing(): Reply {
        return reply('needing');
      }
    }
    return { Elsewhere, port };
  }
  const withWs = (app: INestApplication): void => void app.useWebSocketAdapter(new WsAdapter(app));

  it('stops the start with ws, if a handler is protected, in a line that says why', async () => {
    const { Elsewhere, port } = await gatewayOnOwnPort();
    const sharedIssuer = await TestIssuer.start({ alg: 'ES256' });
    await expect(
      startNotesServer('express', { sharedIssuer, providers: [Elsewhere], prepare: withWs }),
    ).rejects.toThrow(
      `Elsewhere.needing: saw a protected handler of a gateway on port ${port}, with WsAdapter; the library does not see the ` +
        'upgrade requests of that port, so it would refuse every message. Leave out the port, use IoAdapter, or declare',
    );
    await sharedIssuer.close();
  });

  it('is left alone with ws otherwise', async () => {
    const port = await freePort();
    @WebSocketGateway(port)
    class Plain {
      @SubscribeMessage('plain')
      plain(): Reply {
        return reply('plain');
      }
    }
    const server = await startNotesServer('express', {
      issuer: { alg: 'ES256' },
      providers: [Plain],
      prepare: withWs,
    });
    const socket = await openWs(`http://127.0.0.1:${port}`);
    expect(await socket.ask('plain')).toMatchObject({ event: 'plain' });
    socket.close();
    await server.close();
  });

  it('is protected with socket.io', async () => {
    const { Elsewhere, port } = await gatewayOnOwnPort();
    const server = await startNotesServer('express', { issuer: { alg: 'ES256' }, providers: [Elsewhere] });
    const origin = `http://127.0.0.1:${port}`;
    const nobody = await openSocketIo(origin);
    expect(await nobody.ask('plain')).toMatchObject({ event: 'plain' });
    expect(await nobody.ask('needing')).toMatchObject({ event: 'exception' });
    const somebody = await openSocketIo(origin, bearer(await server.mint({ scope: 'a' })));
    expect(await somebody.ask('needing')).toMatchObject({ event: 'needing' });
    for (const socket of [nobody, somebody]) socket.close();
    await server.close();
  });
});
