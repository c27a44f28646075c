import type { ScopeHierarchy } from './scopes.js';

/**
 * The scopes that an operation needs: every one of `allOf`, and at least one of each group in `anyOf`. Any valid token
 * meets an empty requirement.
 */
export interface Requirement {
  readonly allOf: readonly string[];
  readonly anyOf: readonly (readonly string[])[];
}

/** Needs nothing beyond a valid token. */
export const NO_REQUIREMENT: Requirement = { allOf: [], anyOf: [] };

/** Combines the requirements, in their order. */
export function combine(...requirements: readonly Requirement[]): Requirement {
  return combineAll(requirements);
}

/** The same for a list of any length. */
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

/** Whether it needs no scope. */
export function isEmptyRequirement({ allOf, anyOf }: Requirement): boolean {
  return allOf.length === 0 && anyOf.length === 0;
}

/**
 * The scopes that a challenge names: all that the operation needs, granted or not. One step-up is then enough. Of each
 * `anyOf` group it names the scope that the caller has, otherwise the first, which should be the least privileged.
 * Naming all of them would ask the user for more than needed.
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
