import type { CryptoKey, JSONWebKeySet } from 'jose';
import { timeBetween } from '../core/clock.js';
import type { MaybePromise } from '../core/maybe-promise.js';
import { KeySet, KeyUndecidedError, type KeyHint } from './key-set.js';
import { isSameKey, PublishedKeys } from './published-keys.js';
import { holdsOff, type FailedAttempt, type Purpose } from './purpose.js';
import { RefreshBudget } from './refresh-budget.js';

/** How long fetched keys are used, and how often they are fetched; all in milliseconds. */
export interface RemoteKeySetTimes {
  /** After this time, keys are fetched again in the background; the old ones stay in use meanwhile. */
  readonly freshMs: number;
  /** After this time without a successful fetch, the keys are no longer used. */
  readonly staleMs: number;
  /**
   * Shortest time between two fetches for a key that the set does not have, if they do not find it. {@link RefreshBudget}
   * limits their number.
   */
  readonly unknownKeyCoolDownMs: number;
  /** Shortest time between a failed fetch and the next. */
  readonly failureCoolDownMs: number;
}

export const REMOTE_KEY_SET_TIMES: RemoteKeySetTimes = {
  freshMs: 10 * 60_000,
  staleMs: 6 * 3_600_000,
  unknownKeyCoolDownMs: 5_000,
  failureCoolDownMs: 2_000,
};

/** Most unknown keys that are remembered after a fetch did not find them. */
const MAX_LOOKED_FOR = 100;

/**
 * Fetches the keys of the issuer, one fetch at a time. A token that names an unknown key causes a fetch, so that a rotation is
 * noticed; a {@link RefreshBudget} limits these fetches, so that random `kid`s cannot flood the issuer. If the budget allows no
 * fetch, such a token gets 503, not 401. When a fetch fails, the current keys stay in use for a limited time; without any,
 * every token gets 503.
 */
export class RemoteKeySet extends KeySet {
  #loaded: { readonly keys: PublishedKeys; readonly at: number } | undefined;
  #loading: Promise<void> | undefined;
  #failure: FailedAttempt | undefined;
  readonly #budget: RefreshBudget;
  /** The unknown keys that the last fetch for one did not find. */
  #lookedFor: { readonly names: Set<string>; readonly at: number } = { names: new Set(), at: -Infinity };

  constructor(
    private readonly load: (purpose: Purpose) => Promise<JSONWebKeySet>,
    private readonly now: () => number,
    private readonly onFailure: (error: unknown) => void,
    private readonly times: RemoteKeySetTimes = REMOTE_KEY_SET_TIMES,
    private readonly onFetched: (jwks: JSONWebKeySet) => void = () => undefined,
  ) {
    super();
    this.#budget = new RefreshBudget(times.unknownKeyCoolDownMs, now);
  }

  override candidates(hint: KeyHint): MaybePromise<readonly CryptoKey[]> {
    const known = this.#age() < this.times.freshMs ? this.#loaded?.keys.cachedSelection(hint) : undefined;
    return known ?? this.#candidates(hint);
  }

