import type { ResolvedAuthorizationServer } from '../options/authorization-server-options.js';

/**
 * A text that is equal for equal settings of an authorization server; undefined if the settings contain a function, such as one
 * that holds the secret for introspection: a change of a function cannot be detected.
 */
export function versionOf(settings: ResolvedAuthorizationServer): string | undefined {
  const holdsFunction = settings.introspection !== undefined || transformOf(settings) !== undefined;
  return holdsFunction
    ? undefined
    : JSON.stringify([settings, numberOf(settings.kindOf), numberOf(settings.scopeRules.scopesOf)]);
}

/** The same for several servers; undefined if one of them has no version. */
export function versionOfAll(servers: readonly ResolvedAuthorizationServer[]): string | undefined {
  const versions = servers.map(versionOf);
  return versions.includes(undefined) ? undefined : JSON.stringify(versions);
}

/** Numbers of functions, to recognise the same function: a preset has one for all tenants. */
const numbers = new WeakMap<object, number>();
let nextNumber = 1;

function numberOf(used: unknown): number {
  if (typeof used !== 'function') return 0;
  const known = numbers.get(used) ?? nextNumber++;
  numbers.set(used, known);
  return known;
}

/** The function of the application that repairs the metadata; undefined if there is none. */
export function transformOf({ metadata }: ResolvedAuthorizationServer): unknown {
  return metadata.kind === 'discovery' ? metadata.transform : undefined;
}
