/**
 * `npm run bench`: measures, and writes RESULTS.md and its charts.
 *
 * --quick         a few minutes, to see that everything works
 * --memory        only the part with a million tokens, which other runs skip
 * --only=<part>   one part alone
 * --node=<file>   runs the servers with another Node; its figures are stored beside those of this one
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { chosenParts, ELSEWHERE } from './chosen-parts.js';
import { counts } from './counts.js';
import { decisions } from './in-process/decisions.js';
import { operations } from './in-process/operations.js';
import { proofs } from './in-process/proofs.js';
import { imports } from './imports.js';
import { keySets, signatures } from './in-process/signatures.js';
import { dpopMemory, memory } from './memory.js';
import { profile } from './profile.js';
import { chartsOf, report, sectionsOf } from './report.js';
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

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    memory: { type: 'boolean' },
    only: { type: 'string' },
    node: { type: 'string' },
  },
});
const quick = values.quick;

assertSameJose();
/** The names of the measured figures. */
const measured = [];
for (const part of chosenParts(values, Object.keys(PARTS))) {
  const start = performance.now();
  const figures = await PARTS[part]({ quick, node: values.node, log: (line) => console.log(`  ${line}`) });
  const name = values.node === undefined ? part : ELSEWHERE[part];
  keepResult(name, quick, figures);
  measured.push(name);
  console.log(`${part}: ${Math.round((performance.now() - start) / 1000)} s`);
}
const results = readResults();
writeFileSync(new URL('RESULTS.md', import.meta.url), report(results));
writeCharts();
for (const section of sectionsOf(results, measured)) console.log(`\n${section}`);

const requests = measured.includes('counts') ? results.counts.figures : [];
for (const { what, expected, seen, holds } of requests) {
  if (holds) continue;
  console.error(`${what}: ${seen}; expected: ${expected}`);
  process.exitCode = 1;
}

function writeCharts() {
  const folder = new URL('charts/', import.meta.url);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  for (const [file, svg] of Object.entries(chartsOf(results))) writeFileSync(new URL(file, folder), svg);
}
