/**
 * `npm run bench`: measures, and writes RESULTS.md and its charts.
 *
 * --quick         a few minutes, to see that everything works
 * --memory        only the part with a million tokens, which other runs skip
 * --only=<part>   one part
 * --node=<file>   runs the servers with another Node; its figures are stored beside those of this one
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { counts } from './counts.js';
import { decisions } from './in-process/decisions.js';
import { operations } from './in-process/operations.js';
import { proofs } from './in-process/proofs.js';
import { imports } from './imports.js';
import { keySets, signatures } from './in-process/signatures.js';
import { dpopMemory, memory } from './memory.js';
import { profile } from './profile.js';
import { chartsOf, report } from './report.js';
import { keepResult, readResults } from './results.js';
import { throughput } from './throughput.js';
import { assertSameJose } from './versions.js';

const PARTS = {
  counts,
  decisions,
  operations,
  signatures,
  keySets,
  dpop: proofs,
  imports,
  profile,
  throughput,
  memory,
  dpopMemory,
};

/** Parts that run only on request, because they take long. */
const EXTRA = new Set(['memory', 'dpopMemory']);

/** Parts that another Node can run, and the names under which its figures are stored. */
const ELSEWHERE = { imports: 'importsElsewhere', profile: 'profileElsewhere', throughput: 'throughputElsewhere' };

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    memory: { type: 'boolean' },
    only: { type: 'string' },
    node: { type: 'string' },
  },
});
const quick = values.quick;

function chosenParts() {
  if (values.memory) return ['memory'];
  const possible = Object.keys(values.node === undefined ? PARTS : ELSEWHERE);
  if (values.only === undefined) return possible.filter((part) => !EXTRA.has(part) || quick);
  if (possible.includes(values.only)) return [values.only];
  throw new Error(`There is no part "${values.only}", only ${possible.join(', ')}`);
}

assertSameJose();
for (const part of chosenParts()) {
  const start = performance.now();
  const figures = await PARTS[part]({ quick, node: values.node, log: (line) => console.log(`  ${line}`) });
  keepResult(values.node === undefined ? part : ELSEWHERE[part], quick, figures);
  console.log(`${part}: ${Math.round((performance.now() - start) / 1000)} s`);
}
const text = report(readResults());
writeFileSync(new URL('RESULTS.md', import.meta.url), text);
writeCharts();
console.log(`\n${text}`);

for (const { what, expected, seen, holds } of readResults().counts?.figures ?? []) {
  if (holds) continue;
  console.error(`${what}: ${seen}; expected: ${expected}`);
  process.exitCode = 1;
}

function writeCharts() {
  const folder = new URL('charts/', import.meta.url);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  for (const [file, svg] of Object.entries(chartsOf(readResults()))) writeFileSync(new URL(file, folder), svg);
}
