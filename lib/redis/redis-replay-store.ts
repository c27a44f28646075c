import { readRedisReplayStoreOptions, type RedisReplayStoreOptions } from '../options/redis-options.js';
import type { ReplayStore } from '../shared-state/replay-store.js';
import { RedisConnection, type RedisClient } from './redis-connection.js';

/** How far the clock of a client may be ahead of that of this process, in milliseconds. */
const CLOCK_TOLERANCE_MS = 5_000;

/** What a key of the replay store begins with. Its keys are spread over as many slots of a cluster. */
const BUCKETS = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'];

/**
 * Inserts a key, unless Redis may have forgotten it. Beside the keys stands a mark: which run of which server keeps them, since
 * when, and whether that server evicts keys. A mark of another run, or none, means that keys may have been lost: by a restart, by
 * a failover to a replica that lagged, or by FLUSHALL.
 *
 * KEYS: the mark, the key. ARGV: the time now; the time at which the proof was made; how long to keep the key, in
 * milliseconds; `insert` or `check`; `yes` if eviction is allowed.
 */
const SCRIPT = `
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') or 'unknown'
local mark = redis.call('GET', KEYS[1]) or ''
local known, since, policy = string.match(mark, '^(%w+) (%d+) (%S+)$')
if known ~= run or ARGV[4] == 'check' or (policy ~= 'none' and ARGV[5] ~= 'yes') then
  local memory = redis.call('INFO', 'memory')
  policy = string.match(memory, 'maxmemory_policy:([%w-]+)') or 'unknown'
  if policy == 'noeviction' or string.match(memory, 'maxmemory:(%d+)') == '0' then policy = 'none' end
  if known ~= run then since = ARGV[1] end
  redis.call('SET', KEYS[1], run .. ' ' .. since .. ' ' .. policy)
end
if policy ~= 'none' and ARGV[5] ~= 'yes' then return 'evicts ' .. policy end
if ARGV[4] == 'check' then return 'usable' end
if redis.call('EXISTS', KEYS[2]) == 1 then return 'known' end
if tonumber(ARGV[2]) <= tonumber(since) then return 'forgotten' end
redis.call('SET', KEYS[2], '1', 'PX', ARGV[3])
return 'new'
`;

/** Redis cannot say whether a key was used before. */
export class RedisReplayStoreError extends Error {
  /** Distinguishes it from other errors. */
  override readonly name = 'RedisReplayStoreError';
}

/**
 * A {@link ReplayStore} in Redis (6 or later) or Valkey, for the option `dpop.replayStore`: replicas that share it accept each
 * proof once. One round trip for each proof, in a cluster as well. The user of the connection needs the commands `EVAL`, `INFO`,
 * `GET`, `SET` and `EXISTS`.
 *
 * What it does not know, it does not accept; the request then gets 503:
 * - without a connection, or without an answer within `timeoutSeconds`;
 * - if the server refuses to write, as it is full or a replica;
 * - if the server evicts keys, unless `allowEviction` is set;
 * - if keys may have been lost (restart, failover, `FLUSHALL`): for proofs made before that, and within five seconds after. So it
 *   is for five seconds with a new, empty Redis. Clients whose clock is ahead by more than these five seconds are not covered.
 *
 * It does not connect or close the client.
 *
 * @see RFC 9449 §11.1
 */
export class RedisReplayStore implements ReplayStore {
  readonly #connection: RedisConnection;
  readonly #prefix: string;
  readonly #allowEviction: string;
  /** When the marks of all buckets were last set, in milliseconds since the epoch. */
  #markedAt = -Infinity;

  /**
   * @param client of the package `redis` or `ioredis`; of a single server, sentinels or a cluster
   * @throws {McpAuthConfigError} for what is no client, and for options that are not valid
   */
  constructor(client: RedisClient, options?: RedisReplayStoreOptions) {
    const { prefix, timeoutSeconds, allowEviction } = readRedisReplayStoreOptions(options);
    this.#connection = new RedisConnection(client, 'RedisReplayStore', timeoutSeconds * 1000, 'INFO, GET, SET, EXISTS');
    this.#prefix = prefix;
    this.#allowEviction = allowEviction ? 'yes' : 'no';
  }

  /** Whether the store can be used. Starts to watch over its keys, so that the first proofs need not wait. */
  async check(): Promise<void> {
    for (const reply of await Promise.all(BUCKETS.map((bucket) => this.#run(bucket, ['0', '0', 'check'])))) {
      if (reply !== 'usable') throw this.#refusal(reply);
    }
  }

  /** See {@link ReplayStore.insertOnce}. */
  async insertOnce(key: string, until: number, madeAt: number): Promise<boolean> {
    // By the time that is left: the clock of Redis may be another.
    const leftMs = Math.max(1, until - Date.now());
    const reply = await this.#run(key, [String(madeAt - CLOCK_TOLERANCE_MS), String(leftMs), 'insert']);
    if (reply === 'new') return true;
    if (reply === 'known') return false;
    if (reply === 'forgotten') this.#markAll();
    throw this.#refusal(reply);
  }

  /** Sets the marks of all buckets now: otherwise each would refuse the first proof that comes to it, perhaps much later. */
  #markAll(): void {
    const now = Date.now();
    if (Math.abs(now - this.#markedAt) < CLOCK_TOLERANCE_MS) return;
    this.#markedAt = now;
    // If it fails, the next proof that is refused tries again.
    this.check().catch(() => undefined);
  }

  #run(key: string, values: readonly string[]): Promise<unknown> {
    // The braces put mark and keys of a bucket into one slot of a cluster.
    const bucket = `{${this.#prefix}replay:${key.slice(0, 1)}}:`;
    const now = String(Date.now());
    return this.#connection.run(SCRIPT, [`${bucket}mark`, bucket + key], [now, ...values, this.#allowEviction]);
  }

  #refusal(reply: unknown): Error {
    if (reply === 'forgotten') {
      const text = 'Redis is new, was restarted or lost keys after this proof was made: it may have been used before';
      return new RedisReplayStoreError(text);
    }
    const policy = typeof reply === 'string' ? /^evicts ([\w-]{1,50})$/.exec(reply)?.[1] : undefined;
    if (policy === undefined) return this.#connection.unexpected(reply);
    return new RedisReplayStoreError(
      `Redis evicts keys when its memory is full (maxmemory-policy is ${policy}), so a proof could be used again. ` +
        'Set maxmemory-policy to noeviction, or use a Redis of its own for this store',
    );
  }
}
