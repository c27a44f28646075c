import type { Requirement } from '../core/requirement.js';
import { ScopeHierarchy } from '../core/scopes.js';
import type { CachedVerifier } from '../token/cached-verifier.js';
import type { ResolvedOptions } from '../options/options.js';
import type { ResolvedResource } from '../options/resource-options.js';
import type { ResourceCredentials } from './resource-credentials.js';
import { VerifierFactory, type VerifierDependencies } from './verifier-factory.js';

/** A protected resource, with the verifier of its tokens and the scopes that every request needs. */
export interface ResourceServer {
  readonly resource: ResolvedResource;
  readonly verifier: CachedVerifier;
  /** Verify what is not an access token. */
  readonly credentials: ResourceCredentials;
  readonly hierarchy: ScopeHierarchy;
  readonly baseline: Requirement;
}

/** All resource servers of the module. */
export class ResourceServers {
  readonly all: readonly [ResourceServer, ...ResourceServer[]];
  readonly #verifiers: VerifierFactory;

  constructor(options: ResolvedOptions, dependencies: VerifierDependencies) {
    this.#verifiers = new VerifierFactory(options, dependencies);
    const [first, ...others] = options.resources;
    this.all = [this.#resourceServer(first), ...others.map((other) => this.#resourceServer(other))];
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

  #resourceServer(resource: ResolvedResource): ResourceServer {
    return {
      resource,
      verifier: this.#verifiers.verifierOf(resource),
      credentials: this.#verifiers.credentialsOf(resource),
      hierarchy: new ScopeHierarchy(resource.scopeHierarchy),
      baseline: { allOf: resource.requiredScopes, anyOf: [] },
    };
  }
}
