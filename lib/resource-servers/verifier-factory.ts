import { setMaxListeners } from 'node:events';
import { parseUrl } from '../core/resource.js';
import { UnderWayLimit } from '../issuer/cool-down.js';
import { AuthorizationServer, OUTBOUND_LIMITS } from '../issuer/authorization-server.js';
import { IntrospectionEndpoint } from '../issuer/introspection-endpoint.js';
import { IntrospectionAccess } from '../issuer/introspection-gate.js';
import { withinTime } from '../issuer/deadline.js';
import type { Outbound } from '../issuer/outbound.js';
import type { AcceptanceRules } from '../token/claims.js';
import { ExpiringMap } from '../token/expiring-map.js';
import { CachedVerifier } from '../token/cached-verifier.js';
import { CustomVerifier, type Verify } from '../token/custom-verifier.js';
import { IntrospectionVerifier } from '../token/introspection-verifier.js';
import { IssuerLookup, type FoundIssuer, type KnownIssuer } from '../token/issuer-lookup.js';
import type { IssuerVerifier } from '../token/issuer-verifier.js';
import { JwtVerifier } from '../token/jwt-verifier.js';
import { IssuerRouter, type OpaqueRoute } from '../token/issuer-router.js';
import { ConfiguredIssuers, type TrustedIssuers } from '../token/trusted-issuers.js';
import { UncachedVerifier } from '../token/uncached-verifier.js';
import type { CacheableVerifier, ResourceVerifier } from '../token/verification.js';
import type { TokenVerifier } from '../core/token-verifier.js';
import type { FailureReports } from './failure-reports.js';
import type { ResolvedIntrospection } from '../options/introspection-options.js';
import type { ResolvedAuthorizationServer } from '../options/authorization-server-options.js';
import type { ResolvedOptions } from '../options/options.js';
import type { ResolvedResource } from '../options/resource-options.js';
import type { ResolvedVerifier, VerifierClass } from '../options/verifier-option.js';

/** What verification needs from outside. */
export interface VerifierDependencies {
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly failures: FailureReports;
  /** Finds the verifier of the application by its class. */
  readonly findVerifier: (type: VerifierClass) => Promise<TokenVerifier>;
}

/** Most issuers that are remembered for each resource, besides the configured ones. */
const MAX_LOOKED_UP_ISSUERS = 1_000;

/** Most calls of a verifier of the application that are under way at a time, for each resource. */
const MAX_VERIFICATIONS_UNDER_WAY = 256;

/** A configured authorization server, for all resources that trust it. */
interface SharedServer {
  readonly settings: ResolvedAuthorizationServer;
  readonly server: AuthorizationServer;
  /** Each asks for what the verifier of one resource will need of it. */
  readonly warmUps: (() => Promise<void>)[];
  /** Whether its metadata is among that. */
  needsMetadata: boolean;
}

/**
 * Puts together what verifies the tokens of each resource. Issuers that several resources trust share one set of keys;
 * those that were looked up have their own, which goes when they go.
 */
export class VerifierFactory {
  readonly #shared: SharedServer[] = [];
  readonly #closing = new AbortController();
  readonly #outbound: Outbound;
  /** By issuer and URL of the endpoint. */
  readonly #introspectionAccess = new Map<string, IntrospectionAccess>();
  readonly #provided = new Map<VerifierClass, Promise<TokenVerifier>>();

