import { McpAuthError } from '../core/error.js';
import { matchIdentifier } from '../core/resource-template.js';
import type { Requirement } from '../core/requirement.js';
import { ScopeHierarchy } from '../core/scopes.js';
import type { AuthorizationServers } from './authorization-servers.js';
import type { CachedVerifier } from '../token/cached-verifier.js';
import type { TrustedIssuers } from '../token/trusted-issuers.js';
import type { ResolvedOptions } from '../options/options.js';
import type { ResolvedResource } from '../options/resource-options.js';
import type { ResourceCredentials } from './resource-credentials.js';
import { withinTime } from '../core/deadline.js';
import type { ResolvedTemplate } from '../options/template-options.js';
import { Tenants } from './tenants.js';
import type { SharedStores, TokenStores } from './token-stores.js';
import { VerifierFactory, type VerifierDependencies } from './verifier-factory.js';

/** A protected resource, with the verifier of its tokens and the scopes that every request needs. */
export interface ResourceServer {
  readonly resource: ResolvedResource;
  readonly verifier: CachedVerifier;
  /** Those whose tokens the verifier accepts. */
  readonly issuers: TrustedIssuers;
  /** Verify what is not an access token. */
  readonly credentials: ResourceCredentials;
  readonly hierarchy: ScopeHierarchy;
  readonly baseline: Requirement;
  /** The tenants, if the identifier of the resource has variables. Then the tenants verify tokens, and this one refuses all. */
  readonly tenants: Tenants<ResourceServer> | undefined;
}

/** All resource servers of the module. */
export class ResourceServers {
  readonly all: readonly [ResourceServer, ...ResourceServer[]];
  readonly #verifiers: VerifierFactory;
  /** The servers of tenants, for as long as something refers to their resource: a stream may outlive the memory of its tenant. */
  readonly #ofTenants = new WeakMap<ResolvedResource, ResourceServer>();

  constructor(
    private readonly options: ResolvedOptions,
    private readonly dependencies: VerifierDependencies,
  ) {
    this.#verifiers = new VerifierFactory(options, dependencies);
    const [first, ...others] = options.resources;
    this.all = [this.#resourceServer(first), ...others.map((other) => this.#resourceServer(other))];
  }

  get authorizationServers(): AuthorizationServers {
    return this.#verifiers.servers;
  }

  get first(): ResourceServer {
    return this.all[0];
  }

  /**
   * Returns the resource server with this id.
   *
   * @param id of the resource; undefined means the only one.
   * @throws when no resource has this id, or when it is undefined and there are several: the resource is never guessed.
   */
  get(id: string | undefined): ResourceServer {
    const isOnlyOne = id === undefined && this.all.length === 1;
    const found = isOnlyOne ? this.first : this.all.find(({ resource }) => resource.id === id);
    if (found) return found;
    const ids = this.all.map(({ resource }) => `"${resource.id}"`).join(', ');
    throw new Error(`No protected resource ${id === undefined ? 'was named' : `"${id}"`}; configured are ${ids}.`);
  }

  /**
   * The server that verifies the tokens for a resource: the one that {@link get} returns, or that of a tenant.
   *
   * @param name id of a resource, or the resource identifier of a tenant
   * @throws {McpAuthError} `resource_not_found` if there is no such tenant; an error as {@link get}, or if a tenant must be named.
   */
  async find(name: string | undefined): Promise<ResourceServer> {
    const isKnown = name === undefined || this.all.some(({ resource }) => resource.id === name);
    for (const { resource, tenants } of isKnown ? [] : this.all) {
      const variables = resource.template && matchIdentifier(resource.template.template, name ?? '');
      if (!variables) continue;
      const tenant = await tenants?.find(variables);
      if (tenant) return tenant;
      throw new McpAuthError('resource_not_found', 'tenant_unknown', { seen: { resource: name } });
    }
    const server = this.get(name);
    if (server.tenants === undefined) return server;
    throw new Error(
      `A token is for one tenant: name its resource identifier, which ${server.resource.id} has variables for.`,
    );
  }

  /** The server of a resource that {@link get} or a tenant returned. */
  of(resource: ResolvedResource): ResourceServer {
    if (resource.tenant === undefined) return this.get(resource.id);
    const server = this.#ofTenants.get(resource);
    if (!server) throw new Error(`No tenant of this application is ${resource.identifier.value}`);
    return server;
  }

  /**
   * Finds the verifiers that the application must provide. A missing one stops the application from starting.
   *
   * @throws {McpAuthConfigError} when one is missing.
   */
  ready(): Promise<void> {
    return this.#verifiers.findVerifiers();
  }

  /**
   * Fetches what tokens will need from the authorization servers, and reports problems that clients will have. Never rejects.
   */
  checkAuthorizationServers(): Promise<void> {
    return this.#verifiers.servers.check();
  }

  /** Ends the requests to authorization servers that are under way. */
  close(): void {
    this.#verifiers.servers.close();
  }

  #resourceServer(resource: ResolvedResource, stores?: TokenStores): ResourceServer {
    return {
      resource,
      ...this.#verifiers.verifierOf(resource, stores),
      credentials: this.#verifiers.credentialsOf(resource, stores),
      hierarchy: new ScopeHierarchy(resource.scopeHierarchy),
      baseline: { allOf: resource.requiredScopes, anyOf: [] },
      tenants: resource.template && this.#tenantsOf(resource, resource.template),
    };
  }

  #tenantsOf(base: ResolvedResource, template: ResolvedTemplate): Tenants<ResourceServer> {
    const { now, failures } = this.dependencies;
    const stores = this.#verifiers.sharedStores();
    return new Tenants(base, template, {
      now,
      resolve: (variables) => withinTime(() => template.resolve(variables), this.#verifiers.servers.outbound),
      failed: (identifier, error) => failures.tenantLookUpFailed(identifier, error),
      alike: (identifier, other) => failures.tenantsShareTokens(identifier, other),
      create: (resource) => this.#tenantServer(resource, stores),
      configured: new Set(this.options.resources.map(({ identifier }) => identifier.value)),
    });
  }

  #tenantServer(resource: ResolvedResource, stores: SharedStores): ResourceServer {
    const server = this.#resourceServer(resource, stores.part());
    this.#ofTenants.set(resource, server);
    return server;
  }
}
