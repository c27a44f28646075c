import { printable } from '../../core/safe-text.js';
import { isProblem, type Check, type CheckLevel } from './check.js';
import type { Secrets } from './secrets.js';

/** The checks of one server, or of the token. */
export interface Section {
  readonly subject: 'mcp-server' | 'authorization-server' | 'token';
  /** A URL; empty for the token. */
  readonly name: string;
  readonly checks: readonly Check[];
}

/** What the doctor found. Contains no secrets, and no characters that control a terminal. */
export interface Report {
  /** As the operator named it. */
  readonly target: string;
  /** How the target was examined; `unreachable` if it did not answer. */
  readonly kind: 'mcp-server' | 'authorization-server' | 'unreachable';
  /** Remarks about the examination itself. */
  readonly remarks: readonly string[];
  readonly sections: readonly Section[];
  readonly counts: Readonly<Record<CheckLevel, number>>;
  /** 0 without errors, 1 with at least one error, 2 if the target did not answer. */
  readonly exitCode: 0 | 1 | 2;
}

/** Length at which a text is cut. The values in it were shortened before. */
const LONGEST_TEXT = 1_000;

/** Builds a report, and removes the secrets from every text once more. */
export function reportOf(
  { target, kind, remarks = [], sections = [] }: Pick<Report, 'target' | 'kind'> & Partial<Report>,
  secrets: Secrets,
): Report {
  const clean = cleaner(secrets);
  const cleaned = sections.map(({ subject, name, checks }) => ({
    subject,
    name: clean(name),
    checks: checks.map((check) => cleanCheck(check, clean)),
  }));
  const counts = { ok: 0, note: 0, warning: 0, error: 0, unseen: 0 };
  for (const { level } of cleaned.flatMap(({ checks }) => checks)) counts[level] += 1;
  const exitCode = kind === 'unreachable' ? 2 : counts.error > 0 ? 1 : 0;
  return { target: clean(target), kind, remarks: remarks.map(clean), sections: cleaned, counts, exitCode };
}

function cleaner(secrets: Secrets): (text: string) => string {
  return (text) => {
    const safe = printable(secrets.removeFrom(text));
    return safe.length > LONGEST_TEXT ? `${safe.slice(0, LONGEST_TEXT)}…` : safe;
  };
}

function cleanCheck(check: Check, clean: (text: string) => string): Check {
  const seen = clean(check.seen);
  if (!isProblem(check)) return { id: check.id, level: check.level, seen };
  return { id: check.id, level: check.level, seen, consequence: clean(check.consequence), remedy: clean(check.remedy) };
}
