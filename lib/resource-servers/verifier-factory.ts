import type { TokenVerifier } from '../core/token-verifier.js';
import { UnderWayLimit } from '../issuer/cool-down.js';
import { withinTime } from '../core/deadline.js';
import { IntrospectionAccess } from '../issuer/introspection-gate.js';
import type { ResolvedAuthorizationServer } from '../options/authorization-server-options.js';
import type { ResolvedCredential } from '../options/credential-options.js';
import type { ResolvedOptions } from '../options/options.js';
import type { ResolvedResource } from '../options/resource-options.js';
import type { ResolvedVerifier, VerifierClass } from '../options/verifier-option.js';
import { CachedVerifier } from '../token/cached-verifier.js';
import type { Verify } from '../token/application-answer.js';
import { CredentialVerifier } from '../token/credential-verifier.js';
import { CustomVerifier } from '../token/custom-verifier.js';
import { IssuerLookup, type FoundIssuer } from '../token/issuer-lookup.js';
import { IssuerRouter, type OpaqueRoute } from '../token/issuer-router.js';
import type { IssuerVerifier } from '../token/issuer-verifier.js';
import { ConfiguredIssuers, type TrustedIssuers } from '../token/trusted-issuers.js';
import type { CacheableVerifier } from '../token/verification.js';
import { acceptanceRules } from './acceptance-rules.js';
import { AuthorizationServers, type ServerDependencies } from './authorization-servers.js';
import { ResourceCredential, ResourceCredentials } from './resource-credentials.js';
import { IssuerVerifiers, type IssuerAtResource } from './issuer-verifiers.js';
import { versionOf } from './settings-version.js';
import { OwnStores, SharedStores, type TokenStores } from './token-stores.js';

/** Dependencies of the verifiers. */
export interface VerifierDependencies extends ServerDependencies {
  /** Finds the verifier of the application by its class. */
  readonly findVerifier: (type: VerifierClass) => Promise<TokenVerifier>;
}

/** The verifier of one resource. */
export interface ResourceVerifier {
  readonly verifier: CachedVerifier;
  readonly issuers: TrustedIssuers;
}

/** Most calls of a function of the application that are under way at a time, for each resource and function. */
const MAX_VERIFICATIONS_UNDER_WAY = 256;

/** Creates the verifier of each resource. */
export class VerifierFactory {
  readonly servers: AuthorizationServers;
  readonly #issuers: IssuerVerifiers;
  readonly #provided = new Map<VerifierClass, Promise<TokenVerifier>>();

  constructor(
    private readonly options: ResolvedOptions,
    private readonly dependencies: VerifierDependencies,
  ) {
    this.servers = new AuthorizationServers(options, dependencies);
    this.#issuers = new IssuerVerifiers(options, this.servers, dependencies);
  }

  /**
   * Creates the verifier of a resource, with the issuers that it trusts. Opens no connection, and asks Nest for no provider before
   * the first token.
   */
  verifierOf(resource: ResolvedResource, stores: TokenStores = this.#ownStores()): ResourceVerifier {
    const verifiers = new Map(
      resource.authorizationServers.map((settings) => [
        settings.issuer,
        this.#issuerVerifier({ settings, resource, stores }),
      ]),
    );
    const issuers = this.#trustedIssuers(resource, stores, verifiers);
    const verifier: CacheableVerifier = resource.verifier
      ? this.#customVerifier(resource.verifier, resource, issuers)
      : new IssuerRouter(issuers, opaqueRoutes(resource, verifiers));
    return { verifier: new CachedVerifier(verifier, stores.verified(), this.dependencies.now), issuers };
  }

  /** The stores for the tenants of a template. */
  sharedStores(): SharedStores {
    return new SharedStores(this.options.cache.maxEntries, this.dependencies.now);
  }

