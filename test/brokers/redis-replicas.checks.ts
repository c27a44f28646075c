import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { createClient } from 'redis';
import { McpAuthHealthIndicator, McpAuthService, type McpAuthEvent, type McpAuthModuleOptions } from 'nestjs-mcp-auth';
import { RedisReplayStore, RedisRevocationStore } from 'nestjs-mcp-auth/redis';
import { callOf } from '../support/challenge-cases.js';
import { startDpopServer, type DpopServer } from '../support/dpop-server.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { RedisServer } from '../support/redis-server.js';
import { bearer } from '../support/rpc.js';
import { eventually } from '../support/until.js';

/** Two replicas on a real `redis-server`, and the code of docs/guides/replicas.md: `npm run test:brokers`. */

beforeEach(() => void jest.spyOn(console, 'warn').mockImplementation(() => undefined));

async function connected(url: string) {
  process.env['REDIS_URL'] = url;
  // #region client
  const redis = createClient({
    url: process.env['REDIS_URL'] ?? '',
    pingInterval: 5_000,
    socket: { socketTimeout: 10_000 },
  });
  redis.on('error', (error) => console.warn(String(error)));
  await redis.connect();
  // #endregion
  return redis;
}

type Redis = Awaited<ReturnType<typeof connected>>;

function everythingIn(redis: Redis) {
  return {
    // #region store
    dpop: { replayStore: new RedisReplayStore(redis) },
    revocation: { store: new RedisRevocationStore(redis) },
    // #endregion
  };
}

/** Proofs alone: while Redis is down for longer than `revocation.staleSeconds`, Bearer tokens would get 503, too. */
function optionsWith(redis: Redis): Partial<McpAuthModuleOptions> {
  return { dpop: everythingIn(redis).dpop };
}

const HEADERS = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };

