/**
 * Lets the two linters of published packages look at the tarball: whether every entry point is there, and whether the types
 * resolve as the code does, under each of TypeScript's ways to look modules up (`node10` included, by `typesVersions`).
 *
 * They are installed into a temporary folder, at their current minor version: as dependencies of this repository they would
 * bring fifty packages, a second TypeScript among them, for one step of CI.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const work = mkdtempSync(join(tmpdir(), 'package-'));

/**
 * `cjs-resolves-to-esm` says that CommonJS gets an ES module when it requires this package. That is so by decision: every
 * Node.js that is supported (20.19 on) can require one, and `test/packed` has a CommonJS app that does. A second build as
 * CommonJS would bring the guard, its decorators and its errors twice into applications that load both.
 */
const IGNORED_RULES = ['cjs-resolves-to-esm'];

/** What is printed goes to the console. @param {string} command @param {string[]} args */
function passes(command, args) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit', shell: process.platform === 'win32' });
  return status === 0;
}

/** @param {string} command @param {string[]} args */
function run(command, args) {
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    shell: process.platform === 'win32',
  });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed\n${stdout}\n${stderr}`);
  return stdout;
}

let failed = 0;
try {
  const [packed] = JSON.parse(run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', work]));
  const tarball = join(work, packed.filename);
  run('npm', ['install', '--no-audit', '--no-fund', '--prefix', work, 'publint@0.3', '@arethetypeswrong/cli@0.18']);
  const bin = join(work, 'node_modules', '.bin');
  if (!passes(join(bin, 'publint'), ['--strict', tarball])) failed++;
  if (
    !passes(join(bin, 'attw'), [
      tarball,
      '--format',
      'table-flipped',
      '--no-color',
      '--no-emoji',
      '--ignore-rules',
      ...IGNORED_RULES,
    ])
  )
    failed++;
} finally {
  rmSync(work, { recursive: true, force: true });
}
console.log(`${2 - failed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
