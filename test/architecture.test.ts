import { readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join, posix, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';

const root = fileURLToPath(new URL('..', import.meta.url));

/** What a folder may import: other folders, by their path below the repository, and packages. */
interface Rule {
  readonly folders: ReadonlySet<string>;
  readonly packages: ReadonlySet<string>;
}

/** From the table of the page, so that the page and the code say the same. */
function readRules(page: string): Map<string, Rule> {
  const rows = page.matchAll(/^\| `(lib[\w/-]*)` \| [^|]* \| ([^|]*) \| ([^|]*) \|$/gm);
  return new Map([...rows].map(([, folder, folders, packages]) => [
    folder!,
    { folders: new Set(codesIn(folders!).map((name) => (name === 'lib' ? name : `lib/${name}`))), packages: new Set(codesIn(packages!)) },
  ]));
}

function codesIn(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, code]) => code!);
}

/** Every import of the source, types and dynamic ones too; comments and templates are no imports. */
function importsOf(source: string): string[] {
  const pattern = /^(?:import|export)\b[^;'"`]*?\bfrom ['"]([^'"$]+)['"]|^import ['"]([^'"]+)['"]|\bimport\(['"]([^'"$]+)['"]\)/gm;
  return [...source.matchAll(pattern)].map(([, from, bare, dynamic]) => (from ?? bare ?? dynamic)!);
}

/** `lib` for the files at the root of it, else the first folder below. */
function folderOf(file: string): string {
  const [lib, ...below] = file.split('/');
  return below.length > 1 ? `${lib}/${below[0]}` : lib!;
}

function packageOf(specifier: string): string {
  if (isBuiltin(specifier)) return 'node';
  return specifier.split('/').slice(0, specifier.startsWith('@') ? 2 : 1).join('/');
}

const files = readdirSync(join(root, 'lib'), { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
  .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'));
const rules = readRules(readFileSync(join(root, 'docs/architecture.md'), 'utf8'));

function importsIn(file: string): string[] {
  return importsOf(readFileSync(join(root, file), 'utf8'));
}

describe('imports', () => {
  it.each([...new Set(files.map(folderOf))])('of %s are those of docs/architecture.md', (folder) => {
    const rule = rules.get(folder);
    expect(rule).toBeDefined();
    const forbidden = files.filter((file) => folderOf(file) === folder).flatMap((file) => {
      return importsIn(file).flatMap((specifier) => {
        if (!specifier.startsWith('.')) return rule?.packages.has(packageOf(specifier)) ? [] : [`${file}: ${specifier}`];
        const target = folderOf(posix.join(dirname(file), specifier));
        return target === folder || rule?.folders.has(target) ? [] : [`${file}: ${specifier}`];
      });
    });
    expect(forbidden).toEqual([]);
  });

  it('have no cycle among folders', () => {
    const reaches = (folder: string, seen: readonly string[] = []): string[] => {
      if (seen.includes(folder)) return [[...seen, folder].join(' → ')];
      return [...(rules.get(folder)?.folders ?? [])].flatMap((next) => reaches(next, [...seen, folder]));
    };
    expect([...rules.keys()].flatMap((folder) => reaches(folder))).toEqual([]);
  });

  it('are found in every form in which they can be written', () => {
    const source = [
      "import 'reflect-metadata';",
      "import type { A } from './a.js';",
      "export {\n  B,\n} from '../b.js';",
      "const c = await import('c');",
      'import { e } from "e"',
      "// import d from 'd';",
    ].join('\n');
    expect(importsOf(source)).toEqual(['reflect-metadata', './a.js', '../b.js', 'c', 'e']);
  });
});

/** Node's own ways to open a connection, called as they are. */
const OPENS_CONNECTION = /(?<![\w.#$])fetch\)?\(|\b(?:https?|net|tls)\.(?:request|get|connect)\(/;

it('opens connections in one file only', () => {
  const serving = files.filter((file) => !/^lib\/(?:testing|dev-server|cli|schematics)\//.test(file));
  const opening = serving.filter((file) => OPENS_CONNECTION.test(readFileSync(join(root, file), 'utf8').replace(/^\s*(?:\*|\/\/|\/\*).*$/gm, '')));
  expect(opening).toEqual(['lib/issuer/outbound.ts']);
});
