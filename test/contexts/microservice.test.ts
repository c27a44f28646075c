import { EventEmitter, once } from 'node:events';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, ParseIntPipe, UseGuards } from '@nestjs/common';
import {
  ClientProxyFactory,
  Ctx,
  EventPattern,
  MessagePattern,
  Payload,
  RpcException,
  TcpContext,
  Transport,
  type ClientProxy,
} from '@nestjs/microservices';
import { firstValueFrom } from 'rxjs';
import {
  AuthInfo,
  Authorize,
  McpAuthConfigError,
  McpAuthError,
  McpAuthGuard,
  Public,
  RequireScopes,
} from 'nestjs-mcp-auth';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { OutsideCheck } from '../../lib/platform/outside-check.js';
import { resetRecorded } from '../support/expectations.js';
import { freePort } from '../support/free-port.js';
import { startNotesServer, type NotesServer, type NotesServerSettings } from '../support/notes-server.js';
import { PLATFORMS, type Platform } from '../support/platforms.js';

const ran: string[] = [];
/** Emits `ran` with the name of each handler that runs. */
const handlers = new EventEmitter();

function note(name: string): void {
  ran.push(name);
  handlers.emit('ran', name);
}

@Controller('orders')
class Orders {
  @MessagePattern('get')
  get(@Payload() id: unknown, @Ctx() context: TcpContext): object {
    note('get');
    return { id, pattern: context.getPattern() };
  }

  @MessagePattern('piped')
  piped(@Payload(ParseIntPipe) value: number): object {
    note('piped');
    return { value };
  }

  @MessagePattern('failing')
  failing(): never {
    throw new RpcException('The disk is full');
  }

  @MessagePattern('late')
  late(): never {
    throw McpAuthError.insufficientScope('late');
  }

  @MessagePattern('open')
  @Public()
  open(): string {
    note('open');
    return 'ran';
  }

  @EventPattern('paid')
  paid(_id: unknown): void {
    note('paid');
  }

  @Get()
  route(): string {
    return 'ran';
  }
}

@Controller()
class Protected {
  @MessagePattern('scoped')
  @RequireScopes('a')
  scoped(): void {
    note('scoped');
  }

  @MessagePattern('guarded')
  @UseGuards(McpAuthGuard)
  guarded(): void {
    note('guarded');
  }

  @MessagePattern('asked')
  @Authorize(() => true)
  asked(): void {
    note('asked');
  }

  @EventPattern('guarded-event')
  @RequireScopes('a')
  guardedEvent(_id: unknown): void {
    note('guarded-event');
  }

  @EventPattern('bound-event')
  @UseGuards(McpAuthGuard)
  boundEvent(_id: unknown): void {
    note('bound-event');
  }
}

@Controller()
class WantsCaller {
  @MessagePattern('me')
  me(@AuthInfo('subject') subject: string | undefined): string {
    note('me');
    return subject ?? 'nobody';
  }
}

interface Running {
  readonly server: NotesServer;
  readonly client: ClientProxy;
}

async function start(
  platform: Platform,
  inheritAppConfig: boolean,
  settings: NotesServerSettings = {},
): Promise<Running> {
  const port = await freePort();
  const tcp = { transport: Transport.TCP as const, options: { host: '127.0.0.1', port } };
  const server = await startNotesServer(platform, {
    issuer: { alg: 'ES256' },
    controllers: [Orders],
    inheritAppConfig,
    prepare: (app) => void app.connectMicroservice(tcp, { inheritAppConfig }),
    ...settings,
  });
  return { server, client: ClientProxyFactory.create(tcp) };
}

async function stop({ server, client }: Running): Promise<void> {
  client.close();
  await server.close();
}

function send({ client }: Running, pattern: string, data: unknown = 7): Promise<unknown> {
  return firstValueFrom(client.send<unknown>(pattern, data)).catch((error: unknown) => ({ error }));
}

/** Stands for handlers that are loaded after the start. */
const NO_CHECK = { check: () => undefined, checkCallers: () => undefined };

const CASES = PLATFORMS.flatMap((platform) => [true, false].map((inherits) => ({ platform, inherits })));

