import type { ScopeHierarchy } from './scopes.js';

/**
 * The scopes an operation needs: every one of `allOf`, and of each group in `anyOf` at least one.
 * An empty requirement is met by any valid token.
 */
export interface Requirement {
  readonly allOf: readonly string[];
  readonly anyOf: readonly (readonly string[])[];
}

/** Needs nothing beyond a valid token. */
export const NO_REQUIREMENT: Requirement = { allOf: [], anyOf: [] };

/** Everything that any of the given requirements needs, in the order given. */
export function combine(...requirements: readonly Requirement[]): Requirement {
  return combineAll(requirements);
}

/** The same for a list, however long it is. */
export function combineAll(requirements: readonly Requirement[]): Requirement {
  const needed = requirements.filter((requirement) => !isEmptyRequirement(requirement));
  const [first = NO_REQUIREMENT] = needed;
  if (needed.length < 2) return first;
  return {
    allOf: [...new Set(needed.flatMap(({ allOf }) => allOf))],
    anyOf: needed.flatMap(({ anyOf }) => anyOf),
  };
}

/** Whether the granted scopes, with all that they imply, meet the requirement. */
export function meets(requirement: Requirement, granted: readonly string[], hierarchy: ScopeHierarchy): boolean {
  if (isEmptyRequirement(requirement)) return true;
  const isHeld = (scope: string): boolean => hierarchy.holds(granted, scope);
  return requirement.allOf.every(isHeld) && requirement.anyOf.every((group) => group.some(isHeld));
}

/** Whether it asks for no scope. */
export function isEmptyRequirement({ allOf, anyOf }: Requirement): boolean {
  return allOf.length === 0 && anyOf.length === 0;
}

/**
 * The scopes a challenge names: all that the operation needs, held or not, so that one round of step-up is
 * enough. Of a group it names the one the caller already satisfies, else the first, which its author put there
 * as the least privileged: naming all of them would ask the user for more than is needed.
 */
export function challengeScopes(
  { allOf, anyOf }: Requirement,
  granted: readonly string[],
  hierarchy: ScopeHierarchy,
): string[] {
  const isHeld = (scope: string): boolean => hierarchy.holds(granted, scope);
  const chosen = anyOf.flatMap((group) => group.find(isHeld) ?? group[0] ?? []);
  return [...new Set([...allOf, ...chosen])];
}
