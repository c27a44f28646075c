import { readRedisReplayStoreOptions, type RedisReplayStoreOptions } from '../options/redis-options.js';
import type { ReplayStore } from '../shared-state/replay-store.js';
import { RedisConnection, type RedisClient } from './redis-connection.js';
import { evictionError, READ_MARK, RedisStoreError } from './server-mark.js';

/** How far the clock of a client may be ahead of that of this process, in milliseconds. */
const CLOCK_TOLERANCE_MS = 5_000;

/** What a key of the replay store begins with. Its keys are spread over as many slots of a cluster. */
const BUCKETS = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'];

/**
 * Inserts a key, unless Redis may have forgotten it. The value of the mark is the time since when keys are kept.
 *
 * KEYS[2]: the key. ARGV from the fourth: the time at which the proof was made; how long to keep the key, in milliseconds;
 * `insert` or `check`.
 */
const SCRIPT = `${READ_MARK}
if ARGV[6] == 'check' then return 'usable' end
if redis.call('EXISTS', KEYS[2]) == 1 then return 'known' end
if tonumber(ARGV[4]) <= tonumber(value) then return 'forgotten' end
redis.call('SET', KEYS[2], '1', 'PX', ARGV[5])
return 'new'
`;

/**
 * A {@link ReplayStore} in Redis (6 or later) or Valkey, for the options `dpop.replayStore`, `consent.replayStore` and
 * `revocation.backChannelLogout.replayStore`: replicas that share it accept each proof, link or logout token once. One round trip for each proof, in a cluster as well. The user of the connection needs the commands `EVAL`, `INFO`,
 * `GET`, `SET` and `EXISTS`.
 *
 * What it does not know, it does not accept; the request then gets 503:
 * - without a connection, or without an answer within `timeoutSeconds`;
 * - if the server refuses to write, as it is full or a replica;
 * - if the server evicts keys, unless `allowEviction` is set;
 * - if keys may have been lost (restart, failover, `FLUSHALL`): for proofs made before that, and within five seconds after. The same
 *   holds for the first five seconds of a new, empty Redis. Clients whose clock is ahead by more than these five seconds are not covered.
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
   * @throws {McpAuthConfigError} if the client or an option is not valid
   */
  constructor(client: RedisClient, options?: RedisReplayStoreOptions) {
    const { prefix, timeoutSeconds, allowEviction } = readRedisReplayStoreOptions(options);
    this.#connection = new RedisConnection(client, 'RedisReplayStore', timeoutSeconds * 1000, 'INFO, GET, SET, EXISTS');
    this.#prefix = prefix;
    this.#allowEviction = allowEviction ? 'yes' : 'no';
  }

  /** Whether the store can be used. Starts to watch over its keys, so that the first proofs need not wait. */
  async check(): Promise<void> {
    for (const reply of await Promise.all(BUCKETS.map((bucket) => this.#run(bucket, ['yes', '0', '0', 'check'])))) {
      if (reply !== 'usable') throw this.#refusal(reply);
    }
  }

  /** See {@link ReplayStore.insertOnce}. */
  async insertOnce(key: string, until: number, madeAt: number): Promise<boolean> {
    // By the time that is left: the clock of Redis may be another.
    const leftMs = Math.max(1, until - Date.now());
    const reply = await this.#run(key, ['no', String(madeAt - CLOCK_TOLERANCE_MS), String(leftMs), 'insert']);
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
    return this.#connection.run(SCRIPT, [`${bucket}mark`, bucket + key], [now, this.#allowEviction, ...values]);
  }

  #refusal(reply: unknown): Error {
    if (reply !== 'forgotten') return evictionError(reply) ?? this.#connection.unexpected(reply);
    return new RedisStoreError(
      'Redis is new, was restarted or lost keys after this proof was made: it may have been used before',
    );
  }
}
