/**
 * `npm run fuzz -- --minutes=N [--seed=N] [name…]`: tries the properties of the tests in this folder for so long, one file after
 * the other, each for about the same time. A name such as `tokens` chooses a file. It tries at least what `npm test` tries, so
 * that few minutes may become more.
 *
 * Prints how many inputs each property had. Ends with 1 at the first that fails, with the smallest input that fails and the command
 * that tries this input again.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** The part of the session that may be left when no file is begun any more. */
const REST = 0.05;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { minutes: { type: 'string', default: '10' }, seed: { type: 'string' } },
});
const minutes = Number(values.minutes);
const seed = Number(values.seed ?? Date.now() % 1_000_000);
if (!(minutes > 0) || !Number.isInteger(seed))
  throw new Error('--minutes is a number above 0, --seed is a whole number');

const files = readdirSync(new URL('./', import.meta.url))
  .filter((name) => name.endsWith('.test.ts'))
  .map((name) => name.slice(0, -'.test.ts'.length));
const unknown = positionals.filter((name) => !files.includes(name));
if (unknown.length > 0)
  throw new Error(`there is no ${unknown.join(', ')} in test/fuzz, which has ${files.join(', ')}`);
const chosen = positionals.length === 0 ? files : positionals;

const reports = mkdtempSync(join(tmpdir(), 'fuzz-'));
const end = performance.now() + minutes * 60_000;

/** Inputs by property, and by file how long they took at the last time. */
const inputs = new Map();
const paces = new Map();

console.log(`${minutes} minutes with ${chosen.join(', ')}; seed ${seed}`);
try {
  process.exitCode = (await session()) ? 0 : 1;
} finally {
  rmSync(reports, { recursive: true, force: true });
}

/** Whether all properties hold: first as often as `npm test` tries them, then as often as the rest of the time allows. */
async function session() {
  for (let round = 0; round === 0 || end - performance.now() > REST * minutes * 60_000; round += 1) {
    for (const [index, file] of chosen.entries()) {
      const share = (end - performance.now()) / (chosen.length - index);
      const factor = round === 0 ? 1 : factorFor(file, share);
      if (!(await holds(file, seed + round, factor))) return false;
    }
  }
  const all = [...inputs.values()].reduce((sum, count) => sum + count, 0);
  for (const [name, count] of inputs) console.log(`${String(count).padStart(9)} ${name}`);
  console.log(`${String(all).padStart(9)} inputs, seed ${seed}: every property holds`);
  return true;
}

/** How many times as often as usual the properties of a file can be tried in so many milliseconds. */
function factorFor(file, milliseconds) {
  const { start, once } = paces.get(file);
  return Math.max(1, (milliseconds - start) / once);
}

async function holds(file, fuzzSeed, factor) {
  const report = join(reports, file);
  writeFileSync(report, '');
  const begin = performance.now();
  const { code, output } = await jest(file, { FUZZ_SEED: fuzzSeed, FUZZ_FACTOR: factor, FUZZ_REPORT: report });
  const tried = readFileSync(report, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
  for (const one of tried) add(`${file}: ${one.name}`, one.inputs);
  const took = tried.reduce((sum, { ms }) => sum + ms, 0);
  paces.set(file, { start: performance.now() - begin - took, once: Math.max(took / factor, 1) });
  if (code === 0) return true;
  const failed = tried.filter(({ failure }) => failure);
  if (failed.length === 0)
    console.log(`test/fuzz/${file}.test.ts failed, with FUZZ_SEED=${fuzzSeed} FUZZ_FACTOR=${factor}`);
  console.log(output);
  for (const one of failed) console.log(again(file, fuzzSeed, one));
  return false;
}

function add(name, more) {
  inputs.set(name, (inputs.get(name) ?? 0) + more);
}

/** The smallest input that fails, and how to try it again. */
function again(file, fuzzSeed, { name, failure }) {
  const pattern = name.replace(/[^\w ]/g, '.');
  const command = `FUZZ_SEED=${fuzzSeed} FUZZ_PATH=${failure.path} npm test -- test/fuzz/${file}.test.ts -t '^${pattern}$'`;
  return `${name}\n${failure.message}\n\nTry it again:\n${command}`;
}

/** Runs the tests of one file. */
async function jest(file, variables) {
  const flags = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'];
  const args = [...flags, 'node_modules/jest/bin/jest.js', '--runInBand', `test/fuzz/${file}.test.ts`];
  const env = {
    ...process.env,
    ...Object.fromEntries(Object.entries(variables).map(([key, value]) => [key, `${value}`])),
  };
  const child = spawn(process.execPath, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  return { code: await new Promise((resolve) => child.once('close', resolve)), output };
}
