import { readRedisSessionOwnerStoreOptions, type RedisSessionOwnerStoreOptions } from '../options/redis-options.js';
import type { SessionOwnerStore } from '../shared-state/session-owner-store.js';
import { RedisConnection, type RedisClient } from './redis-connection.js';

/** KEYS: the session. ARGV: how long it is kept, in milliseconds; its owner. */
const OPEN = `
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[1])
return 'opened'
`;

const OWNER_OF = `
local owner = redis.call('GET', KEYS[1])
if not owner then return 'unknown' end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 'owner ' .. owner
`;

const CLOSE = `
redis.call('DEL', KEYS[1])
return 'closed'
`;

/**
 * A {@link SessionOwnerStore} in Redis (6 or later) or Valkey, for the option `sessions.store`. One round trip for each request that
 * names a session. The user of the connection needs the commands `EVAL`, `GET`, `SET`, `PEXPIRE` and `DEL`.
 *
 * A session that Redis has lost is unknown, and its client opens another; so Redis may evict keys. It does not limit the number of
 * sessions of a principal. It does not connect or close the client.
 */
export class RedisSessionOwnerStore implements SessionOwnerStore {
  readonly #connection: RedisConnection;
  readonly #prefix: string;
  readonly #keptMs: string;

  /**
   * @param client of the package `redis` or `ioredis`; of a single server, sentinels or a cluster
   * @throws {McpAuthConfigError} if the client or an option is not valid
   */
  constructor(client: RedisClient, options?: RedisSessionOwnerStoreOptions) {
    const { prefix, timeoutSeconds, idleSeconds } = readRedisSessionOwnerStoreOptions(options);
    const commands = 'GET, SET, PEXPIRE, DEL';
    this.#connection = new RedisConnection(client, 'RedisSessionOwnerStore', timeoutSeconds * 1000, commands);
    this.#prefix = prefix;
    this.#keptMs = String(idleSeconds * 1000);
  }

  /** See {@link SessionOwnerStore.open}. */
  async open(session: string, owner: string): Promise<void> {
    const reply = await this.#run(OPEN, session, [owner]);
    if (reply !== 'opened') throw this.#connection.unexpected(reply);
  }

  /** See {@link SessionOwnerStore.ownerOf}. */
  async ownerOf(session: string): Promise<string | undefined> {
    const reply = await this.#run(OWNER_OF, session);
    if (reply === 'unknown') return undefined;
    if (typeof reply === 'string' && reply.startsWith('owner ')) return reply.slice('owner '.length);
    throw this.#connection.unexpected(reply);
  }

  /** See {@link SessionOwnerStore.close}. */
  async close(session: string): Promise<void> {
    const reply = await this.#run(CLOSE, session);
    if (reply !== 'closed') throw this.#connection.unexpected(reply);
  }

  #run(script: string, session: string, values: readonly string[] = []): Promise<unknown> {
    return this.#connection.run(script, [`${this.#prefix}session:${session}`], [this.#keptMs, ...values]);
  }
}