  #ownStores(): TokenStores {
    return new OwnStores(this.options.cache.maxEntries, this.dependencies.now);
  }

  /** Creates the verifiers of the credentials that the application verifies itself. */
  credentialsOf(resource: ResolvedResource, stores: TokenStores = this.#ownStores()): ResourceCredentials {
    return new ResourceCredentials(
      this.options.credentials.map((settings) => {
        const { name, header, bearerPrefix } = settings;
        return new ResourceCredential(name, header, bearerPrefix, this.#credentialVerifier(settings, resource, stores));
      }),
    );
  }

  #credentialVerifier(settings: ResolvedCredential, resource: ResolvedResource, stores: TokenStores): CachedVerifier {
    const { name, verify, cacheSeconds } = settings;
    const { now, failures } = this.dependencies;
    const context = Object.freeze({ resource: resource.identifier.value });
    const ask = this.#limited((credential) => verify(credential, context));
    const { toleranceSeconds, maxLifetimeSeconds } = acceptanceRules(this.options, resource);
    const rules = { name, toleranceSeconds, maxLifetimeSeconds, reuseSeconds: cacheSeconds };
    const onFailure = (error: unknown, credential: string): void => failures.credentialFailed(name, error, credential);
    const verifier = new CredentialVerifier(ask, rules, now, onFailure);
    return new CachedVerifier(verifier, stores.verified(), now);
  }

  /** Limits the time of a function of the application, and how many calls of it are under way. */
  #limited(ask: Verify): Verify {
    const limit = new UnderWayLimit(MAX_VERIFICATIONS_UNDER_WAY);
    return (credential) => limit.run(() => withinTime(() => ask(credential), this.servers.outbound));
  }

  /**
   * Finds the verifiers of the application. A missing one stops the application from starting.
   *
   * @throws {McpAuthConfigError} when one is missing.
   */
  async findVerifiers(): Promise<void> {
    for (const { verifier } of this.options.resources) {
      if (verifier?.kind === 'provider') await this.#providedVerifier(verifier.type);
    }
  }

  /** The verifier of an issuer in the options, or of an issuer that a tenant has of its own. */
  #issuerVerifier(at: Omit<IssuerAtResource, 'server' | 'access'>): IssuerVerifier {
    const { tenant } = at.resource;
    if (tenant === undefined) return this.#configuredVerifier(at);
    const isShared = tenant.of.authorizationServers.includes(at.settings);
    const server = isShared ? this.servers.shared(at.settings).server : this.servers.ofTenants(at.settings);
    const access = isShared
      ? this.servers.introspectionAccess(at.settings)
      : new IntrospectionAccess(this.dependencies.now);
    return this.#issuers.prepare({ ...at, server, access }).verifier;
  }

  #configuredVerifier(at: Omit<IssuerAtResource, 'server' | 'access'>): IssuerVerifier {
    const { settings, resource } = at;
    const shared = this.servers.shared(settings);
    const access = this.servers.introspectionAccess(settings);
    const { verifier, warmUp } = this.#issuers.prepare({ ...at, server: shared.server, access });
    // A verifier of the application replaces this one, and needs nothing from the server.
    if (!resource.verifier) {
      shared.warmUps.push(warmUp);
      shared.needsMetadata ||= settings.metadataMembers.length > 0;
    }
    return verifier;
  }

  #trustedIssuers(
    resource: ResolvedResource,
    stores: TokenStores,
    verifiers: ReadonlyMap<string, IssuerVerifier>,
  ): TrustedIssuers {
    const configured = new ConfiguredIssuers(verifiers);
    const { trustedIssuer } = resource;
    if (!trustedIssuer) return configured;
    const lookUp = async (issuer: string): Promise<FoundIssuer | undefined> => {
      const settings = await this.#lookUp(issuer, trustedIssuer);
      return settings && this.#foundIssuer({ settings, resource, stores });
    };
    return new IssuerLookup(configured, lookUp, stores.knownIssuers(), stores.notTrusted(), this.dependencies.now);
  }

  async #lookUp(
    issuer: string,
    find: NonNullable<ResolvedResource['trustedIssuer']>,
  ): Promise<ResolvedAuthorizationServer | undefined> {
    try {
      return await withinTime(() => find(issuer), this.servers.outbound);
    } catch (error) {
      this.dependencies.failures.lookUpFailed(issuer, error);
      throw error;
    }
  }

  #foundIssuer(at: Omit<IssuerAtResource, 'server' | 'access'>): FoundIssuer {
    const create = (): IssuerVerifier => {
      const access = new IntrospectionAccess(this.dependencies.now);
      return this.#issuers.prepare({ ...at, server: this.servers.create(at.settings), access }).verifier;
    };
    return { version: versionOf(at.settings), create };
  }

  #customVerifier(verifier: ResolvedVerifier, resource: ResolvedResource, issuers: TrustedIssuers): CacheableVerifier {
    const { now, failures } = this.dependencies;
    const ask: Verify =
      verifier.kind === 'function'
        ? verifier.verify
        : async (token) => (await this.#providedVerifier(verifier.type)).verify(token);
    const verify = this.#limited(ask);
    const rules = { ...acceptanceRules(this.options, resource), reuseSeconds: this.options.cache.customSeconds };
    return new CustomVerifier(verify, issuers, rules, now, (error, token) => failures.verifierFailed(error, token));
  }

  #providedVerifier(type: VerifierClass): Promise<TokenVerifier> {
    const known = this.#provided.get(type) ?? this.dependencies.findVerifier(type);
    this.#provided.set(type, known);
    return known;
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
