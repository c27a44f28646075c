import { Injectable } from '@nestjs/common';
import { REMOTE_KEY_SET_TIMES } from './issuer/remote-key-set.js';
import { Clock } from './core/clock.js';
import type { IssuerPart } from './observability/event-types.js';
import { IssuerMonitor, type IssuerFailure, type IssuerState } from './observability/issuer-monitor.js';
import { StoreMonitor, type StoreState } from './observability/store-monitor.js';
import type { SharedStoreOption } from './shared-state/store-reports.js';
import type { ResolvedAuthorizationServer } from './options/authorization-server-options.js';
import { ResolvedOptions } from './options/options.js';
import { Revocations } from './revocation/revocations.js';

/**
 * The state of an authorization server, as the last requests to it showed:
 *
 * - `ready`: its tokens are verified;
 * - `stale`: its tokens are verified with the current keys; fetching new keys fails;
 * - `not asked yet`, `not asked lately`: the state is unknown until the next token arrives;
 * - `unreachable`: its tokens get 503.
 */
export type IssuerHealthState = 'ready' | 'stale' | 'not asked yet' | 'not asked lately' | 'unreachable';

/** The state of one authorization server. It has no error texts, since health endpoints are often public: see the log. */
export interface IssuerHealth {
  /** Whether its tokens can be verified. */
  readonly state: IssuerHealthState;
  /** Number of its keys; undefined with introspection, and before the keys were fetched. */
  readonly keys?: number;
  /** Whole seconds since its keys were fetched, or since it last answered about a token; undefined for configured keys. */
  readonly ageSeconds?: number;
  /** The failure of the last attempt; undefined if that succeeded. */
  readonly lastFailure?: {
    /** What could not be fetched. */
    readonly what: IssuerPart;
    /** Whole seconds since then. */
    readonly secondsAgo: number;
  };
}

/** The state of revocations. */
export interface RevocationHealth {
  /** `unreadable`: the store could not be read for longer than `revocation.staleSeconds`; requests with a token get 503. */
  readonly state: 'ready' | 'unreadable';
  /** Number of revocations that are kept. */
  readonly kept: number;
  /** Whole seconds since the store was read; undefined without a store, and before. */
  readonly ageSeconds?: number;
}

/** The state of a store of the application, which replicas may share. It has no error texts: see the log. */
export interface StoreHealth {
  /** `failing`: what depends on the store gets 503; logout tokens get 400. */
  readonly state: 'ready' | 'not asked yet' | 'failing';
  /** Whole seconds since the first failure; undefined while there is none. */
  readonly failingForSeconds?: number;
}

/** The result in the form that `@nestjs/terminus` takes. */
export type McpAuthHealth<Key extends string = string> = Record<
  Key,
  {
    /** `down` while tokens of a configured authorization server get 503, or those of all because of the store of revocations. */
    readonly status: 'up' | 'down';
    /** The configured authorization servers, by issuer. */
    readonly issuers: Readonly<Record<string, IssuerHealth>>;
    /**
     * The authorization servers that `trustedIssuer` accepted or that tenants have of their own; undefined without that option
     * and without tenants.
     */
    readonly lookedUp?: {
      /** Number of authorization servers that were asked for keys. */
      readonly asked: number;
      /** Number of authorization servers whose tokens get 503. */
      readonly unreachable: number;
    };
    /** Undefined without the option `revocation`. */
    readonly revocations?: RevocationHealth;
    /**
     * The stores that the options set, by the option, such as `dpop.replayStore`; undefined without them. They never make it
     * `down`: a replica that is taken out for the sake of a store that all replicas share would be missing for other requests.
     */
    readonly stores?: Readonly<Partial<Record<SharedStoreOption, StoreHealth>>>;
  }
>;

/**
 * How long a failure counts without another attempt, in milliseconds. After that the state is unknown: an application that
 * gets no requests because it is `down` would otherwise stay `down`.
 */
const FAILURE_COUNTS_MS = 60_000;

/**
 * A health indicator for `@nestjs/terminus`, or for anything else that takes its results: `down` while tokens of a configured
 * authorization server get 503. Reports what the check at the start (`checkAuthorizationServers`) and requests have shown.
 * Does NOT send requests itself: before the first one, and a minute after the last failure, the state is unknown, and it is
 * `up`.
 *
 * Authorization servers that `trustedIssuer` accepts are counted, but never make it `down`: one of a thousand tenants must not
 * take the others offline.
 */
@Injectable()
export class McpAuthHealthIndicator {
  constructor(
    private readonly monitor: IssuerMonitor,
    private readonly stores: StoreMonitor,
    private readonly options: ResolvedOptions,
    private readonly clock: Clock,
    private readonly revocations: Revocations,
  ) {}

