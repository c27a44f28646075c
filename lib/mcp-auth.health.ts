import { Injectable } from '@nestjs/common';
import { REMOTE_KEY_SET_TIMES } from './issuer/remote-key-set.js';
import { Clock } from './core/clock.js';
import type { IssuerPart } from './observability/event-types.js';
import { IssuerMonitor, type IssuerFailure, type IssuerState } from './observability/issuer-monitor.js';
import type { ResolvedAuthorizationServer } from './options/authorization-server-options.js';
import { ResolvedOptions } from './options/options.js';

/**
 * How an authorization server is doing, as the last requests to it showed:
 *
 * - `ready`: its tokens are judged;
 * - `stale`: they are, with the keys there are; new ones cannot be had;
 * - `not asked yet`, and `not asked lately`: the next token will show;
 * - `unreachable`: its tokens are answered with 503.
 */
export type IssuerHealthState = 'ready' | 'stale' | 'not asked yet' | 'not asked lately' | 'unreachable';

/** What is known of one authorization server. No error texts: health endpoints are often open to everybody; see the log. */
export interface IssuerHealth {
  /** Whether its tokens are judged. */
  readonly state: IssuerHealthState;
  /** How many keys of it are known; undefined where it is asked about each token, or was not asked yet. */
  readonly keys?: number;
  /** Since its keys were fetched, or since it last answered about a token; undefined for keys from the configuration. */
  readonly ageSeconds?: number;
  /** What could not be had of it when it was last tried. */
  readonly lastFailure?: {
    /** What of it. */
    readonly what: IssuerPart;
    /** Whole seconds since then. */
    readonly secondsAgo: number;
  };
}

/** The result as `@nestjs/terminus` wants it. */
export type McpAuthHealth<Key extends string = string> = Record<
  Key,
  {
    /** `down` while tokens of a configured authorization server are answered with 503. */
    readonly status: 'up' | 'down';
    /** The configured authorization servers, by issuer. */
    readonly issuers: Readonly<Record<string, IssuerHealth>>;
    /** Those that `trustedIssuer` has found, where it is set. */
    readonly lookedUp?: {
      /** How many were asked for keys. */
      readonly asked: number;
      /** Of how many tokens are answered with 503. */
      readonly unreachable: number;
    };
  }
>;

/**
 * How long a failure counts when nothing was tried since, in milliseconds. After that nobody knows; and a server that gets no
 * requests because it is down would never find out that it is not.
 */
const FAILURE_COUNTS_MS = 60_000;

/**
 * A health indicator for `@nestjs/terminus`, or for anything else that takes its results: `down` while tokens of a configured
 * authorization server are answered with 503. It says what the check at the start (`checkAuthorizationServers`) and requests
 * have shown, and asks nobody itself: before that, and a minute after the last failure, it is `up`, as nobody can tell.
 *
 * Authorization servers that `trustedIssuer` finds are counted, and never make it `down`: one of a thousand tenants should
 * not take the others offline.
 */
@Injectable()
export class McpAuthHealthIndicator {
  constructor(
    private readonly monitor: IssuerMonitor,
    private readonly options: ResolvedOptions,
    private readonly clock: Clock,
  ) {}

  /**
   * The state of all configured authorization servers, from memory. Never throws.
   *
   * @param key under which the result stands.
   */
  isHealthy<const Key extends string = 'mcp-auth'>(key: Key = 'mcp-auth' as Key): McpAuthHealth<Key> {
    const now = this.clock.now();
    const servers = this.options.resources.flatMap(({ authorizationServers }) => authorizationServers);
    const issuers = Object.fromEntries(
      servers.map((server) => [server.issuer, healthOf(server, this.monitor.stateOf(server.issuer) ?? {}, now)]),
    );
    const isDown = Object.values(issuers).some(({ state }) => state === 'unreachable');
    const result = { status: isDown ? 'down' : 'up', issuers, ...this.#lookedUp(now) } as const;
    return { [key]: result } as McpAuthHealth<Key>;
  }

  #lookedUp(now: number): { lookedUp?: { asked: number; unreachable: number } } {
    if (!this.options.resources.some(({ trustedIssuer }) => trustedIssuer)) return {};
    const states = this.monitor.lookedUp;
    const unreachable = states.filter((state) => stateOfKeys(state, now) === 'unreachable').length;
    return { lookedUp: { asked: states.length, unreachable } };
  }
}

function healthOf({ keys, introspection }: ResolvedAuthorizationServer, known: IssuerState, now: number): IssuerHealth {
  const { failure } = known;
  const lastly = failure && { lastFailure: { what: failure.what, secondsAgo: seconds(now - failure.at) } };
  if (introspection) return { state: stateOfIntrospection(known, now), ...age(known.introspectedAt, now), ...lastly };
  if (keys.kind === 'static') return { state: 'ready', keys: keys.jwks.keys.length };
  return {
    state: stateOfKeys(known, now),
    ...(known.keys && { keys: known.keys.ids.size }),
    ...age(known.keys?.at, now),
    ...lastly,
  };
}

function stateOfKeys({ keys, failure }: IssuerState, now: number): IssuerHealthState {
  if (keys && now - keys.at < REMOTE_KEY_SET_TIMES.staleMs) return failure ? 'stale' : 'ready';
  if (failure) return stateOfFailure(failure, now);
  return keys ? 'not asked lately' : 'not asked yet';
}

/** A single token for which a server has no good answer must not take this one offline, while it answers for others. */
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
