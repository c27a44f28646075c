/**
 * Lets every npm script work on a fresh clone: installs when what is there is not what `package-lock.json` says, and
 * does nothing otherwise. Versions are compared rather than file times: a checkout touches files without changing them.
 * With the name of a folder, it is the package in that folder.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const root = new URL(`../${process.argv[2] ?? '.'}/`, import.meta.url);

function packagesOf(lockFile) {
  try {
    return JSON.parse(readFileSync(new URL(lockFile, root), 'utf8')).packages;
  } catch {
    return undefined;
  }
}

function isInstalled() {
  const installed = packagesOf('node_modules/.package-lock.json'); // npm writes it last, so an interrupted install has none
  if (!installed) return false;
  return Object.entries(packagesOf('package-lock.json') ?? {}).every(
    ([path, { version, optional }]) => path === '' || optional || installed[path]?.version === version,
  );
}

function npm(command) {
  // One constant command line through the shell, because npm is a script (`npm.cmd`) on Windows.
  return spawnSync(`npm ${command} --no-audit --no-fund --loglevel=error`, {
    cwd: root,
    shell: true,
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
  });
}

if (!isInstalled()) {
  console.log('Installing dependencies, once…');
  let result = npm('ci');
  // Versions of npm differ in what they find missing in a lock file; `npm install` takes from it what is there.
  if (result.status !== 0) result = npm('install --no-save');
  if (result.status !== 0) {
    console.error(result.error?.message ?? result.stderr);
    process.exit(1);
  }
}
