/**
 * An application that was there before: made by `nest new`, with GraphQL, a gateway, a microservice, an OpenAPI document, rate
 * limits, a cache, timers, and a REST API with a guard of passport. Its own tests pass before `nest add nestjs-mcp-auth`, and
 * after it without a change. Needs the package registry, so it is a step of CI of its own.
 *
 * As in `../schematic/run.js`, the tarball is installed first, and then runs what `nest add` spawns.
 */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Checks, inTemporaryFolder, install, packInto, run, runSchematic } from '../support/own-application.js';

const here = import.meta.dirname;

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

/** The import that the schematic writes, and one that leaves the routes of the application alone. */
const IMPORT = 'McpAuthModule.forRootAsync(mcpAuthConfig.asProvider())';
const IMPORT_FOR_MCP = "McpAuthModule.forRootAsync({ ...mcpAuthConfig.asProvider(), globalGuard: 'mcp' })";

const checks = new Checks();

/** @param {string} app @param {string} when */
function checkOwnTests(app, when) {
  for (const script of ['build', 'test', 'test:e2e'])
    checks.run(`npm run ${script}, ${when}`, () => run('npm', ['run', script], { cwd: app }));
}

/** @param {string} app */
function leaveRoutesAlone(app) {
  const module = join(app, 'src', 'app.module.ts');
  const source = readFileSync(module, 'utf8');
  if (!source.includes('globalGuard')) writeFileSync(module, source.replace(IMPORT, IMPORT_FOR_MCP));
}

inTemporaryFolder('existing', (work) => {
  const app = join(work, 'existing');
  const { tarball } = packInto(work);
  const flags = ['--skip-git', '--skip-install', '--strict', '--package-manager', 'npm'];
  run('npx', ['--yes', '@nestjs/cli@12', 'new', 'existing', ...flags], { cwd: work });
  cpSync(join(here, 'app'), app, { recursive: true });
  install(app, ...PACKAGES);
  checkOwnTests(app, 'before');
  checks.run('nest add', () => {
    install(app, tarball);
    runSchematic(app);
    leaveRoutesAlone(app);
    cpSync(join(app, '.env.example'), join(app, '.env'));
  });
  checkOwnTests(app, 'after, unchanged');
  checks.run('MCP is protected, and nothing else', () => {
    cpSync(join(here, 'after'), join(app, 'test'), { recursive: true });
    run('npm', ['run', 'test:e2e'], { cwd: app });
  });
});
checks.finish();
