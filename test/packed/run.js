/**
 * Packs the library, installs the tarball into empty applications, compiles and runs them: what users get is what is
 * tested here. Needs the package registry, so it is a step of CI of its own and no part of `npm test`.
 */
import { cpSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inTemporaryFolder, install, packInto, root, run } from '../support/own-application.js';

const here = import.meta.dirname;

inTemporaryFolder('packed', (work) => {
  const { tarball, files } = packInto(work);
  const strays = files.filter(
    (path) => !/^(dist\/|schematics\/|package\.json$|README\.md$|LICENSE$|CHANGELOG\.md$)/.test(path),
  );
  if (strays.length > 0) throw new Error(`The tarball holds what users do not need: ${strays.join(', ')}`);
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const apps = readdirSync(here, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  for (const { name } of apps) {
    const cwd = join(work, name);
    cpSync(join(here, name), cwd, { recursive: true });
    cpSync(join(here, 'app.ts'), join(cwd, 'app.ts'));
    install(cwd, tarball);
    run('npx', ['tsc'], { cwd });
    const printed = run('npx', ['nestjs-mcp-auth', '--version'], { cwd }).trim();
    if (printed !== version) throw new Error(`npx nestjs-mcp-auth --version prints "${printed}"`);
    console.log(`${name}: ${run(process.execPath, ['dist/app.js'], { cwd }).trim()}`);
  }
  console.log(`${apps.length} passed, 0 failed`);
});
