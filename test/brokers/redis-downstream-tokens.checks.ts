import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import type { DownstreamOptions } from 'nestjs-mcp-auth';
import { RedisDownstreamTokenStore } from 'nestjs-mcp-auth/redis';
import { downstreamTokenStoreContract, someGeneration } from '../shared-state/downstream-token-store.contract.js';
import { someKey } from '../shared-state/replay-store.contract.js';
import { DownstreamReplicas, SECRET } from '../support/downstream-replicas.js';
import { PLATFORMS } from '../support/platforms.js';
import { connectCluster, RedisPair, type NodeRedis } from '../support/redis-clients.js';
import { RedisServer } from '../support/redis-server.js';
import { eventually } from '../support/until.js';

/** `RedisDownstreamTokenStore` on a real `redis-server`, and the code of docs/guides/downstream-apis.md: `npm run test:brokers`. */

let pair: RedisPair;
beforeEach(async () => {
  pair = await RedisPair.start();
});
afterEach(() => pair.close());

const storeOf = (index: number): RedisDownstreamTokenStore => new RedisDownstreamTokenStore(pair.clients[index]!);

downstreamTokenStoreContract('RedisDownstreamTokenStore', () => [storeOf(0), storeOf(1)]);

it('works with ioredis, too', async () => {
  const ioredis = new Redis(pair.server.url);
  await eventually(() => expect(ioredis.status).toBe('ready'));
  const store = new RedisDownstreamTokenStore(ioredis);
  const [owner, key, generation] = [someKey(), someKey(), someGeneration()];
  expect(await store.get(owner, key, generation, 60_000)).toEqual({ generation, value: undefined });
  await store.set(owner, key, 'a.value', 60_000);
  expect(await storeOf(0).get(owner, key, someGeneration(), 60_000)).toEqual({ generation, value: 'a.value' });
  ioredis.disconnect();
});

it('keeps each key for its time, and the generation from its last use on', async () => {
  const [client] = pair.clients;
  const store = new RedisDownstreamTokenStore(client, { prefix: 'notes:' });
  const [owner, key] = [someKey(), someKey()];
  const slot = `{notes:downstream:${owner}}:`;
  await store.get(owner, key, someGeneration(), 60_000);
  await store.set(owner, key, 'a.value', 30_000);
  expect((await client.keys('*')).toSorted()).toEqual([slot + key, `${slot}generation`].toSorted());
  expect(await client.pTTL(slot + key)).toBeGreaterThan(25_000);
  expect(await client.pTTL(slot + key)).toBeLessThanOrEqual(30_000);
  await client.pExpire(`${slot}generation`, 1_000);
  await store.get(owner, key, someGeneration(), 60_000);
  expect(await client.pTTL(`${slot}generation`)).toBeGreaterThan(55_000);
  await store.forget(owner, someGeneration(), 40_000);
  expect(await client.pTTL(`${slot}generation`)).toBeLessThanOrEqual(40_000);
});

it('asks Redis once for each look', async () => {
  const [client] = pair.clients;
  const [owner, key] = [someKey(), someKey()];
  await storeOf(0).set(owner, key, 'a.value', 60_000);
  const evals = async (): Promise<number> =>
    Number(/cmdstat_eval:calls=(\d+)/.exec(await client.info('commandstats'))?.[1] ?? 0);
  const before = await evals();
  await storeOf(0).get(owner, key, someGeneration(), 60_000);
  expect((await evals()) - before).toBe(1);
});

it('has the keys of one owner in one slot of a cluster, and those of others elsewhere', async () => {
  const cluster = await RedisServer.start(['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1']);
  const { client, close } = await connectCluster(cluster);
  const store = new RedisDownstreamTokenStore(client);
  for (const owner of [someKey(), someKey(), someKey()]) {
    const [key, generation] = [someKey(), someGeneration()];
    await store.get(owner, key, generation, 60_000);
    await store.set(owner, key, 'a.value', 60_000);
    expect(await store.get(owner, key, someGeneration(), 60_000)).toEqual({ generation, value: 'a.value' });
    await store.delete(owner, key, 'a.value');
    await store.forget(owner, someGeneration(), 60_000);
    expect((await store.get(owner, key, generation, 60_000)).generation).not.toBe(generation);
  }
  close();
  await cluster.close();
});

describe.each(PLATFORMS)('Tokens for APIs that two replicas share in one Redis, on %s', (platform) => {
  const options = (redis: NodeRedis['client'], secret: string): Pick<DownstreamOptions, 'sharedCache'> => ({
    // #region store
    sharedCache: { store: new RedisDownstreamTokenStore(redis), secret },
    // #endregion
  });

  it('are requested once, are forgotten at both, and are requested while Redis is down', async () => {
    const [first, second] = pair.clients.map((client) => options(client, SECRET).sharedCache!.store);
    const replicas = await DownstreamReplicas.start(platform, [first!, second!]);
    const { one, other } = replicas;
    const ada = await replicas.mint('ada');
    const token = await replicas.tokenAt(one, ada);
    const [client] = pair.clients;
    await eventually(async () => expect(await client.dbSize()).toBe(2));
    for (const key of await client.keys('*')) expect(await client.get(key)).not.toMatch(/ada|eyJ/);
    expect(await replicas.tokenAt(other, ada)).toBe(token);
    expect(replicas.requested).toBe(1);
    await replicas.forgetAt(other, 'ada');
    replicas.advance(10_000);
    const next = await replicas.tokenAt(one, ada);
    expect(next).not.toBe(token);
    expect(await replicas.tokenAt(other, ada)).not.toBe(token);
    await pair.kill();
    const bob = await replicas.mint('bob');
    for (const replica of [one, other]) expect(await replicas.eventsAt(replica, bob)).toContain('"owner":"bob"');
    await expect(replicas.forgetAt(one, 'bob')).rejects.toThrow('Other replicas may still use');
    await pair.restart();
    replicas.advance(20_000);
    replicas.issuer.clearRequests();
    const carl = await replicas.mint('carl');
    const last = await replicas.tokenAt(one, carl);
    await eventually(async () => expect(await client.dbSize()).toBe(2));
    expect(await replicas.tokenAt(other, carl)).toBe(last);
    expect(replicas.requested).toBe(1);
    await replicas.close();
  });
});