  constructor(
    private readonly options: ResolvedOptions,
    private readonly dependencies: VerifierDependencies,
  ) {
    const { fetch } = options;
    // Each request that is under way listens, and there may be many: that is no leak.
    setMaxListeners(0, this.#closing.signal);
    this.#outbound = { ...OUTBOUND_LIMITS, ...(fetch && { fetch }), closing: this.#closing.signal };
  }

  /** Opens no connection, and asks Nest for nothing yet: that happens when the first token comes. */
  verifierOf(resource: ResolvedResource): ResourceVerifier {
    const { now } = this.dependencies;
    const verifiers = new Map(
      resource.authorizationServers.map((settings) => [settings.issuer, this.#configuredVerifier(settings, resource)]),
    );
    const issuers = this.#trustedIssuers(resource, verifiers);
    const verifier: CacheableVerifier = resource.verifier
      ? this.#customVerifier(resource.verifier, resource, issuers)
      : new IssuerRouter(issuers, opaqueRoutes(resource, verifiers));
    if (!this.#remembersAny(resource)) return new UncachedVerifier(verifier);
    return new CachedVerifier(verifier, new ExpiringMap(this.options.cache.maxEntries, now), now);
  }

  /**
   * Finds the verifiers of the application, so that one that is missing stops the application from starting.
   *
   * @throws {McpAuthConfigError} when one cannot be had.
   */
  async findVerifiers(): Promise<void> {
    for (const { verifier } of this.options.resources) {
      if (verifier?.kind === 'provider') await this.#providedVerifier(verifier.type);
    }
  }

  /** Answers of an introspection endpoint have times of their own, with and without a cache for the rest. */
  #remembersAny({ authorizationServers }: ResolvedResource): boolean {
    const { jwtSeconds, customSeconds } = this.options.cache;
    const isAsked = authorizationServers.some(({ introspection }) => introspection !== undefined);
    return isAsked || jwtSeconds > 0 || customSeconds > 0;
  }

  /**
   * Asks each configured authorization server for what tokens will need, and reports what clients will fail on. Never
   * rejects; that something cannot be had is reported like any later failure.
   *
   * Leaves alone an issuer of the same origin as a resource: it may be this application, which does not listen yet.
   */
  async checkServers(): Promise<void> {
    const own = new Set(this.options.resources.map(({ identifier }) => parseUrl(identifier.origin)?.origin));
    const isOwn = ({ settings }: SharedServer): boolean => own.has(parseUrl(settings.issuer)?.origin);
    const checks = this.#shared.filter((shared) => !isOwn(shared)).map((shared) => this.#check(shared));
    // What can be thrown comes from the logger of the application; with nobody waiting, it would end the process.
    await Promise.allSettled(checks);
  }

  /** Ends the requests that are under way, and lets none begin. */
  close(): void {
    this.#closing.abort();
  }

  /** Reviews the very document that the keys are found by, which is asked for once. */
  async #check({ settings, server, warmUps, needsMetadata }: SharedServer): Promise<void> {
    const isKnown = needsMetadata || settings.metadata.kind === 'static';
    const document = isKnown ? await server.metadata('start').catch(() => undefined) : undefined;
    await Promise.all(warmUps.map((warmUp) => warmUp()));
    // Clients of another URL than this one read the document that they find there.
    if (!document || this.#closing.signal.aborted || settings.advertisedIssuer !== settings.issuer) return;
    this.dependencies.failures.metadataFetched(settings.issuer, document);
  }

  #trustedIssuers(resource: ResolvedResource, verifiers: ReadonlyMap<string, IssuerVerifier>): TrustedIssuers {
    const { now } = this.dependencies;
    const configured = new ConfiguredIssuers(verifiers);
    const { trustedIssuer } = resource;
    if (!trustedIssuer) return configured;
    const lookUp = async (issuer: string): Promise<FoundIssuer | undefined> => {
      const server = await this.#lookUp(issuer, trustedIssuer);
      return server && this.#foundIssuer(server, resource);
    };
    const known = new ExpiringMap<KnownIssuer>(MAX_LOOKED_UP_ISSUERS, now);
    return new IssuerLookup(configured, lookUp, known, new ExpiringMap(MAX_LOOKED_UP_ISSUERS, now), now);
  }

  async #lookUp(
    issuer: string,
    find: NonNullable<ResolvedResource['trustedIssuer']>,
  ): Promise<ResolvedAuthorizationServer | undefined> {
    try {
      return await withinTime(() => find(issuer), this.#outbound);
    } catch (error) {
      this.dependencies.failures.lookUpFailed(issuer, error);
      throw error;
    }
  }

  /** Of functions, such as one that holds the secret for introspection, there is no telling whether they are still the same. */
  #foundIssuer(settings: ResolvedAuthorizationServer, resource: ResolvedResource): FoundIssuer {
    const holdsFunction = settings.introspection !== undefined || transformOf(settings) !== undefined;
    return {
      version: holdsFunction ? undefined : JSON.stringify([settings, numberOf(settings.kindOf)]),
      create: () =>
        this.#issuerVerifier(settings, resource, this.#server(settings), new IntrospectionAccess(this.dependencies.now))
          .verifier,
    };
  }

  #configuredVerifier(settings: ResolvedAuthorizationServer, resource: ResolvedResource): IssuerVerifier {
    const shared = this.#sharedServer(settings);
    const { verifier, warmUp } = this.#issuerVerifier(settings, resource, shared.server, this.#sharedAccess(settings));
    // A verifier of the application takes its place, and needs nothing of the server.
    if (!resource.verifier) {
      shared.warmUps.push(warmUp);
      shared.needsMetadata ||= settings.metadataMembers.length > 0;
    }
    return verifier;
  }

