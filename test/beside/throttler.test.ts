import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, Module, Post, type INestApplication, type Type } from '@nestjs/common';
import { APP_GUARD, NestFactory } from '@nestjs/core';
import { McpAuthModule, Public, type McpAuthInfo } from 'nestjs-mcp-auth';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { freePort } from '../support/free-port.js';
import { importAsEsm } from '../support/import-as-esm.js';
import { openLogs, RECORDER, startNotesServer } from '../support/notes-server.js';
import { adapterFor, PLATFORMS } from '../support/platforms.js';
import { bearer, rpcTo } from '../support/rpc.js';

const { ThrottlerGuard, ThrottlerModule } = await importAsEsm<typeof import('@nestjs/throttler')>('@nestjs/throttler');

// #region by-caller
const throttler = ThrottlerModule.forRoot({
  throttlers: [{ ttl: 60_000, limit: 3 }],
  getTracker: ({ auth, ip }: { auth?: McpAuthInfo; ip?: string }) => auth?.principalKey ?? ip ?? 'unknown',
  skipIf: (context) => context.getType() !== 'http', // the guard of @nestjs/throttler answers with HTTP
});
// #endregion

@Module({ imports: [throttler], providers: [{ provide: APP_GUARD, useClass: ThrottlerGuard }] })
class ByCaller {}

@Module({
  imports: [ThrottlerModule.forRoot([{ ttl: 60_000, limit: 3 }])],
  providers: [{ provide: APP_GUARD, useClass: ThrottlerGuard }],
})
class ByAddress {}

const ran: string[] = [];

@Controller()
class Api {
  @Post('mcp')
  mcp(): object {
    ran.push('mcp');
    return { jsonrpc: '2.0', id: 1, result: {} };
  }

  @Get('open')
  @Public()
  open(): string {
    ran.push('open');
    return 'open';
  }
}

interface Running {
  readonly app: INestApplication;
  readonly issuer: TestIssuer;
  readonly origin: string;
  readonly log: string[];
}

const ORDERS = ['before', 'after'] as const;
const CASES = PLATFORMS.flatMap((platform) => ORDERS.map((order) => ({ platform, order })));

describe.each(CASES)('@nestjs/throttler, imported $order McpAuthModule, on $platform', ({ platform, order }) => {
  let running: Running;

  async function start(throttling: Type): Promise<void> {
    const port = await freePort();
    const origin = `http://127.0.0.1:${port}`;
    const issuer = await TestIssuer.start({ alg: 'ES256', audience: `${origin}/mcp` });
    const auth = McpAuthModule.forRoot({
      resource: `${origin}/mcp`,
      authorizationServers: [issuer.issuer],
      checkAuthorizationServers: false,
    });
    @Module({ imports: order === 'before' ? [throttling, auth] : [auth, throttling], controllers: [Api] })
    class App {}
    const log: string[] = [];
    openLogs.add(log);
    const app = await NestFactory.create(App, adapterFor(platform), { logger: RECORDER });
    await app.listen(port, '127.0.0.1');
    ran.length = 0;
    running = { app, issuer, origin, log };
  }

  afterEach(async () => {
    openLogs.delete(running.log);
    await running.app.close();
    await running.issuer.close();
  });

  const call = async (token?: string): Promise<number> =>
    (await rpcTo(`${running.origin}/mcp`)('ping', {}, bearer(token))).status;

  async function statuses(count: number, send: () => Promise<number>): Promise<number[]> {
    const seen: number[] = [];
    for (let index = 0; index < count; index++) seen.push(await send());
    return seen;
  }

  it('starts without a warning, and limits what clients may send', async () => {
    await start(ByAddress);
    expect(running.log.filter((line) => /answered before|MCP controller/.test(line))).toEqual([]);
    const alice = await running.issuer.mint({ sub: 'alice' });
    expect(await statuses(4, () => call(alice))).toEqual([201, 201, 201, 429]);
    expect(ran).toEqual(['mcp', 'mcp', 'mcp']);
    const challenge = await fetch(`${running.origin}/mcp`, { method: 'POST' });
    expect(challenge.status).toBe(order === 'before' ? 429 : 401);
  });

  it('counts refused requests where it is imported before', async () => {
    await start(ByAddress);
    expect(await statuses(4, () => call())).toEqual(order === 'before' ? [401, 401, 401, 429] : [401, 401, 401, 401]);
    expect(ran).toEqual([]);
  });

  it('counts each caller where it is imported after, and otherwise addresses', async () => {
    await start(ByCaller);
    const [alice, bob] = await Promise.all(['alice', 'bob'].map((sub) => running.issuer.mint({ sub })));
    expect(await statuses(4, () => call(alice))).toEqual([201, 201, 201, 429]);
    expect(await statuses(2, () => call(bob))).toEqual(order === 'after' ? [201, 201] : [429, 429]);
    const open = async (): Promise<number> => (await fetch(`${running.origin}/open`)).status;
    expect(await statuses(4, open)).toEqual([200, 200, 200, 429]);
  });

  it('counts a caller with several tokens once where it is imported after', async () => {
    await start(ByCaller);
    if (order === 'before') return;
    const mint = (): Promise<string> => running.issuer.mint({ sub: 'alice' });
    expect(await statuses(4, async () => call(await mint()))).toEqual([201, 201, 201, 429]);
  });
});

describe.each(PLATFORMS)('@nestjs/throttler as a guard of MCP handlers too, on %s', (platform) => {
  it('counts the requests alone', async () => {
    const server = await startNotesServer(platform, {
      issuer: { alg: 'ES256' },
      imports: [ByCaller],
      inheritAppConfig: true,
    });
    const token = await server.mint();
    const statuses: number[] = [];
    for (let index = 0; index < 4; index++) statuses.push((await server.callTool('ping', token)).status);
    expect(statuses).toEqual([200, 200, 200, 429]);
    expect(server.ran).toEqual(['ping', 'ping', 'ping']);
    await server.close();
  });
});
