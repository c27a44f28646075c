/** Where products are installed: git ignores the folder, and `LAB_CACHE` names another one. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const CACHE = process.env.LAB_CACHE ?? fileURLToPath(new URL('../.cache/', import.meta.url));

/**
 * The folder of one version of a product.
 *
 * @param {string} name such as `keycloak-26.7.3`
 */
export function cacheFolder(name) {
  const folder = join(CACHE, name);
  mkdirSync(folder, { recursive: true });
  return folder;
}
