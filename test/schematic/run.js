/**
 * Goes the way of a newcomer, with the Nest CLI of either version: `nest new`, the packed library, its schematic, then the
 * application's own build, lint and tests; then an MCP client signs in at the development authorization server of the
 * application, is refused, steps up and succeeds. Needs the package registry, so it is a step of CI of its own.
 *
 * `nest add <package>` installs `<package>@latest` from the registry, which a tarball is not. So the tarball is installed
 * first, and then runs what `nest add` does after it has installed: `nest add --skip-install` for a dry run and for the
 * second run; and for the first one the very command that it spawns, so that the schematic installs packages itself.
 */
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import {
  attempt,
  Checks,
  inTemporaryFolder,
  install,
  packInto,
  root,
  run,
  runSchematic,
} from '../support/own-application.js';

const here = import.meta.dirname;

const APPLICATIONS = [
  { cli: '12', kind: 'ESM', revisions: ['2025-11-25', '2026-07-28'] },
  { cli: '11', kind: 'CommonJS', revisions: ['2025-11-25', '2026-07-28'] },
];

const checks = new Checks();

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

const NEST_ADD = ['nest', 'add', 'nestjs-mcp-auth', '--skip-install'];
const addAgain = (app, ...flags) => run('npx', [...NEST_ADD, ...flags], { cwd: app });

/** The client of the samples, on the application and its authorization server. @param {string} app @param {string[]} revisions */
function signIn(app, revisions) {
  const demonstration = pathToFileURL(join(root, 'build', 'sample', 'demo-client', 'demonstration.js'));
  const server = pathToFileURL(join(app, 'start.mjs'));
  const script = `import('${demonstration}').then(({ demonstrate }) => demonstrate(new URL('${server}'), ${JSON.stringify(revisions)}))`;
  const { scripts } = JSON.parse(readFileSync(join(app, 'package.json'), 'utf8'));
  cpSync(join(here, 'start.mjs'), join(app, 'start.mjs'));
  // The scopes are as in .env.example.
  const env = { AUTH_DEV: scripts['auth:dev'], MCP_AUTH_REQUIRED_SCOPES: 'notes:read' };
  const output = run(process.execPath, ['--eval', script], { cwd: app, env });
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
  const { stderr } = attempt('npx', ['jest', '--config', 'jest-e2e-printed.json'], { cwd: app });
  assert(stderr.includes('got 401'), stderr);
}

/** @param {{ cli: string, kind: string, revisions: string[] }} application @param {string} tarball @param {string} work */
function checkApplication({ cli, kind, revisions }, tarball, work) {
  const name = `nest-${cli}`;
  const app = join(work, name);
  console.log(`Nest CLI ${cli}, ${kind}`);
  run('npx', ['--yes', `@nestjs/cli@${cli}`, 'new', name, '--skip-git', '--strict', '--package-manager', 'npm'], {
    cwd: work,
  });
  install(app, tarball);

  checks.run('nest add --dry-run says what would be written, and writes nothing', () => {
    const before = snapshot(app);
    const output = addAgain(app, '--dry-run');
    assert(/CREATE.*notes\.tools\.ts/.test(output) && /UPDATE.*app\.module\.ts/.test(output), output);
    assert(snapshot(app) === before, 'files have changed');
  });
  let said = '';
  checks.run('nest add --skip-example leaves the example out, and --no-example is no way to say it', () => {
    assert(!addAgain(app, '--dry-run', '--skip-example').includes('notes.tools.ts'), 'the example is written');
    // Version 11 of the Nest CLI says that it failed, and ends with 0 all the same.
    const { stdout } = attempt('npx', [...NEST_ADD, '--dry-run', '--no-example'], { cwd: app });
    assert(!stdout.includes('CREATE'), 'an option that would be turned into its opposite is accepted');
  });
  checks.run('the schematic sets the application up and installs what it needs', () => {
    said = runSchematic(app);
    assert(existsSync(join(app, 'node_modules', 'oidc-provider')), 'nothing was installed');
    assert(!existsSync(join(app, '.env')), 'it wrote .env');
    const extension = kind === 'ESM' ? '.js' : '';
    assert(
      readFileSync(join(app, 'src', 'main.ts'), 'utf8').includes(`from './notes/notes.module${extension}';`),
      'wrong kind of import',
    );
  });
  checks.run('what was written has the formatting of the application', () =>
    run('npx', ['prettier', '--check', 'src', 'mcp-auth.dev-server.mjs'], { cwd: app }),
  );
  for (const script of ['build', 'lint', 'test'])
    checks.run(`npm run ${script}`, () => run('npm', ['run', script], { cwd: app }));
  checks.run('an MCP client signs in (401), is refused (403), steps up and succeeds (200)', () =>
    signIn(app, revisions),
  );
  if (said.includes('"transformIgnorePatterns"'))
    checks.run('Jest loads the application with the configuration that was printed', () => loadInJest(app, said));
  checks.run('nest add again changes nothing', () => {
    const before = snapshot(app);
    const output = addAgain(app);
    assert(output.includes('Nothing to do'), output);
    assert(snapshot(app) === before, 'files have changed');
  });
}

inTemporaryFolder('schematic', (work) => {
  const { tarball } = packInto(work);
  for (const application of APPLICATIONS) checkApplication(application, tarball, work);
});
checks.finish();
