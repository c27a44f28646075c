/** Commands and servers of products. Every process that was started here ends when this one does. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set();

process.on('exit', () => {
  for (const child of running) signal(child, 'SIGKILL');
});
for (const name of ['SIGINT', 'SIGTERM']) process.on(name, () => process.exit(1));

/**
 * Runs a command to its end.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd?: string, env?: Record<string, string> }} [options]
 * @returns {string} what it wrote
 * @throws {Error} with the end of its output, if it fails
 */
export function run(command, args, { cwd, env } = {}) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    env: { ...process.env, ...env },
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (status === 0) return stdout;
  throw new Error(`${command} ${args.join(' ')} failed: ${error?.message ?? `${stdout}${stderr}`.slice(-3_000)}`);
}

/** Whether a command exists on this machine, and in which version: the first line that it prints. */
export function versionOf(command, args = ['--version']) {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  return status === 0 ? `${stdout}${stderr}`.trim().split('\n', 1)[0] : undefined;
}

/** A server of a product, as a process that can be killed and started again. */
export class ServerProcess {
  #child;

  /** @param {{ command: string, args: string[], cwd: string, env?: Record<string, string>, ready: string, seconds?: number }} settings `ready`: the URL that answers 200 once it serves; `seconds`: how long that may take */
  constructor(settings) {
    this.settings = settings;
    this.log = `${settings.cwd}/server.log`;
  }

  async start() {
    const { command, args, cwd, env } = this.settings;
    const log = openSync(this.log, 'w');
    this.#child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', log, log],
      detached: true,
    });
    closeSync(log);
    running.add(this.#child);
    this.#child.once('exit', () => running.delete(this.#child));
    this.#child.on('error', () => undefined);
    await this.#untilReady();
  }

  /** Kills it with everything that it started. Does nothing if it does not run. */
  async kill() {
    const child = this.#child;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    signal(child, 'SIGKILL');
    await once(child, 'exit');
  }

  async #untilReady() {
    const { ready, seconds = 60 } = this.settings;
    const end = performance.now() + seconds * 1_000;
    while (performance.now() < end) {
      if (this.#child.exitCode !== null || this.#child.pid === undefined) break;
      if (await answers(ready)) return;
      await sleep(200);
    }
    await this.kill();
    throw new Error(
      `${ready} does not answer. The end of ${this.log}:\n${readFileSync(this.log, 'utf8').slice(-2_000)}`,
    );
  }
}

async function answers(url) {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(2_000) })).ok;
  } catch {
    return false;
  }
}

/** Signals the group of a process: start scripts leave the server itself to a child. */
function signal(child, name) {
  try {
    process.kill(-child.pid, name);
  } catch {
    // It has ended already.
  }
}
