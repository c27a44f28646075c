import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { McpAuthRevocations } from 'nestjs-mcp-auth';
import { RedisRevocationStore } from 'nestjs-mcp-auth/redis';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { connectCluster, connectNodeRedis, type NodeRedis } from '../support/redis-clients.js';
import { RedisServer } from '../support/redis-server.js';
import { revocationStoreContract } from '../shared-state/revocation-store.contract.js';
import { someKey } from '../shared-state/replay-store.contract.js';
import { eventually } from '../support/until.js';

/** `RedisRevocationStore` on a real `redis-server`: `npm run test:brokers`. */

let shared: RedisServer;
let redis: NodeRedis;
let ioredis: Redis;
beforeAll(async () => {
  shared = await RedisServer.start();
  redis = await connectNodeRedis(shared);
  ioredis = new Redis(shared.port, '127.0.0.1', { retryStrategy: () => 20 });
  ioredis.on('error', () => undefined);
  await ioredis.ping();
});
beforeEach(() => redis.client.flushAll());
afterAll(async () => {
  redis.close();
  ioredis.disconnect();
  await shared.close();
});

async function killAndRestart(): Promise<void> {
  const ready = (): boolean[] => [redis.client.isReady, ioredis.status === 'ready'];
  await shared.kill();
  await eventually(() => expect(ready()).toEqual([false, false]));
  await shared.restart();
  await eventually(() => expect(ready()).toEqual([true, true]));
}

revocationStoreContract('RedisRevocationStore with the client redis', async () => ({
  store: new RedisRevocationStore(redis.client),
  lose: async () => void (await redis.client.flushAll()),
}));
revocationStoreContract('RedisRevocationStore with the client ioredis', async () => ({
  store: new RedisRevocationStore(ioredis),
  lose: killAndRestart,
}));

describe('RedisRevocationStore', () => {
  it('keeps its keys in one slot of a cluster, and removes what may be forgotten', async () => {
    const server = await RedisServer.start(['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1']);
    const { client, close } = await connectCluster(server);
    const store = new RedisRevocationStore(client);
    const now = Date.now();
    const old = { key: someKey(), issuedBefore: now, until: now - 120_000 };
    await store.add(old);
    await store.add({ key: someKey(), issuedBefore: now, until: now + 1_000 });
    const { revocations } = await store.changes(undefined);
    expect(revocations.map(({ key }) => key)).not.toContain(old.key);
    expect(revocations).toHaveLength(1);
    close();
    await server.close();
  });

  it('refuses a Redis that evicts keys', async () => {
    const server = await RedisServer.start(['--maxmemory', '100mb', '--maxmemory-policy', 'allkeys-lru']);
    const { client, close } = await connectNodeRedis(server);
    const store = new RedisRevocationStore(client);
    await expect(store.changes(undefined)).rejects.toThrow(/Set maxmemory-policy to noeviction/);
    await client.configSet('maxmemory-policy', 'noeviction');
    expect((await store.changes(undefined)).revocations).toEqual([]);
    close();
    await server.close();
  });
});

describe.each(PLATFORMS)('Two replicas with one Redis, on %s', (platform) => {
  it('refuse what one of them revoked, also after Redis lost everything', async () => {
    const server = await RedisServer.start();
    const clients = [await connectNodeRedis(server), await connectNodeRedis(server)];
    const start = (index: number, more: object): Promise<NotesServer> =>
      startNotesServer(platform, {
        ...more,
        options: { revocation: { store: new RedisRevocationStore(clients[index]!.client) } },
      });
    const one = await start(0, { issuer: { alg: 'ES256' } });
    const other = await start(1, { sharedIssuer: one.issuer });
    const advance = (): void => {
      one.clock.now += 300;
      other.clock.now += 300;
    };
    const token = await one.mint({ aud: [one.resource, other.resource] });
    expect((await other.callTool('ping', token)).status).toBe(200);
    const { principalKey } = JSON.parse(
      (await (await one.callTool('whoami', token)).text()).match(/\{\\"clientId.*?\}(?=")/)![0].replaceAll('\\"', '"'),
    ) as { principalKey: string };
    one.clock.now += 1_000;
    await one.app.get(McpAuthRevocations, { strict: false }).revoke({ principal: principalKey });
    const refused = async (replica: NotesServer): Promise<void> => {
      advance();
      expect((await replica.callTool('ping', token)).status).toBe(401);
    };
    await refused(one);
    await eventually(() => refused(other));
    await clients[0]!.client.flushAll();
    await eventually(async () => {
      advance();
      expect(await clients[0]!.client.keys('*:entries')).toHaveLength(1);
    });
    await refused(other);
    await other.close();
    await one.close();
    for (const { close } of clients) close();
    await server.close();
  });
});
