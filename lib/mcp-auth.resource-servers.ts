import type { Requirement } from './core/requirement.js';
import { ScopeHierarchy } from './core/scopes.js';
import { keySetOf } from './issuer/authorization-server.js';
import type { KeySet } from './issuer/keys.js';
import { JwtVerifier, type TrustedIssuer } from './token/jwt.js';
import type { TokenVerifier } from './token/verifier.js';
import type { Clock } from './mcp-auth.clock.js';
import type { ResolvedAuthorizationServer, ResolvedOptions, ResolvedResource } from './mcp-auth.options.js';

/** A protected resource at work: what verifies its tokens and what every request to it needs. */
export interface ResourceServer {
  readonly resource: ResolvedResource;
  readonly verifier: TokenVerifier;
  readonly hierarchy: ScopeHierarchy;
  readonly baseline: Requirement;
}

/** All resource servers of the module; its own DI token. */
export abstract class ResourceServers {
  abstract readonly all: readonly [ResourceServer, ...ResourceServer[]];

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

/** Sets up the resource servers of the options. Issuers that several resources trust share one set of keys. */
export function createResourceServers(
  options: ResolvedOptions,
  clock: Clock,
  onIssuerFailure: (issuer: string, error: unknown) => void,
): ResourceServers {
  const now = (): number => clock.now();
  const keySets = new Map<string, KeySet>();
  const keySet = ({ issuer, keys }: ResolvedAuthorizationServer): KeySet => {
    const id = JSON.stringify([issuer, keys]);
    const known = keySets.get(id) ?? keySetOf(issuer, keys, { now, onFailure: (error) => onIssuerFailure(issuer, error) });
    keySets.set(id, known);
    return known;
  };
  const create = (resource: ResolvedResource): ResourceServer => {
    const issuers = resource.authorizationServers.map((server): TrustedIssuer => ({
      issuer: server.issuer,
      keys: keySet(server),
      algorithms: new Set(server.algorithms),
      profile: server.profile,
      claimNames: server.claimNames,
    }));
    const rules = {
      audiences: new Set(resource.audiences),
      toleranceSeconds: options.clockToleranceSeconds,
      maxLifetimeSeconds: options.maxTokenLifetimeSeconds,
    };
    return {
      resource,
      verifier: new JwtVerifier(issuers, rules, now),
      hierarchy: new ScopeHierarchy(resource.scopeHierarchy),
      baseline: { allOf: resource.requiredScopes, anyOf: [] },
    };
  };
  const [first, ...others] = options.resources;
  return new (class extends ResourceServers {
    override readonly all = [create(first), ...others.map(create)] as const;
  })();
}
