import type { Requirement } from '../core/requirement.js';
import { ScopeHierarchy } from '../core/scopes.js';
import type { ResourceVerifier } from '../token/verification.js';
import type { ResolvedOptions } from '../options/options.js';
import type { ResolvedResource } from '../options/resource-options.js';
import { VerifierFactory, type VerifierDependencies } from './verifier-factory.js';

/** A protected resource at work: what verifies its tokens and what every request to it needs. */
export interface ResourceServer {
  readonly resource: ResolvedResource;
  readonly verifier: ResourceVerifier;
  readonly hierarchy: ScopeHierarchy;
  readonly baseline: Requirement;
}

/** All resource servers of the module; its own DI token. */
export abstract class ResourceServers {
  abstract readonly all: readonly [ResourceServer, ...ResourceServer[]];

  /**
   * Finds what the application has to provide, so that what is missing stops it from starting.
   *
   * @throws {McpAuthConfigError} when something is.
   */
  abstract ready(): Promise<void>;

  /** Asks the authorization servers for what tokens will need, and reports what clients will fail on. Never rejects. */
  abstract checkAuthorizationServers(): Promise<void>;

  /** Ends the requests to authorization servers that are under way. */
  abstract close(): void;

  get first(): ResourceServer {
    return this.all[0];
  }

  /**
   * @param id of the resource; undefined means the only one there is.
   * @throws when it is undefined and there are several: whose tokens to accept is never guessed.
   */
  get(id: string | undefined): ResourceServer {
    const isOnlyOne = id === undefined && this.all.length === 1;
    const found = isOnlyOne ? this.first : this.all.find(({ resource }) => resource.id === id);
    if (found) return found;
    const ids = this.all.map(({ resource }) => `"${resource.id}"`).join(', ');
    throw new Error(`No protected resource ${id === undefined ? 'was named' : `"${id}"`}; configured are ${ids}.`);
  }
}

/** Sets up the resource servers of the options. */
export function createResourceServers(options: ResolvedOptions, dependencies: VerifierDependencies): ResourceServers {
  const verification = new VerifierFactory(options, dependencies);
  const create = (resource: ResolvedResource): ResourceServer => ({
    resource,
    verifier: verification.verifierOf(resource),
    hierarchy: new ScopeHierarchy(resource.scopeHierarchy),
    baseline: { allOf: resource.requiredScopes, anyOf: [] },
  });
  const [first, ...others] = options.resources;
  return new (class extends ResourceServers {
    override readonly all = [create(first), ...others.map(create)] as const;

    override ready(): Promise<void> {
      return verification.findVerifiers();
    }

    override checkAuthorizationServers(): Promise<void> {
      return verification.checkServers();
    }

    override close(): void {
      verification.close();
    }
  })();
}
