import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join, posix, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';

const root = fileURLToPath(new URL('..', import.meta.url));

/** What a folder may import: other folders, by their path below the repository, and packages; of some packages types only. */
interface Rule {
  readonly folders: ReadonlySet<string>;
  readonly packages: ReadonlySet<string>;
  readonly types: ReadonlySet<string>;
}

/** From the table of the page, so that the page and the code say the same. */
function readRules(page: string): Map<string, Rule> {
  const rows = page.matchAll(/^\| `(lib[\w/-]*)` \| [^|]* \| ([^|]*) \| ([^|]*) \|$/gm);
  return new Map(
    [...rows].map(([, folder, folders, packages]) => [
      folder!,
      {
        folders: new Set(codesIn(folders!).map((name) => (name === 'lib' ? name : `lib/${name}`))),
        packages: new Set(codesIn(packages!)),
        types: new Set([...packages!.matchAll(/types of `([^`]+)`/g)].map(([, name]) => name!)),
      },
    ]),
  );
}

function codesIn(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, code]) => code!);
}

/** Every import of the source, types and dynamic ones too; comments and templates are no imports. */
function importsOf(source: string): string[] {
  const pattern =
    /^(?:import|export)\b[^;'"`]*?\bfrom ['"]([^'"$]+)['"]|^import ['"]([^'"]+)['"]|\bimport\(['"]([^'"$]+)['"]\)/gm;
  return [...source.matchAll(pattern)].map(([, from, bare, dynamic]) => (from ?? bare ?? dynamic)!);
}

/** `lib` for the files at the root of it, else the first folder below. */
function folderOf(file: string): string {
  const [lib, ...below] = file.split('/');
  return below.length > 1 ? `${lib}/${below[0]}` : lib!;
}

function packageOf(specifier: string): string {
  if (isBuiltin(specifier)) return 'node';
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

const files = readdirSync(join(root, 'lib'), { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
  .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'));
const rules = readRules(readFileSync(join(root, 'docs/architecture.md'), 'utf8'));

function importsIn(file: string): string[] {
  return importsOf(readFileSync(join(root, file), 'utf8'));
}

/** The same without imports of types, which are gone at run time. */
function valuesIn(file: string): string[] {
  return importsOf(readFileSync(join(root, file), 'utf8').replace(/^(?:import|export) type [^;]*;/gm, ''));
}

/** The files of `lib` that a file imports. */
function filesIn(file: string): string[] {
  return importsIn(file)
    .filter((specifier) => specifier.startsWith('.'))
    .map((specifier) => posix.join(dirname(file), specifier).replace(/\.js$/, '.ts'));
}

/** What a Nest reader expects at the root of `lib`. Everything else belongs to a step. */
const ROOT_FILES = [
  'back-channel-logout.endpoint',
  'index',
  'mcp-auth.config',
  'mcp-auth.decorators',
  'mcp-auth.filter',
  'mcp-auth.guard',
  'mcp-auth.health',
  'mcp-auth.module',
  'mcp-auth.module-definition',
  'mcp-auth.revocations',
  'mcp-auth.service',
  'well-known.endpoint',
];

describe('imports', () => {
  it.each([...new Set(files.map(folderOf))])('of %s are those of docs/architecture.md', (folder) => {
    const rule = rules.get(folder);
    expect(rule).toBeDefined();
    const forbidden = files
      .filter((file) => folderOf(file) === folder)
      .flatMap((file) => {
        return importsIn(file).flatMap((specifier) => {
          if (!specifier.startsWith('.'))
            return rule?.packages.has(packageOf(specifier)) ? [] : [`${file}: ${specifier}`];
          const target = folderOf(posix.join(dirname(file), specifier));
          return target === folder || rule?.folders.has(target) ? [] : [`${file}: ${specifier}`];
        });
      });
    expect(forbidden).toEqual([]);
  });

  it.each([...rules].filter(([, { types }]) => types.size > 0))(
    'of %s bring nothing of the packages whose types alone it may import',
    (folder, { types }) => {
      const own = files.filter((file) => folderOf(file) === folder);
      expect(own.flatMap(valuesIn).filter((specifier) => types.has(packageOf(specifier)))).toEqual([]);
    },
  );

  it('have no circle among files', () => {
    const done = new Set<string>();
    const circles: string[] = [];
    const visit = (file: string, path: readonly string[]): void => {
      if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' → '));
      if (done.has(file) || path.includes(file)) return;
      for (const next of filesIn(file)) visit(next, [...path, file]);
      done.add(file);
    };
    for (const file of files) visit(file, []);
    expect(circles).toEqual([]);
  });

  it('belong to files that each have a folder, but for those of Nest itself', () => {
    const atRoot = files
      .filter((file) => folderOf(file) === 'lib')
      .map((file) => file.slice('lib/'.length, -'.ts'.length));
    expect(atRoot.toSorted()).toEqual(ROOT_FILES.toSorted());
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

/** Node's own ways to open a connection, called as they are. A method of the same name is declared as async. */
const OPENS_CONNECTION = /(?<!\basync |[\w.#$])fetch\)?\(|\b(?:https?|net|tls)\.(?:request|get|connect)\(/;

/** Without its comments. */
function codeOf(file: string): string {
  return readFileSync(join(root, file), 'utf8').replace(/^\s*(?:\*|\/\/|\/\*).*$/gm, '');
}

it('has no import.meta and no await at the top of a file, so that Jest can load it into a CommonJS application', () => {
  const loaded = files.filter((file) => !/^lib\/(?:cli|schematics)\//.test(file));
  expect(loaded.length).toBeGreaterThan(100);
  expect(loaded.filter((file) => /\bimport\.meta\b|^(?:\S.* )?await /m.test(codeOf(file)))).toEqual([]);
});

it('opens connections in one file only, with a certificate in another, and to the APIs of the application in a third', () => {
  const serving = files.filter((file) => !/^lib\/(?:testing|dev-server|cli|schematics)\//.test(file));
  expect(serving.filter((file) => OPENS_CONNECTION.test(codeOf(file)))).toEqual([
    'lib/downstream/api-request.ts',
    'lib/issuer/client-certificate.ts',
    'lib/issuer/outbound.ts',
  ]);
});

it('has no test file of more than 500 lines', () => {
  const tests = readdirSync(join(root, 'test'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(?:ts|js|mjs)$/.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .filter((file) => !file.split(sep).includes('node_modules'));
  expect(tests.length).toBeGreaterThan(200);
  const lengthOf = (file: string): number => readFileSync(join(root, file), 'utf8').split('\n').length - 1;
  expect(tests.filter((file) => lengthOf(file) > 500)).toEqual([]);
});

it('names only tests that exist in SECURITY.md', () => {
  const paths = [...readFileSync(join(root, 'SECURITY.md'), 'utf8').matchAll(/`(test\/[\w./-]+)`/g)].map(
    ([, path]) => path!,
  );
  expect(paths.length).toBeGreaterThan(20);
  expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});
