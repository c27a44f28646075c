import {
  createLocalJWKSet,
  errors,
  type CryptoKey,
  type JWK,
  type JSONWebKeySet,
} from 'jose';
import { isRecord } from '../core/record.js';
import type { Soon } from '../core/soon.js';

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
   * @throws when the keys of the issuer cannot be had at all.
   */
  abstract candidates(hint: KeyHint): Soon<readonly CryptoKey[]>;

  /**
   * The same for a token that none of these keys verified: keys that may have come in their place since, with the same
   * `kid` or, as they are, without one. Empty where there are none.
   *
   * @throws when the token names no key, and whether there are new ones cannot be known now.
   */
  abstract successors(tried: readonly CryptoKey[], hint: KeyHint): Promise<readonly CryptoKey[]>;

  /**
   * Fetches the keys, if they are not there yet, so that nobody has to wait for them later. Does not throw: a failure is
   * reported like any other.
   */
  abstract warmUp(): Promise<void>;

  /**
   * Whether the issuer still publishes a key that came from here, as far as that is known without asking. False also for
   * a key that was published anew among others, and must be asked for again.
   */
  abstract holds(key: CryptoKey): boolean;
}

/** Keys written into the configuration; no network. */
export class StaticKeySet extends KeySet {
  readonly #keys: PublishedKeys;

  constructor(jwks: JSONWebKeySet) {
    super();
    this.#keys = new PublishedKeys(jwks);
  }

  override candidates(hint: KeyHint): Soon<readonly CryptoKey[]> {
    return this.#keys.selected(hint) ?? this.#keys.select(hint);
  }

  override async successors(): Promise<readonly CryptoKey[]> {
    return [];
  }

  override async warmUp(): Promise<void> {}

  override holds(key: CryptoKey): boolean {
    return this.#keys.has(key);
  }
}

/** How long fetched keys are used and how often they are asked for; all in milliseconds. */
export interface RemoteKeySetTimes {
  /** After this time, keys are fetched again in the background while the old ones serve on. */
  readonly freshMs: number;
  /** After this time without a successful fetch, keys are not used any more. */
  readonly staleMs: number;
  /** Shortest time between two fetches for keys that the set doesn't have, or in place of those that did not verify. */
  readonly unknownKeyCoolDownMs: number;
  /** Shortest time between a failed fetch and the next. */
  readonly failureCoolDownMs: number;
}

export const REMOTE_KEY_SET_TIMES: RemoteKeySetTimes = {
  freshMs: 10 * 60_000,
  staleMs: 6 * 3_600_000,
  unknownKeyCoolDownMs: 30_000,
  failureCoolDownMs: 2_000,
};

/**
 * Keys fetched from the issuer. One fetch at a time, whoever asks. A key the set does not have causes a fetch, at
 * most once per cool-down, so that a rotation is noticed and random `kid`s are no amplifier. When fetching fails,
 * the keys there are serve on for a limited time; when there are none, every token is undecided, not bad.
 */
export class RemoteKeySet extends KeySet {
  #loaded: { readonly keys: PublishedKeys; readonly at: number } | undefined;
  #loading: Promise<void> | undefined;
  #lastUnknownKeyFetch = -Infinity;
  #failure: { readonly error: unknown; readonly at: number } | undefined;

  constructor(
    private readonly load: () => Promise<JSONWebKeySet>,
    private readonly now: () => number,
    private readonly onFailure: (error: unknown) => void,
    private readonly times: RemoteKeySetTimes = REMOTE_KEY_SET_TIMES,
    private readonly onFetched: (jwks: JSONWebKeySet) => void = () => undefined,
  ) {
    super();
  }

  override candidates(hint: KeyHint): Soon<readonly CryptoKey[]> {
    const known = this.#age() < this.times.freshMs ? this.#loaded?.keys.selected(hint) : undefined;
    return known ?? this.#candidates(hint);
  }

  async #candidates(hint: KeyHint): Promise<readonly CryptoKey[]> {
    const found = await this.#findOrFetch(async () => (await this.#current()).select(hint));
    // The issuer may have that key by now: while it doesn't answer, nobody can tell.
    if (found.length === 0 && this.#failure) throw this.#failure.error;
    return found;
  }

