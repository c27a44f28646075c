/** Measures `import 'nestjs-mcp-auth'` in a process that has imported Nest. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { startChild } from './child.js';
import { median } from './measure.js';

const ROOT = new URL('../', import.meta.url);

/** Folder inside the repository, where the packed library finds the installed dependencies. */
const PACKED = new URL('build/bench-packed/', ROOT);

/** @param {{ quick: boolean, node?: string }} options */
export async function imports({ quick, node }) {
  pack();
  const subjects = {
    'as built': new URL('dist/index.js', ROOT),
    'as packed': new URL('package/dist/index.js', PACKED),
  };
  const times = Object.fromEntries(Object.keys(subjects).map((label) => [label, []]));
  let version;
  // The first run reads the files from the disk.
  for (let run = -1; run < (quick ? 5 : 15); run += 1) {
    for (const [label, { href }] of Object.entries(subjects)) {
      const time = await importOnce(href, node);
      version = time.node;
      if (run >= 0) times[label].push(time);
    }
  }
  rmSync(PACKED, { recursive: true });
  const rows = Object.entries(times).map(([label, runs]) => summaryOf(label, runs));
  return { node: version, rows };
}

function pack() {
  rmSync(PACKED, { recursive: true, force: true });
  mkdirSync(PACKED, { recursive: true });
  const folder = fileURLToPath(PACKED);
  execFileSync('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder], {
    cwd: ROOT,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  execFileSync('tar', ['-xzf', readdirSync(folder)[0]], { cwd: folder });
}

async function importOnce(href, node) {
  const child = startChild(new URL('imports/import.js', import.meta.url), { node });
  try {
    return await child.ask('measure', href);
  } finally {
    child.stop();
  }
}

function summaryOf(label, runs) {
  const elapsed = runs.map((run) => run.elapsed);
  return {
    label,
    millis: median(elapsed),
    lowest: Math.min(...elapsed),
    highest: Math.max(...elapsed),
    cpu: median(runs.map(({ cpu }) => cpu)),
  };
}
