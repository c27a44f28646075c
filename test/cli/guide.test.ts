import { readdir, readFile } from 'node:fs/promises';
import { describe, expect, it } from '@jest/globals';
import { USAGE } from '../../lib/cli/command-line.js';

const DOCTOR = new URL('../../lib/cli/doctor/', import.meta.url);

const guide = (): Promise<string> => readFile(new URL('../../docs/guides/doctor.md', import.meta.url), 'utf8');

describe('the guide to the doctor', () => {
  it('explains every row that the doctor may print', async () => {
    const files = (await readdir(DOCTOR)).map((name) => new URL(name, DOCTOR));
    const sources = await Promise.all(
      [...files, new URL('../../products/metadata-review.ts', DOCTOR)].map((url) => readFile(url, 'utf8')),
    );
    const ids = sources.flatMap((source) =>
      [...source.matchAll(/'((?:AS|MCP|RFC|OA21|LIB)[A-Z0-9-]*-[^' ]+)'/g)].map(([, id]) => id as string),
    );
    expect(new Set(ids).size).toBeGreaterThan(60);
    const text = await guide();
    expect([...new Set(ids)].filter((id) => !text.includes(`\`${id}\``))).toEqual([]);
  });

  it('explains every option', async () => {
    const options = [...USAGE.matchAll(/--[a-z-]+/g)].map(([option]) => option);
    const text = await guide();
    expect(options.filter((option) => !text.includes(option))).toEqual([]);
  });
});
