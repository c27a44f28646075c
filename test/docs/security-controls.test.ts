import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from '@jest/globals';

const root = new URL('../../', import.meta.url);
const page = await readFile(new URL('docs/security-controls.md', root), 'utf8');
const options = await readFile(new URL('docs/options.md', root), 'utf8');

/** The rows of AISVS 1.0, chapter C10: how many there are in each section. */
const AISVS_ROWS = [3, 7, 5, 8].flatMap((count, section) =>
  Array.from({ length: count }, (_, row) => `10.${section + 1}.${row + 1}`),
);

/** The cells of every row of a table whose first cell matches. */
function rows(first: RegExp): string[][] {
  return page
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) => line.split('|').slice(1, -1))
    .map((cells) => cells.map((cell) => cell.trim()))
    .filter(([cell = '']) => first.test(cell));
}

describe('docs/security-controls.md', () => {
  it('has every row of the chapter once, in its order', () => {
    expect(rows(/^10\./).map(([id]) => id)).toEqual(AISVS_ROWS);
  });

  it('says of every row who does it', () => {
    const owners = page.match(/\| (Library|You|Elsewhere) \|/g) ?? [];
    expect(owners).toHaveLength(AISVS_ROWS.length + 11);
  });

  it('names tests that exist, and some wherever the library does it', () => {
    const named = page.match(/`test\/[^`]+`/g) ?? [];
    const missing = named.map((code) => code.slice(1, -1)).filter((path) => !existsSync(new URL(path, root)));
    expect(missing).toEqual([]);
    const untested = page.split('\n').filter((line) => /\| (Library|You) \|/.test(line) && !line.includes('`test/'));
    expect(untested).toEqual([]);
  });

  it('names options that exist', () => {
    const named = [
      'allowAnonymous',
      'allowInsecureHttp',
      'allowedHosts',
      'allowedOrigins',
      'authorize',
      'dpop',
      'stdio',
    ];
    for (const option of [...named, 'scopes.listing', 'scopes.challenge', 'scopes.supported']) {
      expect(options).toContain(`| \`${option}\` |`);
      expect(page).toContain(`\`${option}`);
    }
  });
});
