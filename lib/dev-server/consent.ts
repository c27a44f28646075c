import type { DevResource } from './dev-server.options.js';
import type { ConsentGroup, ConsentScope } from './pages.js';
import { findResource, IDENTITY_SCOPES } from './resources.js';

/** The scopes that a client requests, and those that the user allowed before. */
export interface ConsentRequest {
  readonly scopes: readonly string[];
  /** The resources as the client spelled them. */
  readonly resources: readonly string[];
  /** Scopes that the user allowed before, by the resource as spelled in the request; `identity`: those of no resource. */
  readonly granted: {
    readonly identity: readonly string[];
    readonly byResource: ReadonlyMap<string, readonly string[]>;
  };
}

/** The groups of the consent page: one for each resource, then identity. Omits groups without a requested scope. */
export function consentGroups(
  { scopes, resources, granted }: ConsentRequest,
  known: readonly DevResource[],
): ConsentGroup[] {
  const groups = resources.map((indicator): ConsentGroup => {
    const resource = findResource(known, indicator);
    return {
      title: resource?.name ?? indicator,
      identifier: resource?.resource ?? indicator,
      scopes: describe(scopes, resource?.scopes ?? {}, granted.byResource.get(indicator) ?? []),
    };
  });
  groups.push({ title: 'Your identity', scopes: describe(scopes, IDENTITY_SCOPES, granted.identity) });
  return groups.filter((group) => group.scopes.length > 0);
}

function describe(
  requested: readonly string[],
  descriptions: Readonly<Record<string, string>>,
  granted: readonly string[],
): ConsentScope[] {
  return requested
    .filter((name) => Object.hasOwn(descriptions, name))
    .map((name) => ({ name, description: descriptions[name] ?? name, isNew: !granted.includes(name) }));
}
