/**
 * `npm run bench`: measures, and writes RESULTS.md.
 *
 * --quick         a check of a minute or two that everything works
 * --memory        only the part with a million tokens, which the others leave out
 * --only=<part>   one part, any of those below
 * --node=<file>   throughput of servers that another Node runs, which is kept beside that of this one
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { counts } from './counts.js';
import { decisions } from './in-process/decisions.js';
import { operations } from './in-process/operations.js';
import { keySets, signatures } from './in-process/signatures.js';
import { memory } from './memory.js';
import { report } from './report.js';
import { keepResult, readResults } from './results.js';
import { throughput } from './throughput.js';
import { assertSameJose } from './versions.js';

const throughputElsewhere = (options) => throughput({ ...options, node: values.node });

const PARTS = { counts, decisions, operations, signatures, keySets, throughput, throughputElsewhere, memory };

/** Those that are left out unless they are asked for: they take long, or need something that is not there. */
const EXTRA = new Set(['memory', 'throughputElsewhere']);

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
  if (values.node !== undefined) return ['throughputElsewhere'];
  if (values.only === undefined)
    return Object.keys(PARTS).filter((part) => !EXTRA.has(part) || (quick && part === 'memory'));
  if (Object.hasOwn(PARTS, values.only)) return [values.only];
  throw new Error(`There is no part "${values.only}", only ${Object.keys(PARTS).join(', ')}`);
}

assertSameJose();
for (const part of chosenParts()) {
  const start = performance.now();
  keepResult(part, quick, await PARTS[part]({ quick, log: (line) => console.log(`  ${line}`) }));
  console.log(`${part}: ${Math.round((performance.now() - start) / 1000)} s`);
}
const text = report(readResults());
writeFileSync(new URL('RESULTS.md', import.meta.url), text);
console.log(`\n${text}`);

for (const { what, expected, seen, holds } of readResults().counts?.figures ?? []) {
  if (holds) continue;
  console.error(`${what}: ${seen}; expected: ${expected}`);
  process.exitCode = 1;
}
