/** Packages from npm, each product in a folder of its own. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './processes.js';

/**
 * Installs packages with exact versions, unless they are there.
 *
 * @param {string} folder
 * @param {Record<string, string>} packages versions by name
 * @param {string[]} [options] further options of npm
 */
export function npmInstall(folder, packages, options = []) {
  const manifest = join(folder, 'package.json');
  if (!existsSync(manifest)) writeFileSync(manifest, '{ "private": true, "type": "module" }\n');
  const missing = Object.entries(packages).filter(([name, version]) => installedVersion(folder, name) !== version);
  if (missing.length === 0) return;
  const exact = Object.entries(packages).map(([name, version]) => `${name}@${version}`);
  run('npm', ['install', '--no-audit', '--no-fund', '--save-exact', ...options, ...exact], { cwd: folder });
}

/**
 * The Node.js that runs a product, if that of this process is too old.
 *
 * @param {string} folder
 * @param {string} version
 */
export function npmNode(folder, version) {
  npmInstall(folder, { node: version });
  return join(folder, 'node_modules/node/bin/node');
}

function installedVersion(folder, name) {
  try {
    return JSON.parse(readFileSync(join(folder, 'node_modules', name, 'package.json'), 'utf8')).version;
  } catch {
    return undefined;
  }
}
