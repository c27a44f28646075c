import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** What a run may throw away. */
export const CACHE = join(ROOT, 'mutants/.cache');

/** What stays in the repository: one file for each folder of `lib`. */
export const RESULTS = join(ROOT, 'mutants/results');

/** The folders of `lib` that are tested in this way. */
export const FOLDERS = ['core', 'request', 'token', 'proof', 'issuer', 'authorization', 'response'];

/** Where a file of `lib`, named from the root of the repository, is kept with its mutants. */
export function instrumentedFile(file) {
  return join(CACHE, 'instrumented', file);
}

export function read(file) {
  return readFileSync(join(ROOT, file), 'utf8');
}

export function hashOf(text) {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}

/** The files of a folder and below, named from the root of the repository. */
export function filesIn(folder, ending) {
  return readdirSync(join(ROOT, folder), { recursive: true })
    .filter((name) => name.endsWith(ending))
    .map((name) => join(folder, name))
    .toSorted();
}
