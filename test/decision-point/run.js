// @ts-check
/**
 * Checks `authzen()` against a decision point that others wrote: installs Cerbos from npm in a folder of its own, starts
 * it on free ports with the policies of this folder, and runs `cerbos.check.ts`.
 *
 *     node test/decision-point/run.js
 *
 * npm has its binary for some platforms only. Elsewhere nothing runs, and that is no failure.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const VERSION = '0.55.0';
const PLATFORMS = ['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64'];

const here = dirname(fileURLToPath(import.meta.url));
const platform = `${process.platform}-${process.arch}`;

if (PLATFORMS.includes(platform)) process.exitCode = await run();
else console.log(`There is no binary of Cerbos for ${platform}: nothing was checked`);

async function run() {
  const folder = mkdtempSync(join(tmpdir(), 'decision-point-'));
  try {
    const binary = install(folder);
    const [port, other] = await Promise.all([freePort(), freePort()]);
    const server = spawn(binary, argumentsOf(port, other), { stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      await ready(server);
      return await check(`http://127.0.0.1:${port}/access/v1/evaluation`);
    } finally {
      const ended = once(server, 'exit');
      server.kill();
      await ended;
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @param {string} folder */
function install(folder) {
  const name = `@cerbos/cerbos-${platform}`;
  writeFileSync(join(folder, 'package.json'), '{ "private": true }');
  const command = `npm install --no-audit --no-fund --loglevel=error ${name}@${VERSION}`;
  const { status } = spawnSync(command, { cwd: folder, shell: true, stdio: 'inherit' });
  if (status !== 0) throw new Error(`${name} could not be installed`);
  return join(folder, 'node_modules', name, `cerbos-${platform}`);
}

/** @param {number} port @param {number} grpcPort */
function argumentsOf(port, grpcPort) {
  const settings = {
    'server.httpListenAddr': `127.0.0.1:${port}`,
    'server.grpcListenAddr': `127.0.0.1:${grpcPort}`,
    'storage.driver': 'disk',
    'storage.disk.directory': join(here, 'policies'),
    'telemetry.disabled': 'true',
  };
  return ['server', ...Object.entries(settings).map(([name, value]) => `--set=${name}=${value}`)];
}

/**
 * Resolves when the server listens, which it writes to its log. Reads the log on: a full pipe would stop the server.
 *
 * @param {import('node:child_process').ChildProcess} server
 * @returns {Promise<void>}
 */
function ready(server) {
  let log = '';
  return new Promise((resolve, reject) => {
    server.once('exit', () => reject(new Error(`Cerbos did not start:\n${log}`)));
    server.stdout?.on('data', (chunk) => {
      log = (log + chunk).slice(-10_000);
      if (log.includes('Starting HTTP server')) resolve();
    });
  });
}

/**
 * @param {string} endpoint
 * @returns {Promise<number>} the exit status of Jest
 */
async function check(endpoint) {
  const jest = ['node_modules/jest/bin/jest.js', '--testMatch', '**/cerbos.check.ts'];
  const checks = spawn(process.execPath, ['--experimental-vm-modules', ...jest], {
    cwd: join(here, '..', '..'),
    stdio: 'inherit',
    env: { ...process.env, EVALUATION_ENDPOINT: endpoint, NODE_NO_WARNINGS: '1' },
  });
  const [status] = await once(checks, 'exit');
  return status ?? 1;
}

/** @returns {Promise<number>} */
async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = /** @type {import('node:net').AddressInfo} */ (probe.address());
  probe.close();
  return address.port;
}
