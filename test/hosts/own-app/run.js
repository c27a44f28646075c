/**
 * For MCP frameworks that cannot be installed beside the others: puts an application with the packed library and a framework
 * into a folder of its own, and runs checks there. Needs the package registry, so it is a step of CI of its own and no part
 * of `npm test`.
 */
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { attempt, Checks, inTemporaryFolder, install, packInto, root, run } from '../../support/own-application.js';

const here = import.meta.dirname;

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
  const counted = new Checks();
  inTemporaryFolder(name, (work) => {
    const app = join(work, 'app');
    run('npm', ['run', '--silent', script], { cwd: root });
    const { tarball } = packInto(work);
    cpSync(/** @type {string} */ (first), app, {
      recursive: true,
      filter: (path) => !/[\\/](?:node_modules|dist)$/.test(path),
    });
    for (const folder of [here, ...others]) {
      cpSync(folder, join(app, 'checks'), { recursive: true, filter: (path) => !path.endsWith('run.js') });
    }
    install(app, tarball);
    run('npx', ['tsc'], { cwd: app });
    checks((title, args, env) => check(counted, title, args, { cwd: app, env }), app);
  });
  counted.finish();
}

/**
 * Runs Node.js. Takes its own sums, if it prints them; a process that fails is at least one failure.
 *
 * @param {Checks} counted @param {string} title @param {string[]} args
 * @param {import('../../support/own-application.js').Surroundings} surroundings
 */
function check(counted, title, args, surroundings) {
  const { status, stdout, stderr } = attempt(process.execPath, args, surroundings);
  const isDone = status === 0;
  if (!isDone) console.error(`${stdout}\n${stderr}`);
  const [, passed = isDone ? 1 : 0, failed = 0] = /^(\d+) passed, (\d+) failed$/m.exec(stdout) ?? [];
  counted.count(title, Number(passed), isDone ? 0 : Math.max(1, Number(failed)));
}
