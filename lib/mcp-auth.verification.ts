import { keySetOf, OUTBOUND_LIMITS } from './issuer/authorization-server.js';
import { DiscoveredEndpoint } from './issuer/discovered-endpoint.js';
import { discoverEndpoint } from './issuer/discovery.js';
import { IntrospectionEndpoint } from './issuer/introspection-endpoint.js';
import type { KeySet } from './issuer/keys.js';
import { MemoryStore } from './store/memory-store.js';
import { CachedVerifier } from './token/cached.js';
import { CustomVerifier, type Verify } from './token/custom.js';
import { IntrospectionVerifier } from './token/introspection.js';
import { IssuerLookup, type FoundIssuer, type KnownIssuer } from './token/issuer-lookup.js';
import type { IssuerVerifier } from './token/issuer-verifier.js';
import { JwtVerifier } from './token/jwt.js';
import { IssuerRouter, type OpaqueRoute } from './token/routing.js';
import { ConfiguredIssuers, type TrustedIssuers } from './token/trusted-issuers.js';
import { UncachedVerifier } from './token/uncached.js';
import type { RepeatableVerifier } from './token/verification.js';
import type { TokenVerifier } from './token/verifier.js';
import type { FailureReports } from './mcp-auth.failures.js';
import type { ResolvedIntrospection } from './mcp-auth.introspection-options.js';
import type { ResolvedAuthorizationServer, ResolvedOptions, ResolvedResource } from './mcp-auth.options.js';
import type { ResolvedVerifier, VerifierClass } from './mcp-auth.verifier-option.js';

/** What verification needs from outside. */
export interface VerificationSurroundings {
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly failures: FailureReports;
  /** Finds the verifier of the application by its class. */
  readonly findVerifier: (type: VerifierClass) => Promise<TokenVerifier>;
}

/** Most issuers that are remembered for each resource, besides the configured ones. */
const MAX_LOOKED_UP_ISSUERS = 1_000;

/**
 * Puts together what verifies the tokens of each resource. Issuers that several resources trust share one set of keys;
 * those that were looked up have their own, which goes when they go.
 */
export class VerificationSetup {
  readonly #keySets = new Map<string, KeySet>();
  readonly #provided = new Map<VerifierClass, Promise<TokenVerifier>>();

  constructor(
    private readonly options: ResolvedOptions,
    private readonly surroundings: VerificationSurroundings,
  ) {}

