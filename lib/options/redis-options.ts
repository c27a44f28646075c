import { OptionReader, readWhole, type OptionsRead, type ReadersOf } from './option-reader.js';

/** Options of every store in `nestjs-mcp-auth/redis`. */
export interface RedisStoreOptions {
  /**
   * The first characters of every key: letters, digits, and `:._-/`. Replicas of one application need the same one, and
   * applications that share nothing need different ones.
   * @default 'mcp-auth:'
   */
  prefix?: string;
  /**
   * How long to wait for an answer of Redis, in seconds, 1 to 5. After that, the request gets 503; a token for an API is
   * requested from the authorization server.
   * @default 1
   */
  timeoutSeconds?: number;
}

/** Options of `RedisReplayStore`. */
export interface RedisReplayStoreOptions extends RedisStoreOptions {
  /**
   * Uses a Redis that removes keys when its memory is full (a `maxmemory-policy` other than `noeviction`). What it removes
   * could be used again. Without this, every proof gets 503 there.
   * @default false
   */
  allowEviction?: boolean;
}

/** Options of `RedisSessionOwnerStore`. */
export interface RedisSessionOwnerStoreOptions extends RedisStoreOptions {
  /** After how many seconds without a request a session is forgotten, 60 to 604800. Its client opens another. @default 14400 */
  idleSeconds?: number;
}

const STORE_OPTIONS = {
  prefix: readPrefix,
  timeoutSeconds: (option) => option.seconds(1, 1, 5),
} satisfies ReadersOf<RedisStoreOptions>;

export const REDIS_REPLAY_STORE_OPTIONS = {
  ...STORE_OPTIONS,
  allowEviction: (option) => option.flag(false),
} satisfies ReadersOf<RedisReplayStoreOptions>;

export const REDIS_SESSION_OWNER_STORE_OPTIONS = {
  ...STORE_OPTIONS,
  idleSeconds: (option) => option.seconds(14_400, 60, 604_800),
} satisfies ReadersOf<RedisSessionOwnerStoreOptions>;

/** The options of every store, after validation. */
export type ResolvedRedisStoreOptions = OptionsRead<typeof STORE_OPTIONS>;

/**
 * Validates the options of `RedisReplayStore` and fills in the defaults.
 *
 * @throws {McpAuthConfigError} listing every problem.
 */
export function readRedisReplayStoreOptions(
  options: RedisReplayStoreOptions | undefined,
): OptionsRead<typeof REDIS_REPLAY_STORE_OPTIONS> {
  return readWhole(OptionReader.of(options), (option) => option.section(REDIS_REPLAY_STORE_OPTIONS));
}

/**
 * Validates the options of the other stores and fills in the defaults.
 *
 * @throws {McpAuthConfigError} listing every problem.
 */
export function readRedisStoreOptions(options: RedisStoreOptions | undefined): ResolvedRedisStoreOptions {
  return readWhole(OptionReader.of(options), (option) => option.section(STORE_OPTIONS));
}

/**
 * Validates the options of `RedisSessionOwnerStore` and fills in the defaults.
 *
 * @throws {McpAuthConfigError} listing every problem.
 */
export function readRedisSessionOwnerStoreOptions(
  options: RedisSessionOwnerStoreOptions | undefined,
): OptionsRead<typeof REDIS_SESSION_OWNER_STORE_OPTIONS> {
  return readWhole(OptionReader.of(options), (option) => option.section(REDIS_SESSION_OWNER_STORE_OPTIONS));
}

/** Braces would change the slot of a key in a cluster. */
const PREFIX = /^[\w:.\-/]{1,100}$/;

function readPrefix(option: OptionReader): string {
  const { value } = option;
  if (value === undefined) return 'mcp-auth:';
  if (typeof value === 'string' && PREFIX.test(value)) return value;
  option.refuse({ why: 'must be 1 to 100 letters, digits and :._-/', write: 'Write a prefix such as "notes:"' });
  return '';
}
