/**
 * For scripts that put the packed library into an application of their own and run commands there. They need the package
 * registry, so each is a step of CI of its own and no part of `npm test`.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of the repository. */
export const root = fileURLToPath(new URL('../..', import.meta.url));

/** @typedef {{ cwd: string, env?: Record<string, string> }} Surroundings */

/**
 * Runs a command to its end, whether it succeeds or not.
 *
 * @param {string} command @param {string[]} args @param {Surroundings} surroundings
 */
export function attempt(command, args, { cwd, env = {} }) {
  return spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    // npm and npx are scripts on Windows, which only a shell runs.
    shell: process.platform === 'win32' && command !== process.execPath,
    env: { ...process.env, CI: 'true', ...env },
  });
}

/**
 * Runs a command to its end and returns what it printed.
 *
 * @param {string} command @param {string[]} args @param {Surroundings} surroundings
 * @throws {Error} with all of its output, if it fails
 */
export function run(command, args, surroundings) {
  const { status, stdout, stderr } = attempt(command, args, surroundings);
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed\n${stdout}\n${stderr}`);
  return stdout;
}

/** Packs the library as it is built, and returns the path of the tarball and its files. @param {string} folder */
export function packInto(folder) {
  const args = ['pack', '--silent', '--ignore-scripts', '--json', '--pack-destination', folder];
  const [{ filename, files }] = JSON.parse(run('npm', args, { cwd: root }));
  return { tarball: join(folder, filename), files: files.map(({ path }) => path) };
}

/** Installs packages into an application. @param {string} app @param {...string} packages */
export function install(app, ...packages) {
  run('npm', ['install', '--no-audit', '--no-fund', ...packages], { cwd: app });
}

/**
 * Runs what `nest add` spawns once the package is installed: it installs `nestjs-mcp-auth@latest` from the registry, which a
 * tarball is not.
 *
 * @param {string} app
 */
export function runSchematic(app) {
  const cli = createRequire(createRequire(join(app, 'package.json')).resolve('@nestjs/cli/package.json'));
  const schematics = cli.resolve('@angular-devkit/schematics-cli/bin/schematics.js');
  return run(process.execPath, [schematics, 'nestjs-mcp-auth:nest-add', '--source-root=src'], { cwd: app });
}

/** Calls the function with a temporary folder, which is removed afterwards. @param {string} name @param {(folder: string) => void} use */
export function inTemporaryFolder(name, use) {
  const folder = mkdtempSync(join(tmpdir(), `${name}-`));
  try {
    use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Counts checks, and prints one line for each. */
export class Checks {
  #passed = 0;
  #failed = 0;

  /** A check fails if it throws. @param {string} name @param {() => void} check */
  run(name, check) {
    try {
      check();
      this.count(name, 1, 0);
    } catch (error) {
      this.count(name, 0, 1);
      console.error(error instanceof Error ? error.message : error);
    }
  }

  /** Counts what a check of several parts found. @param {string} name @param {number} passed @param {number} failed */
  count(name, passed, failed) {
    this.#passed += passed;
    this.#failed += failed;
    if (failed > 0) console.error(`✗ ${name}`);
    else console.log(`✓ ${name}`);
  }

  /** Prints the sums, and lets the process fail if a check did. */
  finish() {
    console.log(`${this.#passed} passed, ${this.#failed} failed`);
    process.exitCode = this.#failed > 0 ? 1 : 0;
  }
}
