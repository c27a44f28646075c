import { isRecord } from '../core/record.js';
import type { DownstreamTokenStore } from '../shared-state/downstream-token-store.js';
import { SealedValues } from '../shared-state/sealed-values.js';
import { boundedAnswer } from './bounded-answer.js';
import { optional, type OptionReader, type ReadersOf } from './option-reader.js';
import { readSecrets } from './secret-option.js';

/** How replicas share the tokens for an API. */
export interface SharedCacheOptions {
  /** Keeps the tokens, encrypted. A call that takes longer than five seconds counts as one that fails. */
  store: DownstreamTokenStore;
  /**
   * Encrypts the tokens: at least 32 characters that nobody can guess, the same on every replica. Of a list, the first one encrypts,
   * and all decrypt. To change it, start the replicas with the old one and then the new one, then with the new one first, and then
   * with the new one alone.
   */
  secret: string | string[];
}

/** The settings of tokens that replicas share. */
export interface ResolvedSharedCache {
  /** Each call ends within five seconds. Returns what the application returns. */
  readonly store: DownstreamTokenStore;
  /** Shows nothing of the secret. */
  readonly values: SealedValues<object>;
}

/** In characters. A token has at most 16,384, which become 22,000 when sealed. */
const MAX_SEALED_LENGTH = 24_000;

export const SHARED_CACHE_OPTIONS = {
  store: readStore,
  secret: readSecrets,
} satisfies ReadersOf<SharedCacheOptions>;

/** Undefined if each process keeps its tokens to itself, and after a problem. */
export const readSharedCache = optional((option): ResolvedSharedCache | undefined => {
  if (!isRecord(option.value)) {
    option.refuse({ seen: 'a value', why: 'must be an object', write: 'Write { store: …, secret: … }' });
    return undefined;
  }
  const { store, secret } = option.section(SHARED_CACHE_OPTIONS);
  return store && { store, values: new SealedValues<object>(secret, 'downstream token 1', MAX_SEALED_LENGTH) };
});

const METHODS = ['get', 'set', 'delete', 'forget'] as const;

function readStore(option: OptionReader): DownstreamTokenStore | undefined {
  const { value } = option;
  if (isStore(value)) {
    // The options are frozen, but the store keeps state.
    return {
      get: (owner, key, generation, forMs) => boundedAnswer(value.get(owner, key, generation, forMs)),
      set: (owner, key, sealed, forMs) => boundedAnswer(value.set(owner, key, sealed, forMs)),
      delete: (owner, key, sealed) => boundedAnswer(value.delete(owner, key, sealed)),
      forget: (owner, generation, forMs) => boundedAnswer(value.forget(owner, generation, forMs)),
    };
  }
  const seen = option.isGiven ? 'a value' : 'nothing';
  const why = 'must have the methods get, set, delete and forget of a DownstreamTokenStore';
  option.refuse({ seen, why, write: 'Write new RedisDownstreamTokenStore(client), or a store of your own' });
  return undefined;
}

function isStore(value: unknown): value is DownstreamTokenStore {
  if (typeof value !== 'object' || value === null) return false;
  const object = value as Record<string, unknown>;
  return METHODS.every((name) => typeof object[name] === 'function');
}
