/**
 * State that replicas share, in Redis or Valkey. The application passes a client of its own, of the package `redis` or `ioredis`;
 * this package depends on neither. Begin at {@link RedisReplayStore}.
 *
 * @module nestjs-mcp-auth/redis
 */
export { RedisDownstreamTokenStore } from './redis-downstream-token-store.js';
export { RedisReplayStore } from './redis-replay-store.js';
export { RedisRevocationStore } from './redis-revocation-store.js';
export { RedisSessionOwnerStore } from './redis-session-owner-store.js';
export { RedisStoreError } from './server-mark.js';
export { RedisUnavailableError } from './redis-connection.js';
export type { IoRedisClient, NodeRedisClient, RedisClient } from './redis-connection.js';
export type {
  RedisReplayStoreOptions,
  RedisSessionOwnerStoreOptions,
  RedisStoreOptions,
} from '../options/redis-options.js';