  /** Opens no connection, and asks Nest for nothing yet: that happens when the first token comes. */
  verifierOf(resource: ResolvedResource): TokenVerifier {
    const { now } = this.surroundings;
    const verifiers = new Map(
      resource.authorizationServers.map((server) => [server.issuer, this.#issuerVerifier(server, resource, this.#sharedKeys(server))]),
    );
    const issuers = this.#trustedIssuers(resource, verifiers);
    const verifier: RepeatableVerifier = resource.verifier
      ? this.#customVerifier(resource.verifier, resource, issuers)
      : new IssuerRouter(issuers, opaqueRoutes(resource, verifiers));
    if (!this.#remembersAny(resource)) return new UncachedVerifier(verifier);
    return new CachedVerifier(verifier, new MemoryStore(this.options.cache.maxEntries, now), now);
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

  #trustedIssuers(
    resource: ResolvedResource,
    verifiers: ReadonlyMap<string, IssuerVerifier>,
  ): TrustedIssuers {
    const { now } = this.surroundings;
    const configured = new ConfiguredIssuers(verifiers);
    const { trustedIssuer } = resource;
    if (!trustedIssuer) return configured;
    const lookUp = async (issuer: string): Promise<FoundIssuer | undefined> => {
      const server = await this.#lookUp(issuer, trustedIssuer);
      return server && this.#foundIssuer(server, resource);
    };
    const known = new MemoryStore<KnownIssuer>(MAX_LOOKED_UP_ISSUERS, now);
    return new IssuerLookup(configured, lookUp, known, new MemoryStore(MAX_LOOKED_UP_ISSUERS, now), now);
  }

  async #lookUp(
    issuer: string,
    find: NonNullable<ResolvedResource['trustedIssuer']>,
  ): Promise<ResolvedAuthorizationServer | undefined> {
    try {
      return await find(issuer);
    } catch (error) {
      this.surroundings.failures.lookUpFailed(issuer, error);
      throw error;
    }
  }

  /** With introspection there is a secret in a function, and no telling whether it is still the same. */
  #foundIssuer(server: ResolvedAuthorizationServer, resource: ResolvedResource): FoundIssuer {
    return {
      version: server.introspection ? undefined : JSON.stringify(server),
      create: () => this.#issuerVerifier(server, resource, this.#keys(server)),
    };
  }

  #issuerVerifier(server: ResolvedAuthorizationServer, resource: ResolvedResource, keys: KeySet): IssuerVerifier {
    const { now } = this.surroundings;
    if (server.introspection) return this.#introspectionVerifier(server, server.introspection, resource, keys);
    const { issuer, profile, claimNames } = server;
    const trusted = { issuer, keys, algorithms: new Set(server.algorithms), profile, claimNames };
    return new JwtVerifier(trusted, { ...this.#rules(resource), reuseSeconds: this.options.cache.jwtSeconds }, now);
  }

  #introspectionVerifier(
    server: ResolvedAuthorizationServer,
    introspection: ResolvedIntrospection,
    resource: ResolvedResource,
    keys: KeySet,
  ): IssuerVerifier {
    const { now, failures } = this.surroundings;
    const { issuer, claimNames } = server;
    const { clientId, authenticate, audienceBound, cacheSeconds, negativeCacheSeconds } = introspection;
    const rules = this.#rules(resource);
    const signed = {
      keys,
      algorithms: new Set(server.algorithms),
      audiences: new Set([clientId, ...resource.audiences]),
      toleranceSeconds: rules.toleranceSeconds,
    };
    const endpoint = new IntrospectionEndpoint(
      {
        issuer,
        endpoint: introspection.endpoint ?? this.#discovered(server),
        clientId,
        authenticate,
        signed: introspection.signed ? signed : undefined,
      },
      now,
      (error) => failures.introspectionFailed(issuer, error),
      OUTBOUND_LIMITS,
    );
    return new IntrospectionVerifier(
      endpoint,
      { ...rules, issuer, claimNames, audienceBound, cacheSeconds, negativeCacheSeconds },
      new MemoryStore(this.options.cache.maxEntries, now),
      now,
    );
  }

  #discovered({ issuer, keys }: ResolvedAuthorizationServer): DiscoveredEndpoint {
    const discovery = keys.kind === 'discovery' ? keys.discovery : 'auto';
    const { allowInsecureHttp } = this.options;
    const search = (): Promise<string> =>
      discoverEndpoint(issuer, 'introspection_endpoint', discovery, { ...OUTBOUND_LIMITS, allowInsecureHttp });
    return new DiscoveredEndpoint(search, this.surroundings.now);
  }

  #customVerifier(verifier: ResolvedVerifier, resource: ResolvedResource, issuers: TrustedIssuers): RepeatableVerifier {
    const { now, failures } = this.surroundings;
    const verify: Verify =
      verifier.kind === 'function'
        ? verifier.verify
        : async (token) => (await this.#providedVerifier(verifier.type)).verify(token);
    const rules = { ...this.#rules(resource), reuseSeconds: this.options.cache.customSeconds };
    return new CustomVerifier(verify, issuers, rules, now, (error, token) => failures.verifierFailed(error, token));
  }

  #providedVerifier(type: VerifierClass): Promise<TokenVerifier> {
    const known = this.#provided.get(type) ?? this.surroundings.findVerifier(type);
    this.#provided.set(type, known);
    return known;
  }

  #sharedKeys(server: ResolvedAuthorizationServer): KeySet {
    const id = JSON.stringify([server.issuer, server.keys]);
    const known = this.#keySets.get(id) ?? this.#keys(server);
    this.#keySets.set(id, known);
    return known;
  }

  #keys({ issuer, keys }: ResolvedAuthorizationServer): KeySet {
    const { now, failures } = this.surroundings;
    return keySetOf(issuer, keys, { now, onFailure: (error) => failures.keysFailed(issuer, error) });
  }

  #rules(resource: ResolvedResource): { audiences: ReadonlySet<string>; toleranceSeconds: number; maxLifetimeSeconds: number } {
    return {
      audiences: new Set(resource.audiences),
      toleranceSeconds: this.options.clockToleranceSeconds,
      maxLifetimeSeconds: this.options.maxTokenLifetimeSeconds,
    };
  }
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
