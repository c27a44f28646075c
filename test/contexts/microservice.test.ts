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
import { AuthInfo, Authorize, McpAuthError, McpAuthGuard, Public, RequireScopes } from 'nestjs-mcp-auth';
import { resetRecorded } from '../support/expectations.js';
import { freePort } from '../support/free-port.js';
import { startNotesServer, type NotesServer, type NotesServerSettings } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';

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

  @Get()
  route(): string {
    return 'ran';
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

const CASES = PLATFORMS.flatMap((platform) => [true, false].map((inherits) => ({ platform, inherits })));

describe.each(CASES)(
  'A TCP microservice beside MCP on $platform, with inheritAppConfig: $inherits',
  ({ platform, inherits }) => {
    let running: Running;

    async function start(settings: NotesServerSettings = {}): Promise<Running> {
      const port = await freePort();
      const tcp = { transport: Transport.TCP as const, options: { host: '127.0.0.1', port } };
      const server = await startNotesServer(platform, {
        issuer: { alg: 'ES256' },
        controllers: [Orders, WantsCaller],
        inheritAppConfig: inherits,
        prepare: (app) => void app.connectMicroservice(tcp, { inheritAppConfig: inherits }),
        ...settings,
      });
      return { server, client: ClientProxyFactory.create(tcp) };
    }

    async function stop({ server, client }: Running): Promise<void> {
      client.close();
      await server.close();
    }

    const ask = (pattern: string, data: unknown = 7): Promise<unknown> =>
      firstValueFrom(running.client.send<unknown>(pattern, data)).catch((error: unknown) => ({ error }));

    beforeAll(async () => {
      running = await start();
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

    it.each(['scoped', 'guarded', 'asked'])(
      'refuses the protected handler of %s, in the form of Nest and with a line of its own',
      async (pattern) => {
        expect(await ask(pattern)).toEqual({ error: { status: 'error', message: 'Authorization is required.' } });
        expect(ran).toEqual([]);
        const lines = running.server.log.filter((line) => line.includes('Refused 401'));
        expect(lines).toHaveLength(1);
        expect(lines[0]).toContain(`Orders.${pattern}`);
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

    it('gives a refusal of the application the same form', async () => {
      expect(await ask('late')).toEqual({
        error: { status: 'error', message: 'The access token lacks a scope that this operation needs: late.' },
      });
    });

    it('has no caller: what injects one is refused where the global guard holds', async () => {
      expect(await ask('me')).toEqual(
        inherits ? { error: { status: 'error', message: 'Authorization is required.' } } : 'nobody',
      );
    });

    it('leaves routes of the same controller, and MCP tools, protected as they were', async () => {
      const { server } = running;
      expect((await fetch(`${server.origin}/orders`)).status).toBe(401);
      expect((await server.callTool('read-note')).status).toBe(401);
      expect((await server.callTool('read-note', await server.mint())).status).toBe(403);
      expect((await server.callTool('read-note', await server.mint({ scope: 'a' }))).status).toBe(200);
      expect((await server.callTool('ping', await server.mint())).status).toBe(200);
    });

    it('is warned of at the start, for each protected handler that can never run', async () => {
      const other = await start();
      const warnings = other.server.log.filter((line) =>
        line.includes('handles messages of a broker and is protected'),
      );
      expect(warnings.map((line) => line.split(' ')[0])).toEqual([
        'Orders.scoped',
        'Orders.guarded',
        'Orders.asked',
        'Orders.guardedEvent',
        'Orders.boundEvent',
      ]);
      await stop(other);
    });
  },
);