describe.each(PLATFORMS)('Two replicas with one Redis, on %s', (platform) => {
  let server: RedisServer;
  let one: DpopServer;
  let other: NotesServer;
  let clients: Redis[];
  let events: McpAuthEvent[];

  beforeEach(async () => {
    server = await RedisServer.start();
    clients = [await connected(server.url), await connected(server.url)];
    one = await startDpopServer(platform, optionsWith(clients[0]!));
    const options = { ...optionsWith(clients[1]!), resource: one.server.resource } as Partial<McpAuthModuleOptions>;
    other = await startNotesServer(platform, { sharedIssuer: one.server.issuer, options });
    await eventually(() => expect(stores()).toMatchObject({ 'dpop.replayStore': { state: 'ready' } }));
    await haveBeenInUse(clients[0]!);
    events = [];
    one.server.app.get(McpAuthService, { strict: false }).events$.subscribe((event) => events.push(event));
  });
  afterEach(async () => {
    await other.close();
    await one.close();
    for (const client of clients) client.destroy();
    await server.close();
  });

  const advance = (milliseconds: number): void => {
    one.server.clock.now += milliseconds;
    other.clock.now += milliseconds;
  };
  const stores = (): unknown =>
    one.server.app.get(McpAuthHealthIndicator, { strict: false }).isHealthy()['mcp-auth'].stores;
  const proven = async (): Promise<Record<string, string>> => {
    const token = await one.mintBound();
    return { authorization: `DPoP ${token}`, dpop: one.proof(token) };
  };
  const callAt = (replica: NotesServer, headers: Readonly<Record<string, string>>): Promise<Response> =>
    fetch(`${replica.origin}/mcp`, {
      method: 'POST',
      headers: { ...HEADERS, ...headers },
      body: JSON.stringify(callOf('ping')),
    });
  const statusesAtBoth = (headers: Readonly<Record<string, string>>, count = 2): Promise<number[]> =>
    Promise.all(
      Array.from({ length: count }, async (_, index) => {
        const response = await callAt(index % 2 ? one.server : other, headers);
        await response.text();
        return response.status;
      }),
    );
  const expectBearerWorks = async (): Promise<void> => {
    expect(await statusesAtBoth(bearer(await one.server.mint()))).toEqual([200, 200]);
  };
  const expectUndecided = async (headers: Readonly<Record<string, string>>): Promise<void> => {
    const response = await callAt(one.server, headers);
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '5']);
    expect(response.headers.get('www-authenticate')).toBeNull();
    await response.text();
  };
  const only = (type: McpAuthEvent['type']): McpAuthEvent[] => events.filter((event) => event.type === type);
  const linesAbout = (text: string): string[] => one.server.log.filter((line) => line.includes(text));

  it('RFC9449-11.1-a: accept one of fifty concurrent uses of a proof', async () => {
    const statuses = await statusesAtBoth(await proven(), 50);
    expect(statuses.filter((status) => status === 200)).toHaveLength(1);
    // On a busy machine, Redis may not answer in time.
    expect(statuses.filter((status) => status === 401 || status === 503)).toHaveLength(49);
  });

  it('RFC9449-11.1-a: let no replay in while Redis is killed and restarts empty, and recover by themselves', async () => {
    const used = await proven();
    expect((await callAt(other, used)).status).toBe(200);
    await server.kill();
    await eventually(() => expect(clients.map(({ isReady }) => isReady)).toEqual([false, false]));
    await expectUndecided(await proven());
    await expectUndecided(used);
    await expectBearerWorks();
    advance(3_000);
    expect(stores()).toEqual({ 'dpop.replayStore': { state: 'failing', failingForSeconds: 3 } });
    expect(linesAbout('The store of the option dpop.replayStore does not answer as it should')).toHaveLength(1);
    expect(only('store-unreachable')).toEqual([expect.objectContaining({ store: 'dpop.replayStore' })]);

    await server.restart();
    await eventually(() => expect(clients.map(({ isReady }) => isReady)).toEqual([true, true]));
    await expectUndecided(used);
    await expectUndecided(await proven());
    advance(60_000);
    expect((await callAt(one.server, await proven())).status).toBe(200);
    expect((await callAt(other, await proven())).status).toBe(200);
    await expectUndecided(used);
    expect((await callAt(one.server, await proven())).status).toBe(200);
    expect(stores()).toEqual({ 'dpop.replayStore': { state: 'ready' } });
    expect(linesAbout('The store of the option dpop.replayStore answers again')).not.toEqual([]);
    expect(only('store-recovered')[0]).toMatchObject({ store: 'dpop.replayStore', afterMs: 63_000 });
  });

  it('answer in time while Redis hangs, and let Bearer tokens in', async () => {
    const used = await proven();
    expect((await callAt(other, used)).status).toBe(200);
    server.signal('SIGSTOP');
    await expectUndecided(await proven());
    await expectUndecided(used);
    await expectBearerWorks();
    server.signal('SIGCONT');
    await eventually(async () => expect((await callAt(one.server, await proven())).status).toBe(200));
    expect(await statusesAtBoth(used)).toEqual([401, 401]);
  });

  it('refuse proofs while Redis is full, or evicts keys, and let Bearer tokens in', async () => {
    const used = await proven();
    expect((await callAt(other, used)).status).toBe(200);
    await clients[0]!.configSet('maxmemory', '1');
    await expectUndecided(await proven());
    expect(await statusesAtBoth(used)).toEqual([401, 401]);
    await expectBearerWorks();
    expect(linesAbout('OOM').length).toBeGreaterThan(0);
    await clients[0]!.configSet('maxmemory', '0');
    expect((await callAt(one.server, await proven())).status).toBe(200);
  });

  it('RFC9449-11.1-a: refuse proofs that were made before FLUSHALL', async () => {
    const used = await proven();
    expect((await callAt(other, used)).status).toBe(200);
    await clients[0]!.flushAll();
    await expectUndecided(used);
    advance(60_000);
    await expectUndecided(used);
    expect((await callAt(one.server, await proven())).status).toBe(200);
  });
});

/** Makes the marks of the store old, as if it had been in use for long: a new store accepts no proof of its first five seconds. */
async function haveBeenInUse(redis: Redis): Promise<void> {
  for (const mark of await redis.keys('*:mark')) {
    const [run, , policy] = (await redis.get(mark))!.split(' ');
    await redis.set(mark, `${run} 1000 ${policy}`);
  }
}

describe.each(PLATFORMS)('A replica with a Redis that evicts keys, on %s', (platform) => {
  it('says at the start what to change, and refuses proofs until then', async () => {
    const server = await RedisServer.start(['--maxmemory', '100mb', '--maxmemory-policy', 'volatile-ttl']);
    const redis = await connected(server.url);
    const replica = await startDpopServer(platform, optionsWith(redis));
    await eventually(() =>
      expect(replica.server.log.join('\n')).toMatch(
        /The store of the option dpop\.replayStore .*maxmemory-policy is volatile-ttl.*Set maxmemory-policy to noeviction/,
      ),
    );
    expect((await replica.callWith({})).status).toBe(503);
    expect((await replica.call(bearer(await replica.server.mint()))).status).toBe(200);
    await redis.configSet('maxmemory-policy', 'noeviction');
    await haveBeenInUse(redis);
    expect((await replica.callWith({})).status).toBe(200);
    await replica.close();
    redis.destroy();
    await server.close();
  });
});
