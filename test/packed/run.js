/**
 * Packs the library, installs the tarball into empty applications, compiles and runs them: what users get is what is
 * tested here. Needs the package registry, so it is a step of CI of its own and no part of `npm test`.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '..', '..');
const work = mkdtempSync(join(tmpdir(), 'packed-'));

/** @param {string} command @param {string[]} args @param {string} cwd */
function run(command, args, cwd) {
  return execFileSync(command, args, {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    shell: process.platform === 'win32',
  });
}

try {
  const [packed] = JSON.parse(run('npm', ['pack', '--json', '--pack-destination', work], root));
  const strays = packed.files
    .map(({ path }) => path)
    .filter((path) => !/^(dist\/|schematics\/|package\.json$|README\.md$|LICENSE$|CHANGELOG\.md$)/.test(path));
  if (strays.length > 0) throw new Error(`The tarball holds what users do not need: ${strays.join(', ')}`);
  const apps = readdirSync(here, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  for (const { name } of apps) {
    const app = join(work, name);
    cpSync(join(here, name), app, { recursive: true });
    cpSync(join(here, 'app.ts'), join(app, 'app.ts'));
    run('npm', ['install', '--no-audit', '--no-fund', join(work, packed.filename)], app);
    run('npx', ['tsc'], app);
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    const printed = run('npx', ['nestjs-mcp-auth', '--version'], app).trim();
    if (printed !== version) throw new Error(`npx nestjs-mcp-auth --version prints "${printed}"`);
    console.log(`${name}: ${run(process.execPath, ['dist/app.js'], app).trim()}`);
  }
  console.log(`${apps.length} passed, 0 failed`);
} finally {
  rmSync(work, { recursive: true, force: true });
}