  async #candidates(hint: KeyHint): Promise<readonly CryptoKey[]> {
    const { keys, hasLooked } = await this.#findOrFetch(async () => (await this.#current()).select(hint));
    if (keys.length > 0) return keys;
    // The issuer may publish that key by now, but it does not answer.
    if (this.#failure) throw this.#failure.error;
    if (hasLooked) this.#rememberLookedFor(hint);
    else if (this.#isInDoubt(hint)) throw new KeyUndecidedError(Math.ceil(this.#budget.waitMs / 1000) || 1);
    return [];
  }

  /**
   * A wrong signature draws on the same budget as an unknown key: the issuer may have replaced the key, but most often the
   * signature is forged.
   */
  override async replacements(tried: readonly CryptoKey[], hint: KeyHint): Promise<readonly CryptoKey[]> {
    const { keys } = await this.#findOrFetch(async () => {
      const published = await (await this.#current()).select(hint);
      return published.filter((key) => !tried.some((one) => isSameKey(one, key)));
    });
    // The key with the kid of the token did not verify it: most likely it is forged, so it gets 401, not 503.
    if (keys.length === 0 && hint.kid === undefined && this.#failure) throw this.#failure.error;
    return keys;
  }

  override async warmUp(): Promise<void> {
    if (this.#age() >= this.times.staleMs) await this.#refresh('start');
  }

  /** Starts a fetch in the background if the keys are no longer fresh. */
  override isPublished(key: CryptoKey): boolean {
    if (this.#age() >= this.times.freshMs) void this.#refresh('token');
    return this.#age() < this.times.staleMs && this.#loaded?.keys.has(key) === true;
  }

  /** Looks among the current keys, and once more after a fetch if one is allowed or under way. */
  async #findOrFetch(
    find: () => Promise<readonly CryptoKey[]>,
  ): Promise<{ readonly keys: readonly CryptoKey[]; readonly hasLooked: boolean }> {
    let keys = await find();
    if (keys.length === 0 && this.#loading) {
      // A fetch that began earlier may bring the keys from before a rotation: the token may still cause a fetch of its own.
      await this.#loading;
      keys = await this.#findAgain(find);
    }
    if (keys.length > 0 || !this.#mayFetchForUnknownKey()) return { keys, hasLooked: false };
    await this.#refresh('token');
    return { keys: await this.#findAgain(find), hasLooked: true };
  }

  async #findAgain(find: () => Promise<readonly CryptoKey[]>): Promise<readonly CryptoKey[]> {
    const keys = await find();
    if (keys.length > 0) this.#budget.refund();
    return keys;
  }

  async #current(): Promise<PublishedKeys> {
    const age = this.#age();
    if (age >= this.times.staleMs) await this.#refresh('token');
    else if (age >= this.times.freshMs) void this.#refresh('token');
    const loaded = this.#loaded;
    if (loaded && this.#age() < this.times.staleMs) return loaded.keys;
    throw this.#failure?.error;
  }

  #age(): number {
    return this.#loaded ? timeBetween(this.now(), this.#loaded.at) : Infinity;
  }

  /** Also true while a fetch is under way, to share its result, and after one that failed. */
  #mayFetchForUnknownKey(): boolean {
    return this.#loading !== undefined || this.#failure !== undefined || this.#budget.draw();
  }

  #rememberLookedFor(hint: KeyHint): void {
    const isRecent = timeBetween(this.now(), this.#lookedFor.at) < this.times.unknownKeyCoolDownMs;
    if (!isRecent) this.#lookedFor = { names: new Set(), at: this.now() };
    if (this.#lookedFor.names.size < MAX_LOOKED_FOR) this.#lookedFor.names.add(nameOf(hint));
  }

  /**
   * Whether the issuer may publish the key by now. False if it publishes another key with that `kid`, or if a recent fetch did
   * not find the key: many tokens of a withdrawn key cause one fetch, and are all refused.
   */
  #isInDoubt(hint: KeyHint): boolean {
    if (hint.kid === undefined || this.#loaded?.keys.names(hint.kid)) return false;
    const { names, at } = this.#lookedFor;
    return timeBetween(this.now(), at) >= this.times.unknownKeyCoolDownMs || !names.has(nameOf(hint));
  }

  /**
   * Resolves when a fetch has succeeded or failed, or at once while a failure is too recent to try again. A token that shared
   * a failed fetch of the start causes another one.
   */
  async #refresh(purpose: Purpose): Promise<void> {
    if (holdsOff(this.#failure, purpose, this.now(), this.times.failureCoolDownMs)) return;
    const shared = this.#loading;
    await (shared ?? this.#begin(purpose));
    if (shared && purpose === 'token' && this.#failure?.purpose === 'start') await this.#refresh(purpose);
  }

  #begin(purpose: Purpose): Promise<void> {
    this.#loading = this.#fetch(purpose).finally(() => {
      this.#loading = undefined;
    });
    return this.#loading;
  }

  async #fetch(purpose: Purpose): Promise<void> {
    try {
      const jwks = await this.load(purpose);
      const keys = this.#loaded?.keys.isOf(jwks) ? this.#loaded.keys : new PublishedKeys(jwks);
      this.#loaded = { keys, at: this.now() };
      this.#failure = undefined;
      this.onFetched(jwks);
    } catch (error) {
      this.#failure = { error, at: this.now(), purpose };
      this.onFailure(error);
    }
  }
}

function nameOf({ alg, kid }: KeyHint): string {
  return `${alg} ${kid ?? ''}`;
}
