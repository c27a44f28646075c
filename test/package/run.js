/**
 * Lets the two linters of published packages look at the tarball: whether every entry point is there, and whether the types
 * resolve as the code does, under each of TypeScript's ways to look modules up (`node10` included, by `typesVersions`).
 *
 * They are installed into a temporary folder, at their current minor version: as dependencies of this repository they would
 * bring fifty packages, a second TypeScript among them, for one step of CI.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { Checks, inTemporaryFolder, install, packInto, root } from '../support/own-application.js';

/**
 * `cjs-resolves-to-esm` says that CommonJS gets an ES module when it requires this package. That is so by decision: every
 * Node.js that is supported (20.19 on) can require one, and `test/packed` has a CommonJS app that does. A second build as
 * CommonJS would bring the guard, its decorators and its errors twice into applications that load both.
 */
const IGNORED_RULES = ['cjs-resolves-to-esm'];

const checks = new Checks();

/** Runs a linter, which prints what it finds. @param {string} bin @param {string} name @param {string[]} args */
function check(bin, name, args) {
  checks.run(name, () => {
    const { status } = spawnSync(join(bin, name), args, {
      cwd: root,
      stdio: 'inherit',
      shell: process.platform === 'win32',
    });
    if (status !== 0) throw new Error(`${name} ended with ${status}`);
  });
}

inTemporaryFolder('package', (work) => {
  const { tarball } = packInto(work);
  install(work, '--prefix', work, 'publint@0.3', '@arethetypeswrong/cli@0.18');
  const bin = join(work, 'node_modules', '.bin');
  const layout = ['--format', 'table-flipped', '--no-color', '--no-emoji'];
  check(bin, 'publint', ['--strict', tarball]);
  check(bin, 'attw', [tarball, ...layout, '--ignore-rules', ...IGNORED_RULES]);
});
checks.finish();
