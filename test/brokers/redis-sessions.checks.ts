import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { McpAuthModuleOptions } from 'nestjs-mcp-auth';
import { RedisSessionOwnerStore } from 'nestjs-mcp-auth/redis';
import { sessionOwnerStoreContract } from '../shared-state/session-owner-store.contract.js';
import { PLATFORMS } from '../support/platforms.js';
import { connectCluster, RedisPair, type NodeRedis } from '../support/redis-clients.js';
import { RedisServer } from '../support/redis-server.js';
import { startSessionReplicas } from '../support/session-replicas.js';
import { openSession } from '../support/sessions.js';
import { eventually } from '../support/until.js';

/** `RedisSessionOwnerStore` on a real `redis-server`, and the code of docs/guides/replicas.md: `npm run test:brokers`. */

let pair: RedisPair;
beforeEach(async () => {
  pair = await RedisPair.start();
});
afterEach(() => pair.close());

const storeOf = (index: number): RedisSessionOwnerStore => new RedisSessionOwnerStore(pair.clients[index]!);

sessionOwnerStoreContract('RedisSessionOwnerStore', () => [storeOf(0), storeOf(1)]);

it('forgets a session that is not used, and counts each request as a use', async () => {
  const [client] = pair.clients;
  const store = new RedisSessionOwnerStore(client, { prefix: 'notes:', idleSeconds: 600 });
  await store.open('a session', 'alice');
  await client.pExpire('notes:session:a session', 1_000);
  expect(await store.ownerOf('a session')).toBe('alice');
  expect(await client.pTTL('notes:session:a session')).toBeGreaterThan(590_000);
  await client.del('notes:session:a session');
  expect(await store.ownerOf('a session')).toBeUndefined();
});

it('spreads sessions over the slots of a cluster', async () => {
  const cluster = await RedisServer.start(['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1']);
  const { client, close } = await connectCluster(cluster);
  const store = new RedisSessionOwnerStore(client);
  for (const session of ['one', 'two', 'three']) {
    await store.open(session, 'alice');
    expect(await store.ownerOf(session)).toBe('alice');
    await store.close(session);
    expect(await store.ownerOf(session)).toBeUndefined();
  }
  close();
  await cluster.close();
});

describe.each(PLATFORMS)('Sessions of two replicas with one Redis, on %s', (platform) => {
  const options = (redis: NodeRedis['client']): Partial<McpAuthModuleOptions> => ({
    // #region store
    sessions: { store: new RedisSessionOwnerStore(redis) },
    // #endregion
  });

  it('belong to their owner at both, also after Redis was killed, and recover by themselves', async () => {
    const stores = pair.clients.map((client) => options(client).sessions!.store!);
    const replicas = await startSessionReplicas(platform, [stores[0]!, stores[1]!]);
    const { one, other, use } = replicas;
    const [alice, bob] = [await replicas.mint('alice'), await replicas.mint('bob')];
    const statuses = async (session: string | undefined, token: string): Promise<number[]> => [
      (await use(one, session, token)).status,
      (await use(other, session, token)).status,
    ];
    const session = await openSession(one, alice);
    expect(await statuses(session, alice)).toEqual([200, 200]);
    expect(await statuses(session, bob)).toEqual([404, 404]);
    await pair.kill();
    expect(await statuses(session, alice)).toEqual([503, 503]);
    expect(await statuses(undefined, alice)).toEqual([200, 200]);
    await pair.restart();
    await eventually(async () => expect(await statuses(session, alice)).toEqual([404, 404]));
    const next = await openSession(one, alice);
    expect(await statuses(next, alice)).toEqual([200, 200]);
    await replicas.close();
  });
});