  /**
   * The state of all configured authorization servers, from memory. Never throws.
   *
   * @param key the member that holds the result.
   */
  isHealthy<const Key extends string = 'mcp-auth'>(key: Key = 'mcp-auth' as Key): McpAuthHealth<Key> {
    const now = this.clock.now();
    const servers = this.options.resources.flatMap(({ authorizationServers }) => authorizationServers);
    const issuers = Object.fromEntries(
      servers.map((server) => [server.issuer, healthOf(server, this.monitor.stateOf(server.issuer) ?? {}, now)]),
    );
    const revocations = this.#revocations();
    const isDown =
      revocations.revocations?.state === 'unreadable' ||
      Object.values(issuers).some(({ state }) => state === 'unreachable');
    const result = {
      status: isDown ? 'down' : 'up',
      issuers,
      ...this.#lookedUp(now),
      ...revocations,
      ...this.#stores(now),
    } as const;
    return { [key]: result } as McpAuthHealth<Key>;
  }

  #revocations(): { revocations?: RevocationHealth } {
    const { state } = this.revocations;
    if (!state) return {};
    const { count, age: since, isUsable } = state;
    const isRead = since !== undefined && Number.isFinite(since);
    return {
      revocations: {
        state: isUsable ? 'ready' : 'unreadable',
        kept: count,
        ...(isRead && { ageSeconds: seconds(since) }),
      },
    };
  }

  #stores(now: number): { stores?: Partial<Record<SharedStoreOption, StoreHealth>> } {
    const { resources, sessions, consent, revocation, downstream } = this.options;
    const options: SharedStoreOption[] = [];
    if (resources.some(({ dpop }) => dpop?.replayStore)) options.push('dpop.replayStore');
    if (sessions.store) options.push('sessions.store');
    if (consent?.replayStore) options.push('consent.replayStore');
    if (revocation?.backChannelLogout?.replayStore) options.push('revocation.backChannelLogout.replayStore');
    if (downstream.some(({ sharedCache }) => sharedCache)) options.push('downstream.sharedCache');
    if (options.length === 0) return {};
    const states = options.map((option) => [option, healthOfStore(this.stores.stateOf(option) ?? {}, now)]);
    return { stores: Object.fromEntries(states) as Partial<Record<SharedStoreOption, StoreHealth>> };
  }

  #lookedUp(now: number): { lookedUp?: { asked: number; unreachable: number } } {
    if (!this.options.resources.some(({ trustedIssuer, template }) => trustedIssuer ?? template)) return {};
    const states = this.monitor.lookedUp;
    const unreachable = states.filter((state) => stateOfKeys(state, now) === 'unreachable').length;
    return { lookedUp: { asked: states.length, unreachable } };
  }
}

function healthOfStore({ failure, answeredAt }: StoreState, now: number): StoreHealth {
  if (failure) return { state: 'failing', failingForSeconds: seconds(now - failure.since) };
  return { state: answeredAt === undefined ? 'not asked yet' : 'ready' };
}

function healthOf({ keys, introspection }: ResolvedAuthorizationServer, known: IssuerState, now: number): IssuerHealth {
  const { failure } = known;
  const lastFailure = failure && { lastFailure: { what: failure.what, secondsAgo: seconds(now - failure.at) } };
  if (introspection)
    return { state: stateOfIntrospection(known, now), ...age(known.introspectedAt, now), ...lastFailure };
  if (keys.kind === 'static') return { state: 'ready', keys: keys.jwks.keys.length };
  return {
    state: stateOfKeys(known, now),
    ...(known.keys && { keys: known.keys.ids.size }),
    ...age(known.keys?.at, now),
    ...lastFailure,
  };
}

function stateOfKeys({ keys, failure }: IssuerState, now: number): IssuerHealthState {
  if (keys && now - keys.at < REMOTE_KEY_SET_TIMES.staleMs) return failure ? 'stale' : 'ready';
  if (failure) return stateOfFailure(failure, now);
  return keys ? 'not asked lately' : 'not asked yet';
}

/** A failure counts only if no introspection succeeds for a while: one token must not take the whole application offline. */
function stateOfIntrospection({ introspectedAt = -Infinity, failure }: IssuerState, now: number): IssuerHealthState {
  if (failure && now - introspectedAt >= FAILURE_COUNTS_MS) return stateOfFailure(failure, now);
  return introspectedAt === -Infinity ? 'not asked yet' : 'ready';
}

function stateOfFailure({ at }: IssuerFailure, now: number): IssuerHealthState {
  return now - at < FAILURE_COUNTS_MS ? 'unreachable' : 'not asked lately';
}

function age(at: number | undefined, now: number): { ageSeconds?: number } {
  return at === undefined ? {} : { ageSeconds: seconds(now - at) };
}

function seconds(milliseconds: number): number {
  return Math.max(0, Math.round(milliseconds / 1000));
}