  #issuerVerifier(
    settings: ResolvedAuthorizationServer,
    resource: ResolvedResource,
    server: AuthorizationServer,
    access: IntrospectionAccess,
  ): WarmVerifier {
    const { introspection } = settings;
    if (introspection) return this.#introspectionVerifier({ settings, introspection, resource, server, access });
    const { now } = this.dependencies;
    const { issuer, profile, claimNames, kindOf } = settings;
    const { keys } = server;
    const trusted = { issuer, keys, algorithms: new Set(settings.algorithms), profile, claimNames, kindOf };
    const rules = { ...this.#rules(resource), reuseSeconds: this.options.cache.jwtSeconds };
    return { verifier: new JwtVerifier(trusted, rules, now), warmUp: () => keys.warmUp() };
  }

  /** The resources that ask at one endpoint share how it is doing, and how much is asked of it. */
  #sharedAccess({ issuer, introspection }: ResolvedAuthorizationServer): IntrospectionAccess {
    const key = JSON.stringify([issuer, introspection?.endpoint]);
    const known = this.#introspectionAccess.get(key) ?? new IntrospectionAccess(this.dependencies.now);
    this.#introspectionAccess.set(key, known);
    return known;
  }

  #introspectionVerifier({ settings, introspection, resource, server, access }: IntrospectionSetup): WarmVerifier {
    const { now, failures } = this.dependencies;
    const { issuer, claimNames, kindOf } = settings;
    const { clientId, authenticate, audienceBound, accessTokensOnly, cacheSeconds, negativeCacheSeconds } =
      introspection;
    const rules = this.#rules(resource);
    const signed = {
      keys: server.keys,
      algorithms: settings.algorithms,
      audiences: new Set([clientId, ...resource.audiences]),
      toleranceSeconds: rules.toleranceSeconds,
    };
    const endpoint = new IntrospectionEndpoint(
      {
        issuer,
        endpoint: introspection.endpoint ?? {
          url: (purpose) => server.endpoint('introspection_endpoint', purpose),
          forget: () => server.forgetMetadata(),
        },
        clientId,
        authenticate,
        signed: introspection.signed ? signed : undefined,
      },
      now,
      {
        answered: (isActive) => failures.introspectionAnswered(issuer, isActive),
        failed: this.#unlessClosing((error) => failures.introspectionFailed(issuer, error)),
        busy: () => failures.introspectionBusy(issuer),
      },
      this.#outbound,
      access,
    );
    const verifier = new IntrospectionVerifier(
      endpoint,
      { ...rules, issuer, claimNames, kindOf, audienceBound, accessTokensOnly, cacheSeconds, negativeCacheSeconds },
      new ExpiringMap(this.options.cache.maxEntries, now),
      now,
      (isInTime) => failures.introspectionInactive(issuer, { isInTime, clientId }),
    );
    const warmUp = async (): Promise<void> => {
      await Promise.all([endpoint.warmUp(), introspection.signed && server.keys.warmUp()]);
    };
    return { verifier, warmUp };
  }

  #customVerifier(verifier: ResolvedVerifier, resource: ResolvedResource, issuers: TrustedIssuers): CacheableVerifier {
    const { now, failures } = this.dependencies;
    const ask: Verify =
      verifier.kind === 'function'
        ? verifier.verify
        : async (token) => (await this.#providedVerifier(verifier.type)).verify(token);
    const limit = new UnderWayLimit(MAX_VERIFICATIONS_UNDER_WAY);
    const verify: Verify = (token) => limit.run(() => withinTime(() => ask(token), this.#outbound));
    const rules = { ...this.#rules(resource), reuseSeconds: this.options.cache.customSeconds };
    return new CustomVerifier(verify, issuers, rules, now, (error, token) => failures.verifierFailed(error, token));
  }

  #providedVerifier(type: VerifierClass): Promise<TokenVerifier> {
    const known = this.#provided.get(type) ?? this.dependencies.findVerifier(type);
    this.#provided.set(type, known);
    return known;
  }

  #sharedServer(settings: ResolvedAuthorizationServer): SharedServer {
    const known = this.#shared.find((shared) => isSameSource(shared.settings, settings));
    if (known) return known;
    const shared: SharedServer = { settings, server: this.#server(settings), warmUps: [], needsMetadata: false };
    this.#shared.push(shared);
    return shared;
  }

  #server({ issuer, metadata, keys }: ResolvedAuthorizationServer): AuthorizationServer {
    const { now, failures } = this.dependencies;
    const { allowInsecureHttp } = this.options;
    return new AuthorizationServer(
      { issuer, metadata, keys, allowInsecureHttp },
      {
        now,
        outbound: this.#outbound,
        onKeysFailure: this.#unlessClosing((error) => failures.keysFailed(issuer, error)),
        onKeysFetched: (jwks) => failures.keysFetched(issuer, jwks),
      },
    );
  }

  /** What was given up because the application is closing is no failure of anybody. */
  #unlessClosing(report: (error: unknown) => void): (error: unknown) => void {
    return (error) => {
      if (!this.#closing.signal.aborted) report(error);
    };
  }

  #rules(resource: ResolvedResource): AcceptanceRules {
    return {
      audiences: new Set(resource.audiences),
      toleranceSeconds: this.options.clockToleranceSeconds,
      maxLifetimeSeconds: this.options.maxTokenLifetimeSeconds,
    };
  }
}

