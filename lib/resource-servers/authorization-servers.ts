import { setMaxListeners } from 'node:events';
import { parseUrl } from '../core/resource.js';
import { AuthorizationServer, OUTBOUND_LIMITS } from '../issuer/authorization-server.js';
import { IntrospectionAccess } from '../issuer/introspection-gate.js';
import type { Outbound } from '../issuer/outbound.js';
import type { ResolvedAuthorizationServer } from '../options/authorization-server-options.js';
import type { ResolvedOptions } from '../options/options.js';
import type { FailureReports } from './failure-reports.js';
import { ExpiringMap } from '../token/expiring-map.js';
import { transformOf } from './settings-version.js';

/** Dependencies of the authorization servers. */
export interface ServerDependencies {
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly failures: FailureReports;
}

/** A configured authorization server, shared by all resources that trust it. */
export interface SharedServer {
  readonly settings: ResolvedAuthorizationServer;
  readonly server: AuthorizationServer;
  /** Functions that each fetch what the verifier of one resource needs. */
  readonly warmUps: (() => Promise<void>)[];
  /** Whether a verifier needs the metadata of the server. */
  needsMetadata: boolean;
}

/** Where metadata and keys of a server are found. */
export type ServerSource = Pick<ResolvedAuthorizationServer, 'issuer' | 'metadata' | 'keys'>;

/** Most servers of tenants whose keys are shared. A tenant keeps its server while it is remembered itself. */
const MAX_SERVERS_OF_TENANTS = 1_000;

/**
 * The authorization servers of the module. Resources that trust the same issuer share its keys. An issuer that the application
 * looked up has keys of its own, which are dropped with it.
 */
export class AuthorizationServers {
  readonly outbound: Outbound;
  readonly #shared: SharedServer[] = [];
  readonly #closing = new AbortController();
  /** Keyed by issuer and URL of the endpoint. */
  readonly #introspectionAccess = new Map<string, IntrospectionAccess>();
  /** Created with the first tenant that has a server of its own. */
  #ofTenants: ExpiringMap<AuthorizationServer> | undefined;

  constructor(
    private readonly options: ResolvedOptions,
    private readonly dependencies: ServerDependencies,
  ) {
    const { fetch } = options;
    // Each request that is under way adds a listener, so many listeners are not a leak.
    setMaxListeners(0, this.#closing.signal);
    this.outbound = { ...OUTBOUND_LIMITS, ...(fetch && { fetch }), closing: this.#closing.signal };
  }

  /** The configured server with these settings, the same one for all resources. */
  shared(settings: ResolvedAuthorizationServer): SharedServer {
    const known = this.#shared.find((shared) => isSameSource(shared.settings, settings));
    if (known) return known;
    const shared: SharedServer = { settings, server: this.create(settings), warmUps: [], needsMetadata: false };
    this.#shared.push(shared);
    return shared;
  }

  /**
   * The server of tenants, which share its keys if nothing distinguishes their settings. At most some are remembered, since
   * tenants come and go.
   */
  ofTenants(settings: ResolvedAuthorizationServer): AuthorizationServer {
    const { issuer, metadata, keys } = settings;
    if (transformOf(settings) !== undefined) return this.create(settings);
    this.#ofTenants ??= new ExpiringMap(MAX_SERVERS_OF_TENANTS, this.dependencies.now);
    const source = JSON.stringify([issuer, metadata, keys]);
    const server = this.#ofTenants.get(source) ?? this.create(settings);
    this.#ofTenants.set(source, server, Infinity);
    return server;
  }

  /** Creates a server with keys of its own. */
  create({ issuer, metadata, keys }: ServerSource): AuthorizationServer {
    const { now, failures } = this.dependencies;
    const { allowInsecureHttp } = this.options;
    return new AuthorizationServer(
      { issuer, metadata, keys, allowInsecureHttp },
      {
        now,
        outbound: this.outbound,
        onKeysFailure: this.unlessClosing((error) => failures.keysFailed(issuer, error)),
        onKeysFetched: (jwks) => failures.keysFetched(issuer, jwks),
      },
    );
  }

  /**
   * The state of an introspection endpoint. Resources with the same endpoint share it, including the limit of requests under
   * way.
   */
  introspectionAccess({ issuer, introspection }: ResolvedAuthorizationServer): IntrospectionAccess {
    const key = JSON.stringify([issuer, introspection?.endpoint]);
    const known = this.#introspectionAccess.get(key) ?? new IntrospectionAccess(this.dependencies.now);
    this.#introspectionAccess.set(key, known);
    return known;
  }

  /**
   * Fetches what tokens will need from each configured authorization server, and reports problems that clients will have. Never
   * rejects: reports a failure like any later one.
   *
   * Skips an issuer with the same origin as a resource: it may be this application, which does not listen yet.
   */
  async check(): Promise<void> {
    const own = new Set(this.options.resources.map(({ identifier }) => parseUrl(identifier.origin)?.origin));
    const isOwn = ({ settings }: SharedServer): boolean => own.has(parseUrl(settings.issuer)?.origin);
    const checks = this.#shared.filter((shared) => !isOwn(shared)).map((shared) => this.#check(shared));
    // Only the logger of the application can throw here. Its error, unhandled, would end the process.
    await Promise.allSettled(checks);
  }

  /** Ends the requests that are under way, and prevents new ones. */
  close(): void {
    this.#closing.abort();
  }

  /** Wraps a function that reports failures: requests that end because the application closes are not reported. */
  unlessClosing(report: (error: unknown) => void): (error: unknown) => void {
    return (error) => {
      if (!this.#closing.signal.aborted) report(error);
    };
  }

  /** Fetches what tokens need, and reports the metadata. This is the document that names the keys, so it is fetched once. */
  async #check({ settings, server, warmUps, needsMetadata }: SharedServer): Promise<void> {
    const isKnown = needsMetadata || settings.metadata.kind === 'static';
    const document = isKnown ? await server.metadata('start').catch(() => undefined) : undefined;
    await Promise.all(warmUps.map((warmUp) => warmUp()));
    // If clients get another issuer URL, they read the metadata that is there.
    if (!document || this.#closing.signal.aborted || settings.advertisedIssuer !== settings.issuer) return;
    this.dependencies.failures.metadataFetched(settings.issuer, document);
  }
}

/** Whether two resources configure the same server, with the same source of keys. */
function isSameSource(one: ResolvedAuthorizationServer, other: ResolvedAuthorizationServer): boolean {
  const source = ({ issuer, metadata, keys }: ResolvedAuthorizationServer): string =>
    JSON.stringify([issuer, metadata, keys]);
  return source(one) === source(other) && transformOf(one) === transformOf(other);
}
