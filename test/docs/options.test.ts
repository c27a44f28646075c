import { readdir, readFile } from 'node:fs/promises';
import { expect, it } from '@jest/globals';
import { VARIABLES } from '../../lib/options/variables.js';

const root = new URL('../../', import.meta.url);
const read = (path: string): Promise<string> => readFile(new URL(path, root), 'utf8');
const page = await read('docs/options.md');

/** Interfaces whose members are options, each with what the page writes before the name of a member. */
const SECTIONS = [
  ['lib/options/options.ts', 'ProtectedResourceOptions', ''],
  ['lib/options/options.ts', 'AuthorizationServerOptions', ''],
  ['lib/options/options.ts', 'ScopeOptions', 'scopes.'],
  ['lib/options/options.ts', 'ResourceMetadataOptions', 'metadata.'],
  ['lib/options/options.ts', 'CommonOptions', ''],
  ['lib/options/introspection-options.ts', 'IntrospectionOptions', ''],
] as const;

/** The names of an interface's own members, as they stand in the source. */
async function membersOf(file: string, name: string): Promise<string[]> {
  const body = new RegExp(`^export interface ${name} \\{\\n([^]*?)^\\}`, 'm').exec(await read(file))![1]!;
  return [...body.matchAll(/^ {2}(\w+)\??:/gm)].map(([, member]) => member!);
}

const rows = [...page.matchAll(/^\| `([\w.]+)` \|/gm)].map(([, name]) => name!);
const sections = await Promise.all(
  SECTIONS.map(async ([file, name, prefix]) => ({
    name,
    options: (await membersOf(file, name)).map((member) => prefix + member),
  })),
);

it.each(sections)('docs/options.md: has a row for each member of $name', ({ options }) => {
  expect(options.length).toBeGreaterThan(4);
  expect(options.filter((option) => !rows.includes(option))).toEqual([]);
});

it('docs/options.md: has no row for what is no option', () => {
  const known = new Set([...sections.flatMap(({ options }) => options), 'resources', 'globalGuard']);
  expect(rows.filter((row) => !row.startsWith('MCP_AUTH_') && !known.has(row))).toEqual([]);
});

it('docs/options.md: names every environment variable with its option', () => {
  const named = [...page.matchAll(/^\| `(MCP_AUTH_\w+)` \| `(.+)` \|$/gm)].map(([, name, option]) => ({
    name,
    option,
  }));
  expect(named).toEqual(VARIABLES.map(({ name, option }) => ({ name, option })));
});

it('the sidebar of the site has every guide', async () => {
  const config = await read('docs/.vitepress/config.ts');
  const guides = (await readdir(new URL('docs/guides/', root))).map(
    (file) => `/guides/${file.slice(0, -'.md'.length)}`,
  );
  expect(guides.filter((guide) => !config.includes(`link: '${guide}'`))).toEqual([]);
});