interface IntrospectionSetup {
  readonly settings: ResolvedAuthorizationServer;
  readonly introspection: ResolvedIntrospection;
  readonly resource: ResolvedResource;
  readonly server: AuthorizationServer;
  readonly access: IntrospectionAccess;
}

/**
 * A verifier, and a function that asks the server beforehand for what the verifier will need. A failure is reported by that
 * function itself, and not thrown.
 */
interface WarmVerifier {
  readonly verifier: IssuerVerifier;
  readonly warmUp: () => Promise<void>;
}

/** Whether two resources know the same server, and would find the same keys. */
function isSameSource(one: ResolvedAuthorizationServer, other: ResolvedAuthorizationServer): boolean {
  const source = ({ issuer, metadata, keys }: ResolvedAuthorizationServer): string =>
    JSON.stringify([issuer, metadata, keys]);
  return source(one) === source(other) && transformOf(one) === transformOf(other);
}

/** Functions by a number, so that the same one is known again: presets have one for all tenants. */
const numbers = new WeakMap<object, number>();
let nextNumber = 1;

function numberOf(used: object | undefined): number {
  if (!used) return 0;
  const known = numbers.get(used) ?? nextNumber++;
  numbers.set(used, known);
  return known;
}

function transformOf({ metadata }: ResolvedAuthorizationServer): unknown {
  return metadata.kind === 'discovery' ? metadata.transform : undefined;
}

function opaqueRoutes(
  { authorizationServers }: ResolvedResource,
  verifiers: ReadonlyMap<string, IssuerVerifier>,
): OpaqueRoute[] {
  return authorizationServers.flatMap(({ issuer, introspection }) => {
    const verifier = verifiers.get(issuer);
    return verifier && introspection ? [{ verifier, tokenPrefix: introspection.tokenPrefix }] : [];
  });
}
