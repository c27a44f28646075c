import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Cluster, Redis } from 'ioredis';
import { RedisReplayStore, RedisUnavailableError, type RedisClient } from 'nestjs-mcp-auth/redis';
import { connectCluster, connectNodeRedis, connectSentinel, type NodeRedis } from '../support/redis-clients.js';
import { RedisServer } from '../support/redis-server.js';
import { keepsReplayContract, laterOn, someKey } from '../shared-state/replay-store.contract.js';
import { eventually } from '../support/until.js';

/** `RedisReplayStore` on a real `redis-server`: `npm run test:brokers`. */

interface Setup {
  readonly name: string;
  readonly options?: readonly string[];
  connect(server: RedisServer): Promise<{ readonly client: RedisClient; close(): Promise<unknown> | void }>;
}

const ALL_SLOTS = ['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1'];

const SETUPS: readonly Setup[] = [
  { name: 'redis', connect: connectNodeRedis },
  { name: 'redis in a cluster', options: ALL_SLOTS, connect: connectCluster },
  { name: 'redis with sentinels', connect: connectSentinel },
  {
    name: 'ioredis',
    connect: async ({ port }) => {
      const client = new Redis(port, '127.0.0.1');
      client.on('error', () => undefined);
      await client.ping();
      return { client, close: () => client.disconnect() };
    },
  },
  {
    name: 'ioredis in a cluster',
    options: ALL_SLOTS,
    connect: async (server) => {
      // The slots are given out by the other client.
      await (await connectCluster(server)).close();
      const client = new Cluster([{ host: '127.0.0.1', port: server.port }]);
      await client.ping();
      return { client, close: () => client.disconnect() };
    },
  },
];

describe.each(SETUPS)('RedisReplayStore with the client $name', ({ options, connect }) => {
  let server: RedisServer;
  let connections: Awaited<ReturnType<Setup['connect']>>[] = [];
  let stores: readonly [RedisReplayStore, RedisReplayStore];
  beforeAll(async () => {
    server = await RedisServer.start(options);
    connections = [await connect(server), await connect(server)];
    const [one, other] = connections.map(({ client }) => new RedisReplayStore(client));
    stores = [one!, other!];
    await one!.check();
  });
  afterAll(async () => {
    for (const { close } of connections) await close();
    await server.close();
  });

  keepsReplayContract(() => stores);
});

