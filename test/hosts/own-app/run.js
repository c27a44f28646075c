/**
 * For MCP frameworks that cannot be installed beside the others: puts an application with the packed library and a framework
 * into a folder of its own, and runs checks there. Needs the package registry, so it is a step of CI of its own and no part
 * of `npm test`.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
export const root = join(here, '..', '..', '..');

/**
 * Runs a command to its end and returns what it printed; what went wrong, it prints.
 * @param {string} command @param {string[]} args @param {{ cwd: string, env?: Record<string, string> }} options
 */
function attempt(command, args, { cwd, env = {} }) {
  const shell = process.platform === 'win32' && command !== process.execPath;
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd,
    shell,
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  if (status !== 0) console.error(`${stdout}\n${stderr}`);
  return { isDone: status === 0, output: stdout };
}

/** What everything else needs. @param {string} command @param {string[]} args @param {string} cwd */
function run(command, args, cwd) {
  const { isDone, output } = attempt(command, args, { cwd });
  if (!isDone) throw new Error(`${command} ${args.join(' ')} failed`);
  return output;
}

/**
 * @param {{
 *   name: string,
 *   folders: string[],
 *   script: string,
 *   checks: (check: (name: string, args: string[], env?: Record<string, string>) => void, app: string) => void,
 * }} settings `folders` are copied one into the other, the first with its package.json; `script` builds what they need;
 *   `check` runs Node.js with the arguments
 */
export function runInOwnApp({ name, folders: [first, ...others], script, checks }) {
  const work = mkdtempSync(join(tmpdir(), `${name}-`));
  const app = join(work, 'app');
  let passed = 0;
  let failed = 0;
  /** @param {string} title @param {string[]} args @param {Record<string, string>} [env] */
  function check(title, args, env = {}) {
    const { isDone, output } = attempt(process.execPath, args, { cwd: app, env });
    const [, more, less] = /^(\d+) passed, (\d+) failed$/m.exec(output) ?? [];
    passed += Number(more ?? (isDone ? 1 : 0));
    failed += Number(less ?? (isDone ? 0 : 1));
    console.log(`${isDone ? '✓' : '✗'} ${title}`);
  }
  try {
    run('npm', ['run', '--silent', script], root);
    const [packed] = JSON.parse(run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', work], root));
    cpSync(/** @type {string} */ (first), app, {
      recursive: true,
      filter: (path) => !/[\\/](?:node_modules|dist)$/.test(path),
    });
    for (const folder of [here, ...others]) {
      cpSync(folder, join(app, 'checks'), { recursive: true, filter: (path) => !path.endsWith('run.js') });
    }
    run('npm', ['install', '--no-audit', '--no-fund', join(work, packed.filename)], app);
    run('npx', ['tsc'], app);
    checks(check, app);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed > 0 ? 1 : 0;
}
