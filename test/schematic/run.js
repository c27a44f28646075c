/**
 * Goes the way of a newcomer, with the Nest CLI of either version: `nest new`, the packed library, its schematic, then the
 * application's own build, lint and tests; then an MCP client signs in at the development authorization server of the
 * application, is refused, steps up and succeeds. Needs the package registry, so it is a step of CI of its own.
 *
 * `nest add <package>` installs `<package>@latest` from the registry, which a tarball is not. So the tarball is installed
 * first, and then runs what `nest add` does after it has installed: `nest add --skip-install` for a dry run and for the
 * second run; and for the first one the very command that it spawns, so that the schematic installs packages itself.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '..', '..');
const work = mkdtempSync(join(tmpdir(), 'schematic-'));

const APPLICATIONS = [
  { cli: '12', kind: 'ESM', revisions: ['2025-11-25', '2026-07-28'] },
  { cli: '11', kind: 'CommonJS', revisions: ['2025-11-25', '2026-07-28'] },
];

let passed = 0;
let failed = 0;

/** @param {string} command @param {string[]} args @param {string} cwd @param {Record<string, string>} env */
function run(command, args, cwd, env = {}) {
  const shell = process.platform === 'win32' && command !== process.execPath;
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd,
    shell,
    encoding: 'utf8',
    env: { ...process.env, CI: 'true', ...env },
  });
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

/** @param {unknown} holds @param {string} otherwise */
function assert(holds, otherwise) {
  if (!holds) throw new Error(otherwise);
}

/** The files of an application but its packages, as a text to compare. @param {string} app */
function snapshot(app) {
  const skipped = /(?:^|[\\/])(?:node_modules|dist)(?:[\\/]|$)/;
  return readdirSync(app, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !skipped.test(path.slice(app.length)))
    .toSorted()
    .map((path) => `${path}\n${readFileSync(path, 'utf8')}`)
    .join('\n');
}

/** What `nest add` spawns once the package is installed. @param {string} app */
function runSchematic(app) {
  const cli = createRequire(createRequire(join(app, 'package.json')).resolve('@nestjs/cli/package.json'));
  const schematics = cli.resolve('@angular-devkit/schematics-cli/bin/schematics.js');
  return run(process.execPath, [schematics, 'nestjs-mcp-auth:nest-add', '--source-root=src'], app);
}

const addAgain = (app, ...flags) => run('npx', ['nest', 'add', 'nestjs-mcp-auth', '--skip-install', ...flags], app);

/** The client of the samples, on the application and its authorization server. @param {string} app @param {string[]} revisions */
function signIn(app, revisions) {
  const demonstration = pathToFileURL(join(root, 'build', 'sample', 'demo-client', 'demonstration.js'));
  const server = pathToFileURL(join(app, 'start.mjs'));
  const script = `import('${demonstration}').then(({ demonstrate }) => demonstrate(new URL('${server}'), ${JSON.stringify(revisions)}))`;
  const { scripts } = JSON.parse(readFileSync(join(app, 'package.json'), 'utf8'));
  cpSync(join(here, 'start.mjs'), join(app, 'start.mjs'));
  const output = run(process.execPath, ['--eval', script], app, {
    AUTH_DEV: scripts['auth:dev'],
    // As copied from .env.example.
    MCP_AUTH_REQUIRED_SCOPES: 'notes:read',
  });
  for (const status of [401, 403, 200]) assert(output.includes(String(status)), `no ${status} in\n${output}`);
}

/**
 * The end-to-end test of the application calls a route without a token, so it sees 401: the application was loaded.
 * @param {string} app @param {string} said
 */
function loadInJest(app, said) {
  const printed = JSON.parse(
    `{${said.slice(said.indexOf('"transform"'), said.indexOf(']', said.indexOf('"transformIgnorePatterns"')) + 1)}}`,
  );
  const config = JSON.parse(readFileSync(join(app, 'test', 'jest-e2e.json'), 'utf8'));
  writeFileSync(join(app, 'jest-e2e-printed.json'), JSON.stringify({ ...config, rootDir: 'test', ...printed }));
  cpSync(join(app, '.env.example'), join(app, '.env'));
  const { stderr } = spawnSync('npx', ['jest', '--config', 'jest-e2e-printed.json'], {
    cwd: app,
    encoding: 'utf8',
    shell: process.platform === 'win32',
  });
  assert(stderr.includes('got 401'), stderr);
}

/** @param {{ cli: string, kind: string, revisions: string[] }} application @param {string} tarball */
function checkApplication({ cli, kind, revisions }, tarball) {
  const name = `nest-${cli}`;
  const app = join(work, name);
  console.log(`Nest CLI ${cli}, ${kind}`);
  run('npx', ['--yes', `@nestjs/cli@${cli}`, 'new', name, '--skip-git', '--strict', '--package-manager', 'npm'], work);
  run('npm', ['install', '--no-audit', '--no-fund', tarball], app);

  check('nest add --dry-run says what would be written, and writes nothing', () => {
    const before = snapshot(app);
    const output = addAgain(app, '--dry-run');
    assert(/CREATE.*notes\.tools\.ts/.test(output) && /UPDATE.*app\.module\.ts/.test(output), output);
    assert(snapshot(app) === before, 'files have changed');
  });
  let said = '';
  check('nest add --skip-example leaves the example out, and --no-example is no way to say it', () => {
    assert(!addAgain(app, '--dry-run', '--skip-example').includes('notes.tools.ts'), 'the example is written');
    // Version 11 of the Nest CLI says that it failed, and ends with 0 all the same.
    const { stdout } = spawnSync(
      'npx',
      ['nest', 'add', 'nestjs-mcp-auth', '--skip-install', '--dry-run', '--no-example'],
      { cwd: app, encoding: 'utf8', shell: process.platform === 'win32' },
    );
    assert(!stdout.includes('CREATE'), 'an option that would be turned into its opposite is accepted');
  });
  check('the schematic sets the application up and installs what it needs', () => {
    said = runSchematic(app);
    assert(existsSync(join(app, 'node_modules', 'oidc-provider')), 'nothing was installed');
    assert(!existsSync(join(app, '.env')), 'it wrote .env');
    const extension = kind === 'ESM' ? '.js' : '';
    assert(
      readFileSync(join(app, 'src', 'main.ts'), 'utf8').includes(`from './notes/notes.module${extension}';`),
      'wrong kind of import',
    );
  });
  check('what was written has the formatting of the application', () =>
    run('npx', ['prettier', '--check', 'src', 'mcp-auth.dev-server.mjs'], app),
  );
  for (const script of ['build', 'lint', 'test']) check(`npm run ${script}`, () => run('npm', ['run', script], app));
  check('an MCP client signs in (401), is refused (403), steps up and succeeds (200)', () => signIn(app, revisions));
  if (said.includes('"transformIgnorePatterns"'))
    check('Jest loads the application with the configuration that was printed', () => loadInJest(app, said));
  check('nest add again changes nothing', () => {
    const before = snapshot(app);
    const output = addAgain(app);
    assert(output.includes('Nothing to do'), output);
    assert(snapshot(app) === before, 'files have changed');
  });
}

try {
  const [packed] = JSON.parse(
    run('npm', ['pack', '--silent', '--ignore-scripts', '--json', '--pack-destination', work], root),
  );
  for (const application of APPLICATIONS) checkApplication(application, join(work, packed.filename));
} finally {
  rmSync(work, { recursive: true, force: true });
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
