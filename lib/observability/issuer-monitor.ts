import type { JSONWebKeySet } from 'jose';
import { LRUCache } from 'lru-cache';
import { MetadataUnavailableError, type AuthorizationServerMetadata } from '../issuer/discovery.js';
import { reviewMetadata } from '../products/metadata-review.js';
import { timeBetween } from '../core/clock.js';
import { describeError } from '../core/safe-text.js';
import type { IssuerPart } from './event-types.js';
import type { AuthEventEmitter } from './event-emitter.js';
import type { FailureLog } from './failure-log.js';
import type { FailureReports, InactiveToken } from '../resource-servers/failure-reports.js';

/** The state of an issuer, as requests to it have shown. Times are in milliseconds since the epoch. */
export interface IssuerState {
  keys?: { readonly ids: ReadonlySet<string>; readonly at: number };
  introspectedAt?: number;
  /** Whether any of its tokens was ever active, and the number of inactive ones before that. */
  wasActive?: boolean;
  inactiveTokens?: number;
  /** When the log last said that the keys cannot be fetched, and that tokens are inactive. */
  keysFailureSaidAt?: number;
  inactiveSaidAt?: number;
  /**
   * The current outage; undefined while there is none. It names the part that failed last: the metadata leads to the
   * keys, so both may fail in one outage.
   */
  failure?: IssuerFailure | undefined;
}

export interface IssuerFailure {
  readonly what: IssuerPart;
  /** When the first attempt failed, and when the last one did. */
  readonly since: number;
  readonly at: number;
}

/** Greatest number of remembered issuers, besides the configured ones. */
const MAX_LOOKED_UP_ISSUERS = 1_000;

/** Number of inactive tokens after which the log says so, if no token was ever active. */
const MANY_INACTIVE_TOKENS = 5;

/** Shortest time between two equal log lines about one issuer, in milliseconds. */
const FAILURE_QUIET_MS = 60_000;
const INACTIVE_QUIET_MS = 600_000;

/** Longest text of an error in an event, in characters. */
const MAX_ERROR_LENGTH = 500;

/** Records the state of the authorization servers, as the requests of others show it. Sends no request itself. */
export class IssuerMonitor implements FailureReports {
  readonly #configured: ReadonlyMap<string, IssuerState>;
  readonly #lookedUp = new LRUCache<string, IssuerState>({ max: MAX_LOOKED_UP_ISSUERS });

  constructor(
    issuers: readonly string[],
    private readonly log: FailureLog,
    private readonly events: AuthEventEmitter,
    /** Milliseconds since the epoch. */
    private readonly now: () => number,
  ) {
    this.#configured = new Map(issuers.map((issuer) => [issuer, {}]));
  }

  /** Undefined for an issuer that got no request yet. */
  stateOf(issuer: string): Readonly<IssuerState> | undefined {
    return this.#configured.get(issuer) ?? this.#lookedUp.peek(issuer);
  }