describe('RedisReplayStore', () => {
  let server: RedisServer;
  let redis: NodeRedis;
  beforeEach(async () => {
    server = await RedisServer.start();
    redis = await connectNodeRedis(server);
  });
  afterEach(async () => {
    redis.close();
    await server.close();
  });

  const insert = (store: RedisReplayStore, key = someKey(), madeAt = laterOn()): Promise<boolean> =>
    store.insertOnce(key, Date.now() + 300_000, madeAt);

  it('stores a key under the prefix, until its time', async () => {
    await insert(new RedisReplayStore(redis.client, { prefix: 'notes:' }), 'A'.repeat(43));
    expect((await redis.client.keys('*')).toSorted()).toEqual([
      `{notes:replay:A}:${'A'.repeat(43)}`,
      '{notes:replay:A}:mark',
    ]);
    const left = await redis.client.pTTL(`{notes:replay:A}:${'A'.repeat(43)}`);
    expect(left).toBeGreaterThan(290_000);
    expect(left).toBeLessThanOrEqual(300_000);
  });

  it('sends one command for a proof', async () => {
    const store = new RedisReplayStore(redis.client);
    const calls = async (): Promise<string> =>
      (await redis.client.info('commandstats')).match(/cmdstat_eval:calls=(\d+)/)?.[1] ?? '0';
    const before = Number(await calls());
    for (let index = 0; index < 10; index += 1) await insert(store);
    expect(Number(await calls()) - before).toBe(10);
  });

  describe.each(['FLUSHALL', 'SIGKILL and restart'] as const)('after %s', (loss) => {
    it('RFC9449-11.1-a: decides about no proof that was made before, and about all made later', async () => {
      const store = new RedisReplayStore(redis.client);
      const key = someKey();
      const madeAt = Date.now() + 4_000;
      const [bucket] = key;
      // The store has been in use for long: its mark is old.
      await redis.client.set(`{mcp-auth:replay:${bucket}}:mark`, `${await runOf(redis)} 1000 none`);
      expect(await insert(store, key, madeAt)).toBe(true);
      if (loss === 'FLUSHALL') await redis.client.flushAll();
      else {
        await server.kill();
        await server.restart();
        await eventually(() => insert(store));
      }
      await expect(insert(store, key, madeAt)).rejects.toThrow(/it may have been used before/);
      expect(await insert(store, key, laterOn())).toBe(true);
      expect(await insert(store, key, laterOn())).toBe(false);
    });
  });

  it('refuses proofs for five seconds after a loss, not the first of each part of its keys', async () => {
    const store = new RedisReplayStore(redis.client);
    await expect(insert(store, someKey(), Date.now())).rejects.toThrow(/it may have been used before/);
    await eventually(async () => expect(await redis.client.keys('*:mark')).toHaveLength(64));
    const marks = await Promise.all((await redis.client.keys('*:mark')).map((mark) => redis.client.get(mark)));
    const times = marks.map((mark) => Number(mark!.split(' ')[1]));
    expect(Math.max(...times) - Math.min(...times)).toBeLessThan(5_000);
  });

  it('RFC9449-11.1-a: forgets nothing when a Redis with an append-only file is killed', async () => {
    const lasting = await RedisServer.start(['--appendonly', 'yes']);
    const { client, close } = await connectNodeRedis(lasting);
    const store = new RedisReplayStore(client);
    const key = someKey();
    expect(await insert(store, key)).toBe(true);
    await lasting.kill();
    await lasting.restart();
    await eventually(() => insert(store));
    expect(await insert(store, key)).toBe(false);
    close();
    await lasting.close();
  });

  it('fails without a connection, queues nothing, and recovers by itself', async () => {
    const store = new RedisReplayStore(redis.client);
    const key = someKey();
    await insert(store);
    await server.kill();
    await eventually(() => expect(redis.client.isReady).toBe(false));
    const failure = await insert(store, key).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(RedisUnavailableError);
    expect(String(failure)).toContain('there is no connection to Redis');
    await server.restart();
    await eventually(() => insert(store));
    expect(await insert(store, key)).toBe(true);
  });

  it('fails in time while Redis hangs, bounds what waits, and takes no late reply', async () => {
    const store = new RedisReplayStore(redis.client);
    const key = someKey();
    await insert(store);
    server.signal('SIGSTOP');
    await expect(insert(store, key)).rejects.toThrow('Redis gave no answer within 1000 ms');
    const many = await Promise.allSettled(Array.from({ length: 1_500 }, () => insert(store)));
    const reasons = many.map((one) => (one.status === 'rejected' ? String(one.reason) : 'answered'));
    expect(new Set(reasons)).toEqual(
      new Set([
        'RedisUnavailableError: Redis gave no answer within 1000 ms',
        'RedisUnavailableError: 1000 commands already wait for Redis',
      ]),
    );
    expect(reasons.filter((reason) => reason.includes('already wait'))).toHaveLength(501);
    server.signal('SIGCONT');
    await redis.client.ping();
    // The command ran after all: the key counts as used.
    expect(await insert(store, key)).toBe(false);
    expect(await insert(store)).toBe(true);
  });

  it('fails while the memory of Redis is full, and refuses known keys as ever', async () => {
    const store = new RedisReplayStore(redis.client);
    const key = someKey();
    expect(await insert(store, key)).toBe(true);
    await redis.client.configSet('maxmemory', '1');
    await expect(insert(store)).rejects.toThrow(/OOM/);
    expect(await insert(store, key)).toBe(false);
    await redis.client.configSet('maxmemory', '0');
    expect(await insert(store)).toBe(true);
  });

  it('fails on a replica, which is read-only', async () => {
    const replica = await RedisServer.start(['--replicaof', '127.0.0.1', String(server.port)]);
    const { client, close } = await connectNodeRedis(replica);
    await expect(insert(new RedisReplayStore(client))).rejects.toThrow(/READONLY/);
    close();
    await replica.close();
  });

  it('decides nothing where Redis evicts keys, until that is repaired or allowed', async () => {
    await redis.client.configSet({ maxmemory: '100mb', 'maxmemory-policy': 'allkeys-lru' });
    const store = new RedisReplayStore(redis.client);
    const remedy = /maxmemory-policy is allkeys-lru.*Set maxmemory-policy to noeviction/;
    await expect(store.check()).rejects.toThrow(remedy);
    await expect(insert(store)).rejects.toThrow(remedy);
    expect(await insert(new RedisReplayStore(redis.client, { allowEviction: true }))).toBe(true);
    await redis.client.configSet('maxmemory-policy', 'noeviction');
    expect(await insert(store)).toBe(true);
    await store.check();
    // Without a limit there is nothing to evict for.
    await redis.client.configSet({ maxmemory: '0', 'maxmemory-policy': 'allkeys-lru' });
    await store.check();
  });

  it('names the command that the user of the connection may not run', async () => {
    await redis.client.aclSetUser('narrow', ['on', '>secret', '~*', '+eval', '+get', '+set', '+exists']);
    const { client, close } = await connectNodeRedis(server, { username: 'narrow', password: 'secret' });
    await expect(insert(new RedisReplayStore(client))).rejects.toThrow(/needs the commands EVAL, INFO/);
    close();
    await redis.client.aclSetUser('narrow', ['+info']);
    const wider = await connectNodeRedis(server, { username: 'narrow', password: 'secret' });
    expect(await insert(new RedisReplayStore(wider.client))).toBe(true);
    wider.close();
  });
});

async function runOf({ client }: NodeRedis): Promise<string> {
  return (await client.info('server')).match(/run_id:(\w+)/)![1]!;
}
