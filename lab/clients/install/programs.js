import { cpSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { cacheFolder } from '../../machine/cache.js';

/**
 * Copies the source of a client to where its packages are installed.
 *
 * @param {string} program the folder below `programs`
 * @param {string} name of the folder of the cache, with the version
 */
export function copyProgram(program, name) {
  const folder = cacheFolder(`client-${name}`);
  cpSync(fileURLToPath(new URL(`../programs/${program}/`, import.meta.url)), folder, { recursive: true });
  return folder;
}
