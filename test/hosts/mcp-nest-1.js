/**
 * Version 1 of `@rekog/mcp-nest` as a host, which cannot be installed beside version 2: installs the packed library into
 * `sample/04-mcp-nest-1`, lets the sample check itself, checks what the framework does with handlers of every kind
 * (`mcp-nest-1/checks.ts`), and lets the client of the other samples sign in and step up. Needs the package registry, so
 * it is a step of CI of its own and no part of `npm test`.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '..', '..');
const work = mkdtempSync(join(tmpdir(), 'mcp-nest-1-'));
const app = join(work, 'app');

let passed = 0;
let failed = 0;

/**
 * Runs a command to its end and returns what it printed; what went wrong, it prints.
 * @param {string} command @param {string[]} args @param {{ cwd: string, env?: Record<string, string> }} options
 */
function attempt(command, args, { cwd, env = {} }) {
  const shell = process.platform === 'win32' && command !== process.execPath;
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, shell, encoding: 'utf8', env: { ...process.env, ...env } });
  if (status !== 0) console.error(`${stdout}\n${stderr}`);
  return { isDone: status === 0, output: stdout };
}

/** What everything else needs. @param {string} command @param {string[]} args @param {string} cwd */
function run(command, args, cwd) {
  const { isDone, output } = attempt(command, args, { cwd });
  if (!isDone) throw new Error(`${command} ${args.join(' ')} failed`);
  return output;
}

/** @param {string} name @param {string[]} args of Node.js @param {Record<string, string>} env */
function check(name, args, env) {
  const { isDone, output } = attempt(process.execPath, args, { cwd: app, env });
  const [, more, less] = /^(\d+) passed, (\d+) failed$/m.exec(output) ?? [];
  passed += Number(more ?? (isDone ? 1 : 0));
  failed += Number(less ?? (isDone ? 0 : 1));
  console.log(`${isDone ? '✓' : '✗'} ${name}`);
}

try {
  run('npm', ['run', '--silent', 'build:samples'], root);
  const [packed] = JSON.parse(run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', work], root));
  cpSync(join(root, 'sample', '04-mcp-nest-1'), app, { recursive: true, filter: (path) => !/[\\/](?:node_modules|dist)$/.test(path) });
  cpSync(join(here, 'mcp-nest-1'), join(app, 'checks'), { recursive: true });
  run('npm', ['install', '--no-audit', '--no-fund', join(work, packed.filename)], app);
  run('npx', ['tsc'], app);

  const client = pathToFileURL(join(root, 'build', 'sample', 'demo-client'));
  const server = pathToFileURL(join(app, 'dist', 'main.js'));
  const demonstrate = `
    const { demonstrate } = await import('${client}/demonstration.js');
    const { McpSessionV1 } = await import('${client}/mcp-session-v1.js');
    const newSession = process.env.CLIENT === '1' ? (url, person) => new McpSessionV1(url, person) : undefined;
    await demonstrate(new URL('${server}'), ['2025-11-25'], newSession);`;
  for (const PLATFORM of ['express', 'fastify']) {
    check(`the sample checks itself on ${PLATFORM}`, ['dist/check.js'], { PLATFORM });
    for (const CLIENT of ['1', '2']) {
      const name = `the client of SDK ${CLIENT} signs in and steps up by itself on ${PLATFORM}`;
      check(name, ['--input-type=module', '--eval', demonstrate], { PLATFORM, CLIENT });
    }
  }
  check('handlers of every kind', ['dist/checks/checks.js'], {});
} finally {
  rmSync(work, { recursive: true, force: true });
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