  /**
   * A signature that is wrong counts like a key that is unknown, with the same cool-down: it may be that of a key which took
   * the place of another, and most often it is forged.
   */
  override async successors(tried: readonly CryptoKey[], hint: KeyHint): Promise<readonly CryptoKey[]> {
    const found = await this.#findOrFetch(async () => {
      const keys = await (await this.#current()).select(hint);
      return keys.filter((key) => !tried.includes(key));
    });
    // With a kid it is that key which did not verify it: not so much is in doubt that a forged token were to get a 503.
    if (found.length === 0 && hint.kid === undefined && this.#failure) throw this.#failure.error;
    return found;
  }

  override async warmUp(): Promise<void> {
    await this.#current().catch(() => undefined);
  }

  /** Counts as a use of the keys, which are fetched again in the background when they are no longer fresh. */
  override holds(key: CryptoKey): boolean {
    if (this.#age() >= this.times.freshMs) void this.#refresh();
    return this.#age() < this.times.staleMs && this.#loaded?.keys.has(key) === true;
  }

  /** Looks among the keys there are, and once more after a fetch if that may be. */
  async #findOrFetch(find: () => Promise<readonly CryptoKey[]>): Promise<readonly CryptoKey[]> {
    let keys = await find();
    if (keys.length === 0 && this.#loading) {
      // Under way already, it may bring keys of before a rotation: then it is not the fetch that this token may cause.
      await this.#loading;
      keys = await find();
    }
    if (keys.length > 0 || !this.#mayFetchForUnknownKey()) return keys;
    this.#lastUnknownKeyFetch = this.now();
    await this.#refresh();
    return find();
  }

  async #current(): Promise<PublishedKeys> {
    const age = this.#age();
    if (age >= this.times.staleMs) await this.#refresh();
    else if (age >= this.times.freshMs) void this.#refresh();
    const loaded = this.#loaded;
    if (loaded && this.#age() < this.times.staleMs) return loaded.keys;
    throw this.#failure?.error;
  }

  #age(): number {
    return this.#loaded ? this.#since(this.#loaded.at) : Infinity;
  }

  /** A clock that was set back must not make a cool-down, or the life of keys, longer by as much. */
  #since(time: number): number {
    return Math.abs(this.now() - time);
  }

  /** Within the cool-down too, while a fetch has begun since, to share its result, and after one that failed. */
  #mayFetchForUnknownKey(): boolean {
    if (this.#loading || this.#failure) return true;
    return this.#since(this.#lastUnknownKeyFetch) >= this.times.unknownKeyCoolDownMs;
  }

  /** Resolves when a fetch has ended, well or badly, or at once while a failure is too recent to try again. */
  #refresh(): Promise<void> {
    if (this.#failure && this.#since(this.#failure.at) < this.times.failureCoolDownMs) return Promise.resolve();
    this.#loading ??= this.#fetch().finally(() => {
      this.#loading = undefined;
    });
    return this.#loading;
  }

  async #fetch(): Promise<void> {
    try {
      const jwks = await this.load();
      const keys = this.#loaded?.keys.isOf(jwks) ? this.#loaded.keys : new PublishedKeys(jwks);
      this.#loaded = { keys, at: this.now() };
      this.#failure = undefined;
      this.onFetched(jwks);
    } catch (error) {
      this.#failure = { error, at: this.now() };
      this.onFailure(error);
    }
  }
}

/** One state of a key set, and the keys that were taken from it. */
class PublishedKeys {
  readonly #text: string;
  readonly #find: ReturnType<typeof createLocalJWKSet>;
  readonly #handedOut = new WeakSet<CryptoKey>();
  /** Selections that found something, of which there are no more than keys: by algorithm, and by `kid`. */
  readonly #selections = new Map<string, Map<string | undefined, readonly CryptoKey[]>>();

  /** @throws {errors.JWKSInvalid} when the value is no key set at all; a single bad key spoils only itself. */
  constructor(jwks: JSONWebKeySet) {
    this.#text = JSON.stringify(jwks.keys);
    // What else an issuer may have put among its keys, arrays included, makes jose refuse the whole set.
    this.#find = createLocalJWKSet({ keys: jwks.keys.filter(isRecord).map(forVerification) });
  }

  /** Whether a key set says the same as this one. */
  isOf({ keys }: JSONWebKeySet): boolean {
    return JSON.stringify(keys) === this.#text;
  }

  has(key: CryptoKey): boolean {
    return this.#handedOut.has(key);
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
