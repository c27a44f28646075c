/**
 * An application that was there before: made by `nest new`, with GraphQL, a gateway, a microservice, an OpenAPI document, rate
 * limits, a cache, timers, and a REST API with a guard of passport. Its own tests pass before `nest add nestjs-mcp-auth`, and
 * after it without a change. Needs the package registry, so it is a step of CI of its own.
 *
 * As in `../schematic/run.js`, the tarball is installed first, and then runs what `nest add` spawns.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '..', '..');
const work = mkdtempSync(join(tmpdir(), 'existing-'));
const app = join(work, 'existing');

const PACKAGES = [
  '@apollo/server',
  '@as-integrations/express5',
  '@nestjs/apollo',
  '@nestjs/cache-manager',
  '@nestjs/graphql',
  '@nestjs/jwt',
  '@nestjs/microservices',
  '@nestjs/passport',
  '@nestjs/platform-ws',
  '@nestjs/schedule',
  '@nestjs/swagger',
  '@nestjs/throttler',
  '@nestjs/websockets',
  '@types/passport-jwt',
  '@types/ws',
  'cache-manager',
  'graphql',
  'passport',
  'passport-jwt',
  'ws',
];

/** Leaves the routes of the application alone, unless the schematic has written so already. */
const IMPORT = 'McpAuthModule.forRootAsync(mcpAuthConfig.asProvider())';
const IMPORT_FOR_MCP = "McpAuthModule.forRootAsync({ ...mcpAuthConfig.asProvider(), globalGuard: 'mcp' })";

let passed = 0;
let failed = 0;

/** @param {string} command @param {string[]} args @param {string} cwd */
function run(command, args, cwd = app) {
  const shell = process.platform === 'win32' && command !== process.execPath;
  const env = { ...process.env, CI: 'true' };
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, shell, encoding: 'utf8', env });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed\n${stdout}\n${stderr}`);
  return stdout;
}

/** @param {string} name @param {() => void} attempt */
function check(name, attempt) {
  try {
    attempt();
    passed++;
    console.log(`✓ ${name}`);
  } catch (error) {
    failed++;
    console.error(`✗ ${name}\n${error instanceof Error ? error.message : error}`);
  }
}

/** What `nest add` spawns once the package is installed. */
function runSchematic() {
  const cli = createRequire(createRequire(join(app, 'package.json')).resolve('@nestjs/cli/package.json'));
  const schematics = cli.resolve('@angular-devkit/schematics-cli/bin/schematics.js');
  run(process.execPath, [schematics, 'nestjs-mcp-auth:nest-add', '--source-root=src']);
  const module = join(app, 'src', 'app.module.ts');
  const source = readFileSync(module, 'utf8');
  if (!source.includes('globalGuard')) writeFileSync(module, source.replace(IMPORT, IMPORT_FOR_MCP));
  cpSync(join(app, '.env.example'), join(app, '.env'));
}

function checkOwnTests(when) {
  for (const script of ['build', 'test', 'test:e2e'])
    check(`npm run ${script}, ${when}`, () => run('npm', ['run', script]));
}

try {
  const [packed] = JSON.parse(
    run('npm', ['pack', '--silent', '--ignore-scripts', '--json', '--pack-destination', work], root),
  );
  const flags = ['--skip-git', '--skip-install', '--strict', '--package-manager', 'npm'];
  run('npx', ['--yes', '@nestjs/cli@12', 'new', 'existing', ...flags], work);
  cpSync(join(here, 'app'), app, { recursive: true });
  run('npm', ['install', '--no-audit', '--no-fund', ...PACKAGES]);
  checkOwnTests('before');
  check('nest add', () => {
    run('npm', ['install', '--no-audit', '--no-fund', join(work, packed.filename)]);
    runSchematic();
  });
  checkOwnTests('after, unchanged');
  check('MCP is protected, and nothing else', () => {
    cpSync(join(here, 'after'), join(app, 'test'), { recursive: true });
    run('npm', ['run', 'test:e2e']);
  });
} finally {
  rmSync(work, { recursive: true, force: true });
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
