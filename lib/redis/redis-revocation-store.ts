import { readRedisStoreOptions, type RedisStoreOptions } from '../options/redis-options.js';
import type { RevocationChanges, RevocationStore, StoredRevocation } from '../shared-state/revocation-store.js';
import { RedisConnection, type RedisClient } from './redis-connection.js';
import { evictionError, READ_MARK } from './server-mark.js';

/** Most revocations of one answer. */
const PART = 500;

/** How much longer an entry is kept than it must be, in milliseconds: the clocks of the replicas differ. */
const KEPT_LONGER_MS = 60_000;

/**
 * KEYS after the mark: the entries (hash), their order (sorted set by number), their ends (sorted set by `until`), the number of
 * the last change. ARGV from the fourth: the time before which entries are removed, key, issuedBefore, until.
 */
const ADD = `${READ_MARK}
for _, old in ipairs(redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', '(' .. ARGV[4], 'LIMIT', 0, 100)) do
  redis.call('HDEL', KEYS[2], old)
  redis.call('ZREM', KEYS[3], old)
  redis.call('ZREM', KEYS[4], old)
end
local entry = redis.call('HGET', KEYS[2], ARGV[5]) or ''
local before, ends = string.match(entry, '^(%d+) (%d+)$')
local function later(one, other) if other and tonumber(other) > tonumber(one) then return other end return one end
local joined = later(ARGV[6], before) .. ' ' .. later(ARGV[7], ends)
if joined ~= entry then
  redis.call('HSET', KEYS[2], ARGV[5], joined)
  redis.call('ZADD', KEYS[3], redis.call('INCR', KEYS[5]), ARGV[5])
  redis.call('ZADD', KEYS[4], later(ARGV[7], ends), ARGV[5])
end
return 'added'
`;

/** KEYS as above. ARGV from the fourth: the value of the mark and the number of the change that the cursor names. */
const CHANGES = `${READ_MARK}
local from = '-inf'
if ARGV[4] == value then from = '(' .. ARGV[5] end
local found = redis.call('ZRANGEBYSCORE', KEYS[3], from, '+inf', 'WITHSCORES', 'LIMIT', 0, ${PART})
local reply = { value, from == '-inf' and 'start' or 'later', ARGV[5] }
if from == '-inf' then reply[3] = '0' end
for index = 1, #found, 2 do
  reply[3] = found[index + 1]
  reply[#reply + 1] = found[index] .. ' ' .. redis.call('HGET', KEYS[2], found[index])
end
return reply
`;

const ENTRY = /^([\w-]{43}) (\d{1,16}) (\d{1,16})$/;

/**
 * A {@link RevocationStore} in Redis (6 or later) or Valkey, for the option `revocation.store`. One round trip for each poll of each
 * replica, and none for a request. All its keys are in one slot of a cluster. The user of the connection needs the commands `EVAL`,
 * `INFO`, `GET`, `SET`, `HGET`, `HSET`, `HDEL`, `ZADD`, `ZREM`, `ZRANGEBYSCORE` and `INCR`.
 *
 * If Redis may have lost revocations (restart, failover, `FLUSHALL`), the replicas add again what they know. A Redis that evicts
 * keys is refused: set its `maxmemory-policy` to `noeviction`. It does not connect or close the client.
 */
export class RedisRevocationStore implements RevocationStore {
  readonly #connection: RedisConnection;
  readonly #keys: readonly string[];

  /**
   * @param client of the package `redis` or `ioredis`; of a single server, sentinels or a cluster
   * @throws {McpAuthConfigError} if the client or an option is not valid
   */
  constructor(client: RedisClient, options?: RedisStoreOptions) {
    const { prefix, timeoutSeconds } = readRedisStoreOptions(options);
    const commands = 'INFO, GET, SET, HGET, HSET, HDEL, ZADD, ZREM, ZRANGEBYSCORE, INCR';
    this.#connection = new RedisConnection(client, 'RedisRevocationStore', timeoutSeconds * 1000, commands);
    this.#keys = ['mark', 'entries', 'order', 'ends', 'number'].map((name) => `{${prefix}revocations}:${name}`);
  }

  /** See {@link RevocationStore.add}. */
  async add({ key, issuedBefore, until }: StoredRevocation): Promise<void> {
    const values = [String(Date.now() - KEPT_LONGER_MS), key, String(issuedBefore), String(until)];
    const reply = await this.#run(ADD, 'trust the mark', values);
    if (reply !== 'added') throw evictionError(reply) ?? this.#connection.unexpected(reply);
  }

  /** See {@link RevocationStore.changes}. */
  async changes(after: string | undefined): Promise<RevocationChanges> {
    const [, mark = '', number = '0'] = /^([\w-]{36}) (\d{1,16})$/.exec(after ?? '') ?? [];
    const reply = await this.#run(CHANGES, after === undefined ? 'look again' : 'trust the mark', [mark, number]);
    const [value, from, last, ...entries] = this.#textsIn(reply);
    if (value === undefined || last === undefined) throw this.#connection.unexpected(reply);
    return {
      revocations: entries.map((entry) => this.#revocationIn(entry)),
      cursor: `${value} ${last}`,
      isFromStart: from === 'start',
      hasMore: entries.length === PART,
    };
  }

  /** Examines the server again: always, or only if the mark is from an earlier run of the server. */
  #run(script: string, how: 'look again' | 'trust the mark', values: readonly string[]): Promise<unknown> {
    // A new mark after Redis may have lost something makes earlier cursors invalid.
    const mark = crypto.randomUUID();
    return this.#connection.run(script, this.#keys, [mark, 'no', how === 'look again' ? 'yes' : 'no', ...values]);
  }

  #textsIn(reply: unknown): string[] {
    if (Array.isArray(reply) && reply.every((one) => typeof one === 'string')) return reply;
    throw evictionError(reply) ?? this.#connection.unexpected(reply);
  }

  #revocationIn(entry: string): StoredRevocation {
    const [, key, issuedBefore, until] = ENTRY.exec(entry) ?? [];
    if (key === undefined) throw this.#connection.unexpected(entry);
    return { key, issuedBefore: Number(issuedBefore), until: Number(until) };
  }
}
