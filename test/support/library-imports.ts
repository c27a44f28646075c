import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The root of the package. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** The folder with its sources. */
export const LIB = join(ROOT, 'lib');

/** One import of a file of `lib`. */
export interface Import {
  /** Path within `lib/`. */
  readonly file: string;
  readonly specifier: string;
}

async function importsOf(file: string): Promise<Import[]> {
  const code = withoutComments(await readFile(join(LIB, file), 'utf8'));
  const patterns = [
    /^\s*(?:import|export)\b[^;'"]*?\bfrom\s*['"]([^'"]+)['"]/gm,
    /^\s*import\s*['"]([^'"]+)['"]/gm,
    /\b(?:import|require)\(\s*['"]([^'"]+)['"]/g,
  ];
  return patterns.flatMap((pattern) =>
    [...code.matchAll(pattern)].map(([, specifier]) => ({ file, specifier: specifier as string })),
  );
}

export function withoutComments(code: string): string {
  return code.replace(/\/\*[^]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
}

export function isRelative({ specifier }: Import): boolean {
  return specifier.startsWith('.');
}

export function isBuiltin({ specifier }: Import): boolean {
  return specifier.startsWith('node:');
}

export function packageOf(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}

/** The file in `lib/` that a relative import means. */
export function target({ file, specifier }: Import): string {
  return normalize(join(dirname(file), specifier.replace(/\.js$/, '.ts')));
}

export function folderOf(file: string): string {
  const [folder, ...rest] = file.split('/');
  return rest.length === 0 ? 'mcp-auth' : (folder as string);
}

/** Every file that a file reaches through relative imports, itself included. */
export function reached(file: string, seen = new Set<string>()): ReadonlySet<string> {
  if (seen.has(file)) return seen;
  seen.add(file);
  for (const one of imports) if (one.file === file && isRelative(one)) reached(target(one), seen);
  return seen;
}

export function packagesReached(file: string): string[] {
  const files = reached(file);
  const packages = imports
    .filter((one) => files.has(one.file) && !isRelative(one) && !isBuiltin(one))
    .map(({ specifier }) => packageOf(specifier));
  return [...new Set(packages)].toSorted();
}

const entries = await readdir(LIB, { recursive: true });
const files = entries.filter((entry) => entry.endsWith('.ts')).toSorted();

/** Every import of `lib`. */
export const imports: readonly Import[] = (await Promise.all(files.map(importsOf))).flat();
