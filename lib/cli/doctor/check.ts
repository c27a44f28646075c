import { ownMember } from '../../core/record.js';
import type { Finding, FindingLevel } from '../../products/metadata-review/finding.js';

export { memberText } from '../../products/metadata-review/metadata-member.js';

/** Something that is wrong or could be better: a finding about any row of the requirements. */
export interface Problem extends Omit<Finding, 'id'> {
  /** The row of the requirements, such as `AS-04` or `RFC9728-3.3-a`. */
  readonly id: string;
}

/** Something that is correct (`ok`), or that could not be verified (`unseen`). */
export interface Observation {
  readonly id: string;
  readonly level: 'ok' | 'unseen';
  /** What the doctor saw; for `unseen`, why it could not verify the row. */
  readonly seen: string;
}

/** The result of checking one row. */
export type Check = Problem | Observation;

export type CheckLevel = Check['level'];

/** Whether the check has a consequence and a remedy. */
export function isProblem(check: Check): check is Problem {
  return 'remedy' in check;
}

export function ok(id: string, seen: string): Check {
  return { id, level: 'ok', seen };
}

/** A row that cannot be verified from outside, or only with something that the operator did not provide. */
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

/** The strings of a member that should be a list of strings. Leaves out other elements. */
export function textsAt(document: Readonly<Record<string, unknown>>, name: string): string[] {
  const value = ownMember(document, name);
  return Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string') : [];
}
