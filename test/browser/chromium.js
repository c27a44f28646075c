// @ts-check
import { execFileSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];
const INSTALL_TIMEOUT_MS = 10 * 60 * 1000;

/** No sandbox, because CI runs as root; and nothing but loopback can be reached, so that no result depends on a network. */
export const LAUNCH_ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-proxy-server',
  '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost',
];

/**
 * The browser's executable. Where there is none, CI installs Debian's package; elsewhere the answer is undefined, after a
 * line that says so. What must not be overlooked ends the process with exit code 1.
 *
 * @returns {string | undefined}
 */
export function requireChromium() {
  const { CHROMIUM: chosen, CI } = process.env;
  if (chosen) return isExecutable(chosen) ? chosen : fail(`CHROMIUM is ${chosen}, which cannot be executed.`);
  const found = findProgram(NAMES);
  if (found !== undefined) return found;
  if (CI !== 'true') {
    console.log('Browser checks skipped: there is no Chromium here. Install it, or set CHROMIUM to its path.');
    return undefined;
  }
  if (findProgram(['apt-get']) === undefined || process.getuid?.() !== 0) {
    return fail('There is no Chromium here, and without root and apt-get it cannot be installed.');
  }
  install();
  return findProgram(NAMES) ?? fail('The package chromium was installed, but holds no browser.');
}

/** @param {string[]} names */
function findProgram(names) {
  const folders = ['/usr/bin', ...(process.env['PATH'] ?? '').split(delimiter).filter(Boolean)];
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable);
}

/** @param {string} path */
function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function install() {
  console.log('Installing Chromium');
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  for (const step of [
    ['update', '-qq'],
    ['install', '-y', '-qq', 'chromium'],
  ]) {
    try {
      execFileSync('apt-get', step, { env, stdio: ['ignore', 'ignore', 'inherit'], timeout: INSTALL_TIMEOUT_MS });
    } catch {
      fail(`Chromium could not be installed: apt-get ${step.join(' ')} failed.`);
    }
  }
}

/**
 * @param {string} message
 * @returns {never}
 */
function fail(message) {
  console.error(message);
  process.exit(1);
}
