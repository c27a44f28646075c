import { ownMember } from '../../core/record.js';
import type { Finding, FindingLevel } from '../../products/metadata-review/finding.js';

export { memberText } from '../../products/metadata-review/metadata-member.js';

/** Something is wrong, or could be better: a finding, about any row of the requirements. */
export interface Problem extends Omit<Finding, 'id'> {
  /** The row of the requirements, such as `AS-04` or `RFC9728-3.3-a`. */
  readonly id: string;
}

/** What was looked at and is as it should be (`ok`), or could not be looked at (`unseen`). */
export interface Observation {
  readonly id: string;
  readonly level: 'ok' | 'unseen';
  /** What was seen; of what is unseen, why. */
  readonly seen: string;
}

/** One thing that was looked at. */
export type Check = Problem | Observation;

export type CheckLevel = Check['level'];

/** Whether something is to be said about it. */
export function isProblem(check: Check): check is Problem {
  return 'remedy' in check;
}

export function ok(id: string, seen: string): Check {
  return { id, level: 'ok', seen };
}

/** Cannot be known from outside, or not without something that was not given. */
export function notVerifiable(id: string, why: string): Check {
  return { id, level: 'unseen', seen: why };
}

export function problem(
  level: FindingLevel,
  id: string,
  { seen, consequence, remedy }: { readonly seen: string; readonly consequence: string; readonly remedy: string },
): Check {
  return { id, level, seen, consequence, remedy };
}

/** The texts of a member that should be a list of them; other members of the list are left out. */
export function textsAt(document: Readonly<Record<string, unknown>>, name: string): string[] {
  const value = ownMember(document, name);
  return Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string') : [];
}
