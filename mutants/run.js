/**
 * `npm run mutants -- [<folder or file of lib>…]`: changes the library in one place at a time and looks whether a test fails.
 * Goes on where the last run ended; writes `results/` and `RESULTS.md` beside this file. See README.md.
 */
import { parseArgs } from 'node:util';
import { coverageOf } from './coverage.js';
import { equivalentOf } from './equivalents.js';
import { instrumentAll } from './instrument.js';
import { Judge } from './judge.js';
import { judgeAtLoad } from './judge-at-load.js';
import { writePage } from './page.js';
import { filesIn, FOLDERS } from './places.js';
import { Results, STATES } from './results.js';
import { sampleOf } from './sample.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    sample: { type: 'string' },
    seed: { type: 'string', default: '1' },
    survivors: { type: 'boolean' },
    load: { type: 'boolean' },
    files: { type: 'string', default: '12' },
    tests: { type: 'string', default: '' },
    coverage: { type: 'boolean' },
    known: { type: 'boolean' },
    page: { type: 'boolean' },
    list: { type: 'boolean' },
  },
});

// The processes of a run end with it.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

const sources = await instrumentAll();
const chosen = sources.filter(({ name }) => isChosen(name));
const folders = FOLDERS.filter((folder) => chosen.some(({ name }) => isIn(folder, name)));
if (folders.length === 0) throw new Error(`No file of lib begins with one of ${positionals.join(', ')}`);
if (values.list) listSurvivors();
const sample = { size: Number(values.sample), seed: Number(values.seed) };
const pattern = new RegExp(values.tests);
const isPageOnly = values.page || values.list;
const coverage = isPageOnly ? [] : await coverageOf(chosen, sources, { pattern, isKnownOnly: values.known });
if (!isPageOnly && !values.coverage) for (const folder of folders) await runFolder(folder);
writePage(sources);

async function runFolder(folder) {
  const own = sources.filter(({ name }) => isIn(folder, name));
  const results = new Results(folder, own);
  const mutants = chosenMutants(own, results);
  const testFiles = filesIn('test', '.test.ts').length;
  results.testFiles = [coverage.length, testFiles];
  const start = performance.now();
  const before = results.seconds;
  const onJudged = (mutant, state, tests) => {
    results.set(mutant, state, tests);
    if (tests || state === STATES.killed || state === STATES.hangs) results.judged += 1;
    results.seconds = before + (performance.now() - start) / 1_000;
    results.date = new Date().toISOString().slice(0, 10);
    results.save();
  };
  console.log(`${folder}: ${mutants.length} mutants`);
  if (values.load) await judgeAtLoad(coverage, mutants, onJudged);
  else
    await new Judge(coverage, mutants, {
      maxFiles: Number(values.files),
      isComplete: !values.known && !values.tests,
      onJudged,
    }).run();
  if (values.sample)
    results.sample = mutants.some((mutant) => results.stateOf(mutant) === STATES.notRun) ? undefined : sample;
  results.save();
}

/** Those without a result; with `--survivors` also the unexplained survivors; with `--load` those that are reached at load. */
function chosenMutants(own, results) {
  const states = values.load ? [STATES.atLoad] : [STATES.notRun, STATES.unreached];
  const isAgain = (mutant) => values.survivors && !values.load && isSurvivor(mutant, results) && !equivalentOf(mutant);
  // A test may reach it since it was set aside.
  const isReached = (mutant) =>
    !values.load && results.stateOf(mutant) === STATES.atLoad && coverage.some(({ reached }) => reached[mutant.id]);
  const all = own.flatMap(({ mutants }) => mutants);
  const some = values.sample ? sampleOf(all, sample) : all;
  return some.filter(
    (mutant) =>
      isChosen(mutant.file) && (states.includes(results.stateOf(mutant)) || isAgain(mutant) || isReached(mutant)),
  );
}

/** As `equivalents.json` names them. */
function listSurvivors() {
  for (const folder of folders) {
    const own = chosen.filter(({ name }) => isIn(folder, name));
    const results = new Results(folder, own);
    for (const mutant of own.flatMap(({ mutants }) => mutants)) {
      if (!isSurvivor(mutant, results) || equivalentOf(mutant)) continue;
      const { file, line, context, original, replacement } = mutant;
      console.log(`${file}:${line}`, JSON.stringify({ file, context, original, replacement }));
    }
  }
}

function isSurvivor(mutant, results) {
  return [STATES.survived, STATES.unreached].includes(results.stateOf(mutant));
}

function isIn(folder, name) {
  return name.startsWith(`lib/${folder}/`);
}

function isChosen(name) {
  return (
    positionals.length === 0 || positionals.some((one) => `${name}/`.startsWith(`lib/${one.replace(/^lib\//, '')}`))
  );
}