describe.each(CASES)(
  'A TCP microservice beside MCP on $platform, with inheritAppConfig: $inherits',
  ({ platform, inherits }) => {
    let running: Running;

    const ask = (pattern: string, data?: unknown): Promise<unknown> => send(running, pattern, data);

    beforeAll(async () => {
      running = await start(platform, inherits);
    });
    afterAll(() => stop(running));
    beforeEach(() => {
      resetRecorded(running.server);
      ran.length = 0;
    });

    it('LIB-26: runs handlers of messages where nothing is declared', async () => {
      expect(await ask('get', { a: 1 })).toEqual({ id: { a: 1 }, pattern: 'get' });
      expect(await ask('piped', '7')).toEqual({ value: 7 });
      expect(await ask('failing')).toEqual({ error: { status: 'error', message: 'The disk is full' } });
    });

    it('LIB-26: runs handlers of events where nothing is declared', async () => {
      const event = once(handlers, 'ran');
      running.client.emit('paid', 7);
      expect(await event).toEqual(['paid']);
    });

    it('runs public handlers', async () => {
      expect(await ask('open')).toBe('ran');
    });

    it('gives a refusal of the application the same form', async () => {
      expect(await ask('late')).toEqual({
        error: { status: 'error', message: 'The access token lacks a scope that this operation needs: late.' },
      });
    });

    it('leaves routes of the same controller, and MCP tools, protected as they were', async () => {
      const { server } = running;
      expect((await fetch(`${server.origin}/orders`)).status).toBe(401);
      expect((await server.callTool('read-note')).status).toBe(401);
      expect((await server.callTool('read-note', await server.mint())).status).toBe(403);
      expect((await server.callTool('read-note', await server.mint({ scope: 'a' }))).status).toBe(200);
      expect((await server.callTool('ping', await server.mint())).status).toBe(200);
    });

    it('does not start with protected handlers: each message would be refused, and events lost', async () => {
      const sharedIssuer = await TestIssuer.start({ alg: 'ES256' });
      const starting = start(platform, inherits, { sharedIssuer, controllers: [Orders, Protected, WantsCaller] });
      const error = await starting.then(stop, (thrown: unknown) => thrown as McpAuthConfigError);
      await sharedIssuer.close();
      expect(error).toBeInstanceOf(McpAuthConfigError);
      expect((error as McpAuthConfigError).problems.map(({ option }) => option)).toEqual([
        'Protected.scoped',
        'Protected.guarded',
        'Protected.asked',
        'Protected.guardedEvent',
        'Protected.boundEvent',
        'WantsCaller.me',
      ]);
      expect((error as McpAuthConfigError).message).toMatch(
        /a protected handler of messages of a broker; messages carry no access token.*events would be lost.*declare it @Public\(\), and protect the broker itself/,
      );
      expect(ran).toEqual([]);
    });

    it('does not start where the requirements are those of a class with routes', async () => {
      @Controller('both')
      @RequireScopes('a')
      class Both {
        @Get()
        route(): string {
          return 'ran';
        }

        @EventPattern('both')
        event(_id: unknown): void {}
      }
      const sharedIssuer = await TestIssuer.start({ alg: 'ES256' });
      await expect(start(platform, inherits, { sharedIssuer, controllers: [Both] })).rejects.toThrow(
        /- Both\.event: .*If they are those of its class, put them on the routes of the class/,
      );
      await sharedIssuer.close();
    });
  },
);

describe.each(CASES)(
  'Protected handlers of messages that the check at the start did not see, on $platform, with inheritAppConfig: $inherits',
  ({ platform, inherits }) => {
    let running: Running;
    const ask = (pattern: string, data?: unknown): Promise<unknown> => send(running, pattern, data);

    beforeAll(async () => {
      running = await start(platform, inherits, {
        controllers: [Orders, Protected, WantsCaller],
        configure: (builder) => builder.overrideProvider(OutsideCheck).useValue(NO_CHECK),
      });
    });
    afterAll(() => stop(running));
    beforeEach(() => {
      resetRecorded(running.server);
      ran.length = 0;
    });

    it.each(['scoped', 'guarded', 'asked'])(
      'refuses the protected handler of %s, in the form of Nest and with a line of its own',
      async (pattern) => {
        expect(await ask(pattern)).toEqual({ error: { status: 'error', message: 'Authorization is required.' } });
        expect(ran).toEqual([]);
        const lines = running.server.log.filter((line) => line.includes('Refused 401'));
        expect(lines).toHaveLength(1);
        expect(lines[0]).toContain(`Protected.${pattern}`);
        expect(lines[0]).toContain('a message called a microservice handler, and messages carry no verified caller');
        expect(running.server.log.join('\n')).not.toMatch(/stdio|Internal server error/);
      },
    );

    it.each(['guarded-event', 'bound-event'])(
      'refuses the protected handler of the event %s, and says so',
      async (pattern) => {
        running.client.emit(pattern, 7);
        // The next message of the same connection is answered after it.
        await ask('get');
        expect(ran).toEqual(['get']);
        expect(
          running.server.log.filter((line) => line.includes('a message called a microservice handler')),
        ).toHaveLength(1);
      },
    );

    it('has no caller: what injects one is refused where the global guard holds', async () => {
      expect(await ask('me')).toEqual(
        inherits ? { error: { status: 'error', message: 'Authorization is required.' } } : 'nobody',
      );
    });
  },
);
