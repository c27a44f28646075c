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
import { profile } from './profile.js';
import { report } from './report.js';
import { keepResult, readResults } from './results.js';
import { throughput } from './throughput.js';
import { assertSameJose } from './versions.js';

const PARTS = { counts, decisions, operations, signatures, keySets, profile, throughput, memory };

/** Left out unless asked for: it takes long. */
const EXTRA = new Set(['memory']);

/** What another Node may run. It is kept beside the figures of this one, under a name of its own. */
const ELSEWHERE = { throughput: 'throughputElsewhere', profile: 'profileElsewhere' };

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
  if (values.only === undefined)
    return Object.keys(PARTS).filter((part) =>
      values.node === undefined ? !EXTRA.has(part) || (quick && part === 'memory') : part in ELSEWHERE,
    );
  const known = Object.keys(values.node === undefined ? PARTS : ELSEWHERE);
  if (known.includes(values.only)) return [values.only];
  throw new Error(`There is no part "${values.only}", only ${known.join(', ')}`);
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
console.log(`\n${text}`);

for (const { what, expected, seen, holds } of readResults().counts?.figures ?? []) {
  if (holds) continue;
  console.error(`${what}: ${seen}; expected: ${expected}`);
  process.exitCode = 1;
}
