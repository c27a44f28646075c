import { LRUCache } from 'lru-cache';
import { SingleFlight } from '../token/single-flight.js';

/** A token for an API. */
export interface StoredToken {
  readonly token: string;
  /** Whose it is: `principalKey`; empty for a token of this server itself. */
  readonly principal: string;
  /** Until when it is used again, in milliseconds since the epoch. */
  readonly until: number;
  /** For a token that replicas share. */
  readonly shared?: SharedState;
}

/** What one replica knows of a token that others may forget. */
export interface SharedState {
  /** The generation of its owner in the store; undefined if the store could not be asked when the token was obtained. */
  readonly generation: string | undefined;
  /** From when on the store is asked again before the token is used, in milliseconds since the epoch. */
  readonly checkAt: number;
}

/** Most tokens that are remembered for one API, and most characters of them. */
const MAX_TOKENS = 10_000;
const MAX_CHARACTERS = 33_554_432;

/** What a token costs besides its characters. */
const ENTRY_CHARACTERS = 200;

/**
 * Remembers the tokens for one API, in the memory of this process. When it is full, it drops the least recently used. Requests each
 * token once for concurrent callers with the same key.
 */
export class TokenStore {
  readonly #tokens = new LRUCache<string, StoredToken>({
    max: MAX_TOKENS,
    maxSize: MAX_CHARACTERS,
    sizeCalculation: ({ token }, key) => token.length + key.length + ENTRY_CHARACTERS,
  });
  readonly #flights = new SingleFlight<StoredToken>();
  /** Counts how often tokens were dropped by principal: what was requested before is not stored afterwards. */
  #generation = 0;

  /** A token that has not ended; undefined if there is none. */
  get(key: string, now: number): StoredToken | undefined {
    const stored = this.#tokens.get(key);
    return stored && now < stored.until ? stored : undefined;
  }

  /** Requests a token, and remembers it. */
  obtain(key: string, now: number, request: () => Promise<StoredToken>): Promise<StoredToken> {
    const generation = this.#generation;
    return this.#flights.run(`${generation} ${key}`, async () => {
      const token = await request();
      if (generation === this.#generation && now < token.until) this.#tokens.set(key, token);
      return token;
    });
  }

  /** Forgets this token, unless another one has replaced it. */
  drop(key: string, token: string): void {
    if (this.#tokens.peek(key)?.token === token) this.#tokens.delete(key);
  }

  /** Forgets the tokens of a principal, also those that are being requested. */
  dropPrincipal(principal: string): void {
    this.#generation += 1;
    for (const [key, stored] of this.#tokens.entries()) if (stored.principal === principal) this.#tokens.delete(key);
  }
}
