import { describe, expect, it } from '@jest/globals';
import { McpAuthConfigError } from 'nestjs-mcp-auth';
import {
  RedisDownstreamTokenStore,
  RedisReplayStore,
  RedisRevocationStore,
  RedisSessionOwnerStore,
  RedisUnavailableError,
  type RedisClient,
} from 'nestjs-mcp-auth/redis';

const STORES = [RedisDownstreamTokenStore, RedisReplayStore, RedisRevocationStore, RedisSessionOwnerStore] as const;

/** Stands for a connected client of the package `redis`. */
const clientWith = (evaluate: () => Promise<unknown>): RedisClient => ({ isOpen: true, isReady: true, eval: evaluate });
const silent = clientWith(() => new Promise(() => undefined));

describe.each(STORES.map((Store) => ({ name: Store.name, Store })))('$name', ({ name, Store }) => {
  it.each([
    ['no client', undefined, 'nothing'],
    ['the URL of a server', 'redis://:secret@localhost', '"redis://…@localhost"'],
    ['the options of a client', { url: 'redis://:secret@localhost' }, 'an object that is not shown'],
    ['a client that is not a client of Redis', { eval: () => undefined }, 'an object that is not shown'],
  ])('refuses %s, and says what to write', (_case, client, seen) => {
    const create = (): unknown => new Store(client as unknown as RedisClient);
    expect(create).toThrow(McpAuthConfigError);
    expect(create).toThrow(`${name}.client: saw ${seen}; must be a client of the package redis`);
  });

  it('refuses options that it does not know, and values that are not valid, all together', () => {
    const create = (): unknown => new Store(silent, { prefix: '{a}', timeoutSeconds: 0, host: 'x' } as object);
    expect(create).toThrow(/prefix: saw "\{a\}"[^]*timeoutSeconds: saw 0/);
    expect(create).toThrow(/host: saw a value; there is no such option/);
  });

  it('opens no connection', () => {
    expect(() => new Store(clientWith(() => Promise.reject(new Error('asked'))))).not.toThrow();
  });
});

describe('A reply that no script gives', () => {
  const NONSENSE: readonly unknown[] = [undefined, null, 1, 'OK', Buffer.from('new'), ['new'], { new: true }, true];

  it.each(NONSENSE)('is never taken for an answer: %j', async (reply) => {
    const client = clientWith(() => Promise.resolve(reply));
    const key = 'A'.repeat(43);
    const replays = new RedisReplayStore(client);
    await expect(replays.insertOnce(key, Date.now(), Date.now())).rejects.toThrow(/got a reply that its script/);
    await expect(replays.check()).rejects.toThrow(/got a reply that its script/);
    const revocations = new RedisRevocationStore(client);
    await expect(revocations.add({ key, issuedBefore: 1, until: 2 })).rejects.toThrow(/got a reply/);
    await expect(revocations.changes(undefined)).rejects.toThrow(/got a reply that its script/);
    const sessions = new RedisSessionOwnerStore(client);
    await expect(sessions.open(key, 'alice')).rejects.toThrow(/got a reply that its script/);
    await expect(sessions.ownerOf(key)).rejects.toThrow(/got a reply that its script/);
    await expect(sessions.close(key)).rejects.toThrow(/got a reply that its script/);
  });

  it('is not waited for without a connection', async () => {
    const clients: readonly RedisClient[] = [
      { isOpen: true, isReady: false, eval: () => Promise.resolve('new') },
      { isOpen: false, eval: () => Promise.resolve('new') },
      { status: 'reconnecting', eval: () => Promise.resolve('new') },
    ];
    for (const client of clients)
      await expect(new RedisReplayStore(client).insertOnce('A', 1, 1)).rejects.toThrow(RedisUnavailableError);
  });
});
