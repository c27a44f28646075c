import { readRedisStoreOptions, type RedisStoreOptions } from '../options/redis-options.js';
import type { DownstreamTokenStore, KeptDownstreamToken } from '../shared-state/downstream-token-store.js';
import { RedisConnection, type RedisClient } from './redis-connection.js';

/** KEYS: the generation; the token. ARGV: a generation for an owner that has none; how long it is kept, in milliseconds. */
const GET = `
local generation = redis.call('GET', KEYS[1])
if generation then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
else
  generation = ARGV[1]
  redis.call('SET', KEYS[1], generation, 'PX', ARGV[2])
end
local value = redis.call('GET', KEYS[2])
if not value then return generation end
return generation .. ' ' .. value
`;

/** KEYS: the token. ARGV: the value; how long it is kept, in milliseconds. */
const SET = `
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 'kept'
`;

/** KEYS: the token. ARGV: the value. */
const DELETE = `
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 'deleted'
`;

/** KEYS: the generation. ARGV: another one; how long it is kept, in milliseconds. */
const FORGET = `
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 'forgotten'
`;

/**
 * A {@link DownstreamTokenStore} in Redis (6 or later) or Valkey, for the option `sharedCache` of an API in `downstream`. Each call is
 * one round trip, also in a cluster, where all keys of one owner are in one slot. The user of the connection needs the commands
 * `EVAL`, `GET`, `SET`, `PEXPIRE` and `DEL`.
 *
 * Redis gets hashes and encrypted tokens, and forgets each when it ends. What it loses is requested again, so it may evict keys. It
 * does not connect or close the client.
 */
export class RedisDownstreamTokenStore implements DownstreamTokenStore {
  readonly #connection: RedisConnection;
  readonly #prefix: string;

  /**
   * @param client of the package `redis` or `ioredis`; of a single server, sentinels or a cluster
   * @throws {McpAuthConfigError} if the client or an option is not valid
   */
  constructor(client: RedisClient, options?: RedisStoreOptions) {
    const { prefix, timeoutSeconds } = readRedisStoreOptions(options);
    const commands = 'GET, SET, PEXPIRE, DEL';
    this.#connection = new RedisConnection(client, 'RedisDownstreamTokenStore', timeoutSeconds * 1000, commands);
    this.#prefix = prefix;
  }

  /** See {@link DownstreamTokenStore.get}. */
  async get(owner: string, key: string, generation: string, forMs: number): Promise<KeptDownstreamToken> {
    const keys = [this.#generationOf(owner), this.#tokenAt(owner, key)];
    const reply = await this.#connection.run(GET, keys, [generation, String(forMs)]);
    const [, present, value] = (typeof reply === 'string' && /^(\S+)(?: ([^]*))?$/.exec(reply)) || [];
    if (present === undefined) throw this.#connection.unexpected(reply);
    return { generation: present, value };
  }

  /** See {@link DownstreamTokenStore.set}. */
  async set(owner: string, key: string, value: string, forMs: number): Promise<void> {
    await this.#run(SET, this.#tokenAt(owner, key), [value, String(forMs)], 'kept');
  }

  /** See {@link DownstreamTokenStore.delete}. */
  async delete(owner: string, key: string, value: string): Promise<void> {
    await this.#run(DELETE, this.#tokenAt(owner, key), [value], 'deleted');
  }

  /** See {@link DownstreamTokenStore.forget}. */
  async forget(owner: string, generation: string, forMs: number): Promise<void> {
    await this.#run(FORGET, this.#generationOf(owner), [generation, String(forMs)], 'forgotten');
  }

  async #run(script: string, key: string, values: readonly string[], expected: string): Promise<void> {
    const reply = await this.#connection.run(script, [key], values);
    if (reply !== expected) throw this.#connection.unexpected(reply);
  }

  #generationOf(owner: string): string {
    return `${this.#slot(owner)}generation`;
  }

  #tokenAt(owner: string, key: string): string {
    return this.#slot(owner) + key;
  }

  /** The braces put the keys of an owner into one slot of a cluster. */
  #slot(owner: string): string {
    return `{${this.#prefix}downstream:${owner}}:`;
  }
}
