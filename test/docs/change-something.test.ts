import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { expect, it } from '@jest/globals';

const root = new URL('../../', import.meta.url);
const page = await readFile(new URL('docs/change-something.md', root), 'utf8');

const changes = page
  .split(/^## /m)
  .slice(1)
  .map((section) => ({
    name: section.split('\n', 1)[0]!,
    steps: section.match(/^\d\. /gm) ?? [],
    paths: [...section.matchAll(/`((?:lib|test|docs)\/[^`]*)`/g)].map(([, path]) => path!),
  }));

it('docs/change-something.md: has five changes', () => {
  expect(changes).toHaveLength(5);
});

it.each(changes)(
  'docs/change-something.md: $name touches at most four files, all of which exist',
  ({ steps, paths }) => {
    expect(steps.length).toBeGreaterThan(0);
    expect(steps.length).toBeLessThanOrEqual(4);
    expect(paths.length).toBeGreaterThan(steps.length);
    expect(paths.filter((path) => !existsSync(new URL(path, root)))).toEqual([]);
  },
);
