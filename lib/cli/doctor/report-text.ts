import { isProblem, type Check, type CheckLevel } from './check.js';
import type { Report, Section } from './report.js';

export interface TextStyle {
  readonly colours: boolean;
  /** Whether each row that cannot be verified gets its own line, instead of one line for all. */
  readonly verbose: boolean;
}

const SIGNS: Readonly<Record<CheckLevel, string>> = { ok: '✓', note: '·', warning: '!', error: '✗', unseen: '?' };

/** SGR parameters (ECMA-48 §8.3.117): green, cyan, yellow, red, faint. */
const COLOURS: Readonly<Record<CheckLevel, number>> = { ok: 32, note: 36, warning: 33, error: 31, unseen: 2 };

const TITLES: Readonly<Record<Section['subject'], string>> = {
  'mcp-server': 'MCP server',
  'authorization-server': 'Authorization server',
  token: 'Token',
};

/** The report for people: a line for each row, with consequence and remedy below each problem. */
export function reportText(report: Report, style: TextStyle): string {
  const lines = report.sections.flatMap((section) => sectionLines(section, style));
  const closing = style.verbose ? [] : unseenLine(report);
  return [`Looked at ${report.target}`, ...report.remarks, ...lines, '', ...closing, summary(report)].join('\n') + '\n';
}

function sectionLines({ subject, name, checks }: Section, style: TextStyle): string[] {
  const shown = checks.filter(({ level }) => style.verbose || level !== 'unseen');
  if (shown.length === 0) return [];
  const width = Math.max(0, ...shown.map(({ id }) => id.length));
  return ['', `${TITLES[subject]} ${name}`.trim(), ...shown.flatMap((check) => checkLines(check, width, style))];
}

function checkLines(check: Check, width: number, { colours }: TextStyle): string[] {
  const sign = SIGNS[check.level];
  const coloured = colours ? `\u001b[${COLOURS[check.level]}m${sign}\u001b[0m` : sign;
  const head = `  ${coloured} ${check.id.padEnd(width)}  ${check.seen}`;
  if (!isProblem(check)) return [head];
  const indent = ' '.repeat(width + 6);
  return [head, `${indent}→ ${check.consequence}`, `${indent}Remedy: ${check.remedy}`];
}

function unseenLine({ sections }: Report): string[] {
  const ids = sections.flatMap(({ checks }) => checks.filter(({ level }) => level === 'unseen').map(({ id }) => id));
  if (ids.length === 0) return [];
  return [`Not verifiable from outside, or not without more (--verbose says why): ${[...new Set(ids)].join(', ')}`, ''];
}

function summary({ kind, counts: { error, warning, note, ok } }: Report): string {
  if (kind === 'unreachable') return 'No server answers there.';
  const parts = [`${ok} fine`, counted(note, 'note'), counted(warning, 'warning'), counted(error, 'error')];
  return parts.join(', ');
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
