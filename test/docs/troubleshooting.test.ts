import { readFile } from 'node:fs/promises';
import { expect, it } from '@jest/globals';
import { McpAuthError, type McpAuthReason } from 'nestjs-mcp-auth';
import { MAX_TOKEN_LENGTH } from '../../lib/token/decoded-jwt.js';

const source = await readFile(new URL('../../lib/core/refusal-reasons.ts', import.meta.url), 'utf8');
const page = await readFile(new URL('../../docs/guides/troubleshooting.md', import.meta.url), 'utf8');

/** As they are written in the table of reasons. */
const reasons = [
  .../^export const REASONS = \{\n([^]*?)^\} as const;$/m.exec(source)![1]!.matchAll(/^ {2}(\w+):/gm),
].map(([, name]) => name as McpAuthReason);

it('docs/guides/troubleshooting.md: knows the reasons of lib/core/refusal-reasons.ts', () => {
  expect(reasons.length).toBeGreaterThan(40);
});

it.each(reasons)('docs/guides/troubleshooting.md: has a row with reason and remedy for %s', (reason) => {
  const { message } = new McpAuthError('invalid_token', reason);
  const rows = page.split('\n').filter((line) => line.startsWith(`| ${message} |`));
  expect(rows).toHaveLength(1);
  expect(rows[0]!.split(' | ').map((cell) => cell.length > 3)).toEqual([true, true, true]);
});

it('docs/guides/troubleshooting.md: names no reason that does not exist', () => {
  const messages = new Set(reasons.map((reason) => new McpAuthError('invalid_token', reason).message));
  const tables = page.split('| the log says | reason | remedy |\n|---|---|---|\n').slice(1);
  const named = tables.flatMap((table) =>
    table
      .split('\n\n')[0]!
      .trimEnd()
      .split('\n')
      .map((row) => row.split(' | ')[0]!.slice(2)),
  );
  expect(named.filter((text) => !messages.has(text.trim()))).toEqual([]);
});

it('docs/guides/troubleshooting.md: says how long a token may be', () => {
  expect(page).toContain(`more than ${MAX_TOKEN_LENGTH.toLocaleString('en')} characters`);
});
