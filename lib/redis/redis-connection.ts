import { McpAuthConfigError } from '../core/error.js';
import { showValue } from '../core/safe-text.js';

/**
 * What the stores use of a connected client of the package `redis` (node-redis): of `createClient`, `createSentinel` and
 * `createCluster`. The application connects it and closes it.
 */
export interface NodeRedisClient {
  /** Whether it has a connection. */
  readonly isReady?: boolean;
  /** Instead of `isReady`, in clusters of version 5. */
  readonly isOpen: boolean;
  /** Runs a script. */
  eval(script: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>;
}

/** What the stores use of a client of the package `ioredis`: of `Redis` and `Cluster`. The application closes it. */
export interface IoRedisClient {
  /** `ready` if it has a connection. */
  readonly status: string;
  /** Runs a script. */
  eval(script: string, numberOfKeys: number, ...keysAndArguments: string[]): Promise<unknown>;
}

/** A client that the application made. */
export type RedisClient = NodeRedisClient | IoRedisClient;

/** Redis gave no answer, or may not be asked, so nothing is known. */
export class RedisUnavailableError extends Error {
  /** Distinguishes it from other errors. */
  override readonly name = 'RedisUnavailableError';
}

/** Most commands that wait for an answer at a time. Further ones fail at once. */
const MAX_PENDING = 1_000;

/** Number of commands of each client without an answer yet, including those whose time is over. */
const pendingOf = new WeakMap<object, number>();

/**
 * Runs scripts, and bounds the wait. Nothing is queued while there is no connection. A script whose time is over may still
 * run later; its reply is dropped.
 */
export class RedisConnection {
  readonly #client: RedisClient;

  constructor(
    client: RedisClient,
    /** The class that the application made with this client. */
    private readonly store: string,
    private readonly timeoutMs: number,
    /** The commands that its scripts run, for the administrator of Redis. */
    private readonly commands: string,
  ) {
    this.#client = checkedClient(client, store);
  }

  /**
   * The reply, as the client gives it. All keys are in one slot.
   *
   * @throws {RedisUnavailableError} without a reply in time. Errors of Redis pass through.
   */
  async run(script: string, keys: readonly string[], values: readonly string[]): Promise<unknown> {
    const client = this.#client;
    if (!isReady(client)) throw new RedisUnavailableError('there is no connection to Redis');
    const pending = pendingOf.get(client) ?? 0;
    if (pending >= MAX_PENDING) throw new RedisUnavailableError(`${pending} commands already wait for Redis`);
    pendingOf.set(client, pending + 1);
    const reply = evaluate(client, script, keys, values);
    const settle = (): void => void pendingOf.set(client, (pendingOf.get(client) ?? 1) - 1);
    reply.then(settle, settle);
    return this.#inTime(reply);
  }

  /** The error for a reply that the script does not give. */
  unexpected(reply: unknown): TypeError {
    return new TypeError(`${this.store} got a reply that its script does not give: ${showValue(reply)}`);
  }

  #inTime(reply: Promise<unknown>): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const giveUp = (): void => reject(new RedisUnavailableError(`Redis gave no answer within ${this.timeoutMs} ms`));
      // After a pause of this process, a reply that has arrived is read before the immediate runs.
      const timer = setTimeout(() => setImmediate(giveUp), this.timeoutMs);
      timer.unref();
      reply
        .catch((error: unknown) => Promise.reject(this.#explained(error)))
        .then(resolve, reject)
        .finally(() => clearTimeout(timer));
    });
  }

  #explained(error: unknown): unknown {
    if (!(error instanceof Error) || !/NOPERM|can't run this command|no permissions to run/.test(error.message))
      return error;
    const text = `the user of the connection to Redis needs the commands EVAL, ${this.commands}: ${error.message}`;
    return new RedisUnavailableError(text, { cause: error });
  }
}

async function evaluate(
  client: RedisClient,
  script: string,
  keys: readonly string[],
  values: readonly string[],
): Promise<unknown> {
  if (isIoRedis(client)) return client.eval(script, keys.length, ...keys, ...values);
  return client.eval(script, { keys: [...keys], arguments: [...values] });
}

function isIoRedis(client: RedisClient): client is IoRedisClient {
  return 'status' in client;
}

function isReady(client: RedisClient): boolean {
  return isIoRedis(client) ? client.status === 'ready' : (client.isReady ?? client.isOpen);
}

/** @throws {McpAuthConfigError} if the value is not a client. Does not show it: it may hold a password. */
function checkedClient(client: unknown, store: string): RedisClient {
  if (typeof client === 'object' && client !== null && 'eval' in client && typeof client.eval === 'function') {
    if ('status' in client && typeof client.status === 'string') return client as unknown as IoRedisClient;
    if ('isOpen' in client && typeof client.isOpen === 'boolean') return client as unknown as NodeRedisClient;
  }
  const seen = typeof client === 'object' && client !== null ? 'an object that is not shown' : showValue(client);
  const why = 'must be a client of the package redis, from version 5 on, or of the package ioredis';
  const write = `Write new ${store}(client) with a client of createClient, createSentinel or createCluster, or of new Redis()`;
  throw new McpAuthConfigError([{ option: `${store}.client`, seen, why, write }]);
}
