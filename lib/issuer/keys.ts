import { KeyObject } from 'node:crypto';
import { createLocalJWKSet, errors, type CryptoKey, type JWK, type JSONWebKeySet } from 'jose';
import { timeBetween } from '../core/clock.js';
import { isRecord } from '../core/record.js';
import type { MaybePromise } from '../core/maybe-promise.js';
import { holdsOff, type FailedAttempt, type Purpose } from './purpose.js';
import { RefreshBudget } from './refresh-budget.js';

/** What the header of a token says about its key. Nothing of it is verified. */
export interface KeyHint {
  readonly alg: string;
  readonly kid?: string | undefined;
}

/** The verification keys of one issuer. Never holds those of two. */
export abstract class KeySet {
  /**
   * The keys that could have signed a token with this header: one, or several where the header does not tell.
   * Empty when the issuer publishes none. Keys that cannot be used (private, too short, garbage) are left out.
   *
   * At once where they are known.
   *
   * @throws {KeyUndecidedError} when the issuer may publish such a key by now, and may not be asked again yet; another error
   * when the keys of the issuer cannot be had at all.
   */
  abstract candidates(hint: KeyHint): MaybePromise<readonly CryptoKey[]>;

  /**
   * The same for a token that none of these keys verified: keys that may have come in their place since, with the same
   * `kid` or, as they are, without one. Empty where there are none.
   *
   * @throws when the token names no key, and whether there are new ones cannot be known now.
   */
  abstract replacements(tried: readonly CryptoKey[], hint: KeyHint): Promise<readonly CryptoKey[]>;

  /**
   * Fetches the keys, if they are not there yet, so that nobody has to wait for them later. Does not throw: a failure is
   * reported like any other.
   */
  abstract warmUp(): Promise<void>;

  /**
   * Whether the issuer still publishes a key that came from here, as far as that is known without asking. False also for
   * a key that was published anew among others, and must be asked for again.
   */
  abstract isPublished(key: CryptoKey): boolean;
}

/** A token names a key that is not known here, and whether the issuer publishes it by now can only be known later. */
export class KeyUndecidedError extends Error {
  override readonly name = 'KeyUndecidedError';

  constructor(
    /** After which the issuer may be asked again. */
    readonly retryAfterSeconds: number,
  ) {
    super('The issuer was asked for its keys a moment ago, and is asked again only after a pause');
  }
}

/** Keys written into the configuration; no network. */
export class StaticKeySet extends KeySet {
  readonly #keys: PublishedKeys;

  constructor(jwks: JSONWebKeySet) {
    super();
    this.#keys = new PublishedKeys(jwks);
  }

  override candidates(hint: KeyHint): MaybePromise<readonly CryptoKey[]> {
    return this.#keys.selected(hint) ?? this.#keys.select(hint);
  }

  override async replacements(): Promise<readonly CryptoKey[]> {
    return [];
  }

  override async warmUp(): Promise<void> {}

  override isPublished(key: CryptoKey): boolean {
    return this.#keys.has(key);
  }
}

/** How long fetched keys are used and how often they are asked for; all in milliseconds. */
export interface RemoteKeySetTimes {
  /** After this time, keys are fetched again in the background while the old ones serve on. */
  readonly freshMs: number;
  /** After this time without a successful fetch, keys are not used any more. */
  readonly staleMs: number;
  /**
   * Shortest time between two fetches that do not find what they were for: a key that the set does not have, or one in place
   * of those that did not verify. See {@link RefreshBudget} for how many there are at most.
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

/** Most unknown keys that are remembered to have been looked for. */
const MAX_LOOKED_FOR = 100;

/**
 * Keys fetched from the issuer. One fetch at a time, whoever asks. A key the set does not have causes a fetch, within a
 * {@link RefreshBudget}, so that a rotation is noticed and random `kid`s are no amplifier. Where the budget allows none, a
 * token that names such a key is undecided, not bad; tokens of known keys are not affected. When fetching fails, the current
 * keys stay in use for a limited time; without any, every token is undecided.
 */
export class RemoteKeySet extends KeySet {
  #loaded: { readonly keys: PublishedKeys; readonly at: number } | undefined;
  #loading: Promise<void> | undefined;
  #failure: FailedAttempt | undefined;
  readonly #budget: RefreshBudget;
  /** The keys that the last fetch for an unknown key was for, and that it did not find. */
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
    const known = this.#age() < this.times.freshMs ? this.#loaded?.keys.selected(hint) : undefined;
    return known ?? this.#candidates(hint);
  }

