import { EventEmitter } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller } from '@nestjs/common';
import {
  ClientProxyFactory,
  Ctx,
  EventPattern,
  MessagePattern,
  Payload,
  RedisContext,
  Transport,
  type ClientProxy,
} from '@nestjs/microservices';
import { firstValueFrom } from 'rxjs';
import { Public, RequireScopes } from 'nestjs-mcp-auth';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { startNotesServer, type NotesServer, type NotesServerSettings } from '../support/notes-server.js';
import { PLATFORMS, type Platform } from '../support/platforms.js';
import { RedisServer } from '../support/redis-server.js';

/** Microservices on a real `redis-server`, which is no part of `npm test`: `npm run test:brokers`. */

const handlers = new EventEmitter();

@Controller()
class Orders {
  @MessagePattern('get')
  get(@Payload() id: unknown, @Ctx() context: RedisContext): object {
    return { id, channel: context.getChannel() };
  }

  @MessagePattern('open')
  @Public()
  open(): string {
    return 'ran';
  }

  @EventPattern('paid')
  paid(@Payload() id: number): void {
    handlers.emit('paid', id);
  }
}

@Controller()
class Protected {
  @EventPattern('protected')
  @RequireScopes('a')
  protected(_id: unknown): void {}
}

let redis: RedisServer;
beforeAll(async () => {
  redis = await RedisServer.start();
});
afterAll(() => redis.close());

const CASES = PLATFORMS.flatMap((platform) => [true, false].map((inherits) => ({ platform, inherits })));

describe.each(CASES)(
  'A Redis microservice beside MCP on $platform, with inheritAppConfig: $inherits',
  ({ platform, inherits }) => {
    const settings = (): { transport: Transport.REDIS; options: { host: string; port: number } } => ({
      transport: Transport.REDIS,
      options: { host: '127.0.0.1', port: redis.port },
    });
    const start = (more: NotesServerSettings = {}): Promise<NotesServer> =>
      startNotesServer(platform satisfies Platform, {
        issuer: { alg: 'ES256' },
        controllers: [Orders],
        prepare: (app) => void app.connectMicroservice(settings(), { inheritAppConfig: inherits }),
        ...more,
      });

    it('LIB-26: runs messages and events where nothing is declared, loses none, and protects MCP', async () => {
      const server = await start();
      const client: ClientProxy = ClientProxyFactory.create(settings());
      await client.connect();
      expect(await firstValueFrom(client.send('get', 7))).toEqual({ id: 7, channel: 'get' });
      expect(await firstValueFrom(client.send('open', 7))).toBe('ran');
      const ids = Array.from({ length: 50 }, (_, index) => index);
      const arrived: number[] = [];
      const all = new Promise<void>((resolve) => {
        handlers.on('paid', (id: number) => {
          if (arrived.push(id) === ids.length) resolve();
        });
      });
      for (const id of ids) client.emit('paid', id);
      await all;
      expect(arrived).toEqual(ids);
      handlers.removeAllListeners();
      expect((await server.callTool('ping')).status).toBe(401);
      expect((await server.callTool('ping', await server.mint())).status).toBe(200);
      await client.close();
      await server.close();
    });

    it('does not start with a protected handler, so no event is lost', async () => {
      const sharedIssuer = await TestIssuer.start({ alg: 'ES256' });
      await expect(start({ sharedIssuer, controllers: [Orders, Protected] })).rejects.toThrow(
        /Protected\.protected: saw a protected handler of messages of a broker/,
      );
      await sharedIssuer.close();
    });
  },
);