  /** The states of the issuers that the application looked up. */
  get lookedUp(): Readonly<IssuerState>[] {
    return [...this.#lookedUp.values()];
  }

  keysFetched(issuer: string, { keys }: JSONWebKeySet): void {
    const state = this.#state(issuer);
    const before = state.keys?.ids ?? new Set();
    const ids = new Set(keys.map((key: unknown) => JSON.stringify(key)));
    state.keys = { ids, at: this.now() };
    if (state.failure && state.failure.what !== 'introspection') this.#recovered(issuer, state, state.failure);
    if (!this.events.hasListeners('keys-refreshed')) return;
    const added = [...ids].filter((id) => !before.has(id)).length;
    const removed = [...before].filter((id) => !ids.has(id)).length;
    this.events.emit({ type: 'keys-refreshed', issuer, keys: keys.length, added, removed });
  }

  keysFailed(issuer: string, failure: unknown): void {
    const { what, error } = failedPart('keys', failure);
    const state = this.#state(issuer);
    if (!state.failure || this.#isLongAgo(state.keysFailureSaidAt, FAILURE_QUIET_MS)) {
      state.keysFailureSaidAt = this.now();
      this.log.keysFailed(issuer, what, error);
    }
    this.#failed(issuer, what, error);
  }

  introspectionAnswered(issuer: string, isActive: boolean): void {
    const state = this.#state(issuer);
    state.introspectedAt = this.now();
    if (isActive) state.wasActive = true;
    if (state.failure) this.#recovered(issuer, state, state.failure);
  }

  introspectionFailed(issuer: string, failure: unknown): void {
    const { what, error } = failedPart('introspection', failure);
    if (!this.#state(issuer).failure) this.log.introspectionFailed(issuer, what, error);
    this.#failed(issuer, what, error);
  }

  introspectionBusy(issuer: string): void {
    this.log.introspectionBusy(issuer);
  }

  /** Logs this rarely: revoked and invented tokens are normal. */
  introspectionInactive(issuer: string, inactive: InactiveToken): void {
    const state = this.#state(issuer);
    state.inactiveTokens = (state.inactiveTokens ?? 0) + 1;
    const isNone = state.wasActive !== true && state.inactiveTokens >= MANY_INACTIVE_TOKENS;
    if ((!inactive.isInTime && !isNone) || !this.#isLongAgo(state.inactiveSaidAt, INACTIVE_QUIET_MS)) return;
    state.inactiveSaidAt = this.now();
    this.log.introspectionInactive(issuer, inactive);
  }

  lookUpFailed(issuer: string, error: unknown): void {
    this.log.lookUpFailed(issuer, error);
  }

  tenantLookUpFailed(identifier: string, error: unknown): void {
    this.log.tenantLookUpFailed(identifier, error);
  }

  tenantsShareTokens(identifier: string, other: string): void {
    this.log.tenantsShareTokens(identifier, other);
  }

  verifierFailed(error: unknown, token: string): void {
    this.log.verifierFailed(error, token);
  }

  credentialFailed(name: string, error: unknown, credential: string): void {
    this.log.credentialFailed(name, error, credential);
  }

  /** Logs what in the metadata stops clients from getting a token. */
  metadataFetched(issuer: string, document: AuthorizationServerMetadata): void {
    for (const finding of reviewMetadata(document, issuer)) {
      // Problems of the keys were reported when the keys were fetched.
      if (finding.level !== 'note' && finding.id !== 'AS-12') this.log.serverFound(issuer, finding);
    }
  }

  #isLongAgo(time: number | undefined, quietMs: number): boolean {
    return time === undefined || timeBetween(this.now(), time) >= quietMs;
  }

  #state(issuer: string): IssuerState {
    const known = this.#configured.get(issuer) ?? this.#lookedUp.get(issuer);
    if (known) return known;
    const state: IssuerState = {};
    this.#lookedUp.set(issuer, state);
    return state;
  }

  #failed(issuer: string, what: IssuerPart, error: unknown): void {
    const state = this.#state(issuer);
    const before = state.failure;
    state.failure = { what, since: before?.since ?? this.now(), at: this.now() };
    if (before || !this.events.hasListeners('issuer-unreachable')) return;
    this.events.emit({
      type: 'issuer-unreachable',
      issuer,
      what,
      error: describeError(error).slice(0, MAX_ERROR_LENGTH),
    });
  }

  #recovered(issuer: string, state: IssuerState, { what, since }: IssuerFailure): void {
    state.failure = undefined;
    this.log.recovered(issuer, what);
    if (!this.events.hasListeners('issuer-recovered')) return;
    this.events.emit({ type: 'issuer-recovered', issuer, what, afterMs: this.now() - since });
  }
}

/** What failed and how: the part that was asked for, or the metadata that would have named its URL. */
function failedPart<Part extends IssuerPart>(
  part: Part,
  error: unknown,
): { readonly what: Part | 'metadata'; readonly error: unknown } {
  return error instanceof MetadataUnavailableError ? { what: 'metadata', error: error.cause } : { what: part, error };
}