  async #candidates(hint: KeyHint): Promise<readonly CryptoKey[]> {
    const { keys, hasLooked } = await this.#findOrFetch(async () => (await this.#current()).select(hint));
    if (keys.length > 0) return keys;
    // The issuer may have that key by now: while it doesn't answer, nobody can tell.
    if (this.#failure) throw this.#failure.error;
    if (hasLooked) this.#rememberLookedFor(hint);
    else if (this.#isInDoubt(hint)) throw new KeyUndecidedError(Math.ceil(this.#budget.waitMs / 1000) || 1);
    return [];
  }

  /**
   * A signature that is wrong counts like a key that is unknown, within the same budget: it may be that of a key which took
   * the place of another, and most often it is forged.
   */
  override async replacements(tried: readonly CryptoKey[], hint: KeyHint): Promise<readonly CryptoKey[]> {
    const { keys } = await this.#findOrFetch(async () => {
      const published = await (await this.#current()).select(hint);
      return published.filter((key) => !tried.some((one) => isSameKey(one, key)));
    });
    // A token that names a kid was tried with that very key: most likely it is forged, and is refused without a 503.
    if (keys.length === 0 && hint.kid === undefined && this.#failure) throw this.#failure.error;
    return keys;
  }

  override async warmUp(): Promise<void> {
    if (this.#age() >= this.times.staleMs) await this.#refresh('start');
  }

  /** Counts as a use of the keys, which are fetched again in the background when they are no longer fresh. */
  override isPublished(key: CryptoKey): boolean {
    if (this.#age() >= this.times.freshMs) void this.#refresh('token');
    return this.#age() < this.times.staleMs && this.#loaded?.keys.has(key) === true;
  }

  /** Looks among the current keys, and once more after a fetch if one is allowed, or has begun meanwhile. */
  async #findOrFetch(
    find: () => Promise<readonly CryptoKey[]>,
  ): Promise<{ readonly keys: readonly CryptoKey[]; readonly hasLooked: boolean }> {
    let keys = await find();
    if (keys.length === 0 && this.#loading) {
      // Under way already, it may bring keys of before a rotation: then it is not the fetch that this token may cause.
      await this.#loading;
      keys = await this.#found(find);
    }
    if (keys.length > 0 || !this.#mayFetchForUnknownKey()) return { keys, hasLooked: false };
    await this.#refresh('token');
    return { keys: await this.#found(find), hasLooked: true };
  }

  async #found(find: () => Promise<readonly CryptoKey[]>): Promise<readonly CryptoKey[]> {
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

  /** Also while a fetch has begun since, to share its result, and after one that failed. */
  #mayFetchForUnknownKey(): boolean {
    return this.#loading !== undefined || this.#failure !== undefined || this.#budget.draw();
  }

  #rememberLookedFor(hint: KeyHint): void {
    const isRecent = timeBetween(this.now(), this.#lookedFor.at) < this.times.unknownKeyCoolDownMs;
    if (!isRecent) this.#lookedFor = { names: new Set(), at: this.now() };
    if (this.#lookedFor.names.size < MAX_LOOKED_FOR) this.#lookedFor.names.add(nameOf(hint));
  }

  /**
   * Whether the issuer may publish the key by now. Not so where it publishes that `kid` for something else, and not where the
   * key was looked for a moment ago: many tokens of a key that was withdrawn need one fetch, and are all refused.
   */
  #isInDoubt(hint: KeyHint): boolean {
    if (hint.kid === undefined || this.#loaded?.keys.names(hint.kid)) return false;
    const { names, at } = this.#lookedFor;
    return timeBetween(this.now(), at) >= this.times.unknownKeyCoolDownMs || !names.has(nameOf(hint));
  }

  /**
   * Resolves when a fetch has ended, well or badly, or at once while a failure is too recent to try again. A token that shared
   * the failed fetch of the start has a fetch of its own.
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

/** By what they are: a set in which another key has changed is read anew. */
function isSameKey(one: CryptoKey, other: CryptoKey): boolean {
  return one === other || KeyObject.from(one as never).equals(KeyObject.from(other as never));
}

/** One state of a key set, and the keys that were taken from it. */
class PublishedKeys {
  readonly #text: string;
  readonly #kids: ReadonlySet<unknown>;
  readonly #find: ReturnType<typeof createLocalJWKSet>;
  readonly #handedOut = new WeakSet<CryptoKey>();
  /** Selections that found something, of which there are no more than keys: by algorithm, and by `kid`. */
  readonly #selections = new Map<string, Map<string | undefined, readonly CryptoKey[]>>();

  /** @throws {errors.JWKSInvalid} when the value is no key set at all; a single bad key spoils only itself. */
  constructor(jwks: JSONWebKeySet) {
    this.#text = JSON.stringify(jwks.keys);
    // What else an issuer may have put among its keys, arrays included, makes jose refuse the whole set.
    const keys = jwks.keys.filter(isRecord);
    this.#kids = new Set(keys.map(({ kid }) => kid));
    this.#find = createLocalJWKSet({ keys: keys.map(forVerification) });
  }

  /** Whether a key set says the same as this one. */
  isOf({ keys }: JSONWebKeySet): boolean {
    return JSON.stringify(keys) === this.#text;
  }

  has(key: CryptoKey): boolean {
    return this.#handedOut.has(key);
  }

  /** Whether some key has that `kid`, usable or not. */
  names(kid: string): boolean {
    return this.#kids.has(kid);
  }

  /** What {@link select} found for such a header before; undefined where it found nothing yet. */
  selected({ alg, kid }: KeyHint): readonly CryptoKey[] | undefined {
    return this.#selections.get(alg)?.get(kid);
  }

  async select(hint: KeyHint): Promise<readonly CryptoKey[]> {
    const keys = await this.#candidates(hint);
    for (const key of keys) this.#handedOut.add(key);
    if (keys.length > 0) this.#remember(hint, keys);
    return keys;
  }

  #remember({ alg, kid }: KeyHint, keys: readonly CryptoKey[]): void {
    const ofAlgorithm = this.#selections.get(alg) ?? new Map<string | undefined, readonly CryptoKey[]>();
    this.#selections.set(alg, ofAlgorithm.set(kid, keys));
  }

  async #candidates({ alg, kid }: KeyHint): Promise<readonly CryptoKey[]> {
    try {
      return [await this.#find({ alg, ...(kid !== undefined && { kid }) })];
    } catch (error) {
      if (!(error instanceof errors.JWKSMultipleMatchingKeys)) return [];
      const keys: CryptoKey[] = [];
      for await (const key of error) keys.push(key);
      return keys;
    }
  }
}

/** Vaults export a key with all that its pair can do; Web Crypto then refuses the public half, which cannot sign. */
function forVerification(jwk: JWK): JWK {
  const verifies = Array.isArray(jwk.key_ops) && jwk.key_ops.includes('verify');
  return verifies ? { ...jwk, key_ops: ['verify'] } : jwk;
}
