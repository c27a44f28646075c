import { randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { isRecord, ownMember } from '../core/record.js';
import { CoolDown } from '../issuer/cool-down.js';
import { tokenHash } from '../issuer/token-hash.js';
import type { ResolvedDownstream } from '../options/downstream-options.js';
import type { ResolvedSharedCache } from '../options/shared-cache-option.js';
import type { DownstreamTokenStore, KeptDownstreamToken } from '../shared-state/downstream-token-store.js';
import type { StoreReports } from '../shared-state/store-reports.js';
import { SealedTokens } from './sealed-tokens.js';
import { TokenPlaces, type TokenPlace } from './shared-token-places.js';
import type { StoredToken } from './token-store.js';

const OPTION = 'downstream.sharedCache';

/** Most rejected tokens that are remembered. */
const MAX_REJECTED = 1_000;

/** How much longer than a token a generation is kept, in milliseconds: a request for a token takes some time. */
const GENERATION_MARGIN_MS = 60_000;

/** For how long a token in memory is used before the store is asked whether it was forgotten, in milliseconds. */
const CHECK_MS = 10_000;

/** How long a store that has failed is not asked, in milliseconds. */
const PAUSE_MS = 10_000;

/** How far the clock of another replica may be ahead, in milliseconds. */
const CLOCK_TOLERANCE_MS = 5_000;

/** The token that a caller needs. */
export interface WantedToken {
  /** Tells the tokens of callers apart. */
  readonly key: string;
  /** Empty for a token of this server itself. */
  readonly principal: string;
  /** When the token of the caller ends, in milliseconds since the epoch. */
  readonly latest: number;
  /** What the memory of this process has; it is used if it was not forgotten. */
  readonly known: StoredToken | undefined;
}

/**
 * The tokens for one API that replicas share through a store of the application. A store that fails or lies has nothing: the token is
 * requested, and for a few seconds the store is not asked. What it answers is not trusted.
 *
 * A token that is in memory was perhaps forgotten on another replica: every few seconds, its next use asks the store.
 */
export class SharedTokens {
  readonly #store: DownstreamTokenStore;
  readonly #sealed: SealedTokens;
  readonly #places: TokenPlaces;
  readonly #cacheMs: number;
  readonly #pause: CoolDown;
  /** The hashes of tokens that the API did not accept. */
  readonly #rejected = new LRUCache<string, true>({ max: MAX_REJECTED });
  /** The owners whose tokens must be forgotten, and until when, while the store has not confirmed it. */
  readonly #forgetting = new Map<string, { readonly until: number }>();

  constructor(
    api: ResolvedDownstream,
    { store, values }: ResolvedSharedCache,
    private readonly reports: StoreReports,
    /** Milliseconds since the epoch. */
    private readonly now: () => number,
  ) {
    this.#store = store;
    this.#sealed = new SealedTokens(values);
    this.#places = new TokenPlaces(api);
    this.#cacheMs = api.cacheSeconds * 1000;
    this.#pause = new CoolDown(now);
  }

  /** A token that a replica has obtained; or the one that is requested now, and shared. Rejects only if that request does. */
  async obtain(wanted: WantedToken, request: () => Promise<StoredToken>): Promise<StoredToken> {
    const place = this.#places.placeOf(wanted.key, wanted.principal);
    const kept = await this.#ask(place);
    const found = kept ? this.#accept(kept, place, wanted) : this.#stillUsable(wanted.known);
    if (found) return this.#checked(found, kept);
    const at = this.now();
    const token = await request();
    // Nobody waits for this: the store may be slow.
    if (kept) void this.#keep(place, kept.generation, at, token);
    return this.#checked(token, kept);
  }

  /** Never again takes this token from the store. */
  reject(token: string): void {
    this.#rejected.set(tokenHash(token), true);
  }

  /**
   * Forgets the tokens of a principal, on every replica that asks the store. Until the store has confirmed it, this replica takes none
   * of them from there, and tries again before it asks.
   *
   * @throws what the store throws
   */
  async forget(principal: string): Promise<void> {
    await this.#forget(this.#places.ownerOf(principal));
  }

  async #forget(owner: string): Promise<void> {
    const now = this.now();
    for (const [one, { until }] of this.#forgetting) if (until <= now) this.#forgetting.delete(one);
    const mark = { until: now + this.#generationMs };
    this.#forgetting.set(owner, mark);
    try {
      await this.#store.forget(owner, newGeneration(), this.#generationMs);
    } catch (error) {
      this.reports.storeFailed(OPTION, error);
      throw error;
    }
    // A later call may not have been confirmed.
    if (this.#forgetting.get(owner) === mark) this.#forgetting.delete(owner);
  }

  get #generationMs(): number {
    return this.#cacheMs + GENERATION_MARGIN_MS;
  }

  /** What the store has at a place; undefined if it may not be used. */
  async #ask({ owner, key }: TokenPlace): Promise<KeptDownstreamToken | undefined> {
    if (this.#pause.isOn) return undefined;
    try {
      if (this.#forgetting.has(owner)) await this.#forget(owner);
      const answer = readAnswer(await this.#store.get(owner, key, newGeneration(), this.#generationMs));
      // They may have been forgotten in the meantime.
      return this.#forgetting.has(owner) ? undefined : answer;
    } catch (error) {
      this.#pause.begin(error, PAUSE_MS);
      this.reports.storeFailed(OPTION, error);
      return undefined;
    }
  }

  #stillUsable(known: StoredToken | undefined): StoredToken | undefined {
    return known && this.now() < known.until ? known : undefined;
  }

  /** Without an answer, a token stays of the generation of which it was. */
  #checked(found: StoredToken, kept: KeptDownstreamToken | undefined): StoredToken {
    const generation = kept?.generation ?? found.shared?.generation;
    return { ...found, shared: { generation, checkAt: this.now() + CHECK_MS } };
  }

  /** The token in an answer, or in memory, if it was not forgotten. Reports what was not kept by a replica. */
  #accept(kept: KeptDownstreamToken, place: TokenPlace, wanted: WantedToken): StoredToken | undefined {
    const { generation, value } = kept;
    const known = wanted.known?.shared?.generation === generation ? this.#stillUsable(wanted.known) : undefined;
    try {
      const found = value === undefined ? undefined : this.#open(value, generation, place, wanted);
      this.reports.storeAnswered(OPTION);
      return found ?? known;
    } catch (error) {
      this.reports.storeFailed(OPTION, error);
      return known;
    }
  }

  /** @throws {TypeError} for what no replica has kept here */
  #open(value: string, generation: string, place: TokenPlace, wanted: WantedToken): StoredToken | undefined {
    const { token, at, ...opened } = this.#sealed.open(value, place);
    const now = this.now();
    if (at > now + CLOCK_TOLERANCE_MS)
      throw new TypeError('an entry is from the future: see whether the clocks of all replicas agree');
    if (opened.generation !== generation) return undefined;
    const until = Math.min(opened.until, at + this.#cacheMs, now + this.#cacheMs, wanted.latest);
    if (until <= now) return undefined;
    if (!this.#rejected.has(tokenHash(token))) return { token, until, principal: wanted.principal };
    void this.#write(() => this.#store.delete(place.owner, place.key, value));
    return undefined;
  }

  async #keep(place: TokenPlace, generation: string, at: number, { token, until }: StoredToken): Promise<void> {
    const forMs = Math.floor(until - this.now());
    if (forMs <= 0 || this.#rejected.has(tokenHash(token))) return;
    const seal = (): string => this.#sealed.seal({ token, at, until }, place, generation);
    await this.#write(() => this.#store.set(place.owner, place.key, seal(), forMs));
  }

  /** Never rejects. */
  async #write(write: () => void | Promise<void>): Promise<void> {
    try {
      await write();
    } catch (error) {
      this.reports.storeFailed(OPTION, error);
    }
  }
}

function newGeneration(): string {
  return randomBytes(16).toString('base64url');
}

/** @throws {TypeError} for what no store may answer. The message contains nothing of it. */
function readAnswer(answer: unknown): KeptDownstreamToken {
  const [generation, value] = isRecord(answer) ? [ownMember(answer, 'generation'), ownMember(answer, 'value')] : [];
  const isValue = value === undefined || value === null || typeof value === 'string';
  if (typeof generation !== 'string' || !/^[\w-]{22}$/.test(generation) || !isValue)
    throw new TypeError('get must return { generation, value }: text of 22 characters, and text or undefined');
  return { generation, value: value ?? undefined };
}
