/** Writes RESULTS.md from `results/` and `equivalents.json`. */
import { writeFileSync } from 'node:fs';
import { equivalentOf, EQUIVALENTS } from './equivalents.js';
import { FOLDERS } from './places.js';
import { Results, STATES } from './results.js';

const PAGE = new URL('RESULTS.md', import.meta.url);

export function writePage(sources) {
  const folders = FOLDERS.map((folder) => summaryOf(folder, sources));
  writeFileSync(PAGE, `${pageOf(folders)}\n`);
  for (const one of EQUIVALENTS) if (!folders.some(({ equal }) => equal.some(({ entry }) => entry === one))) warn(one);
}

/** An entry that fits no survivor is out of date. */
function warn({ file, original, replacement }) {
  console.log(`equivalents.json: no survivor in ${file} changes ${original} to ${replacement}`);
}

function summaryOf(folder, sources) {
  const own = sources.filter(({ name }) => name.startsWith(`lib/${folder}/`));
  const results = new Results(folder, own);
  const mutants = own.flatMap((source) => source.mutants);
  const inState = (...states) => mutants.filter((mutant) => states.includes(results.stateOf(mutant)));
  const alive = inState(STATES.survived, STATES.unreached).map((mutant) => ({
    mutant,
    tests: results.testsOf(mutant) ?? [0, 0],
    entry: equivalentOf(mutant),
  }));
  return {
    folder,
    results,
    mutants,
    killed: inState(STATES.killed, STATES.hangs),
    atLoad: inState(STATES.atLoad),
    notRun: inState(STATES.notRun),
    equal: alive.filter(({ entry }) => entry),
    survivors: alive.filter(({ entry }) => !entry),
  };
}

function pageOf(folders) {
  return [
    '# Results of the mutation tests',
    '',
    '`npm run mutants` writes this page. [README.md](README.md) says what the words mean.',
    '',
    '| folder | mutants | killed | survived | equivalent | at load only | not yet run | score | run |',
    '|---|---|---|---|---|---|---|---|---|',
    ...folders.map(rowOf),
    '',
    ...folders.flatMap(survivorsOf),
    ...equivalentsOf(folders.flatMap(({ equal }) => equal)),
  ]
    .join('\n')
    .trimEnd();
}

function rowOf(summary) {
  const { folder, mutants, killed, survivors, equal, atLoad, notRun } = summary;
  const counts = [mutants, killed, survivors, equal, atLoad, notRun].map((list) => list.length);
  return `| \`${folder}\` | ${counts.join(' | ')} | ${scoreOf(summary)} | ${runOf(summary)} |`;
}

function scoreOf({ killed, survivors }) {
  const judged = killed.length + survivors.length;
  return judged === 0 ? '–' : `${((100 * killed.length) / judged).toFixed(1)} % of ${judged}`;
}

function runOf({ results, notRun }) {
  if (!results.date) return 'not yet run';
  const pace = `${(results.seconds / Math.max(1, results.judged)).toFixed(2)} s a mutant`;
  const part = notRun.length === 0 ? '' : `, ${partOf(results.sample)}`;
  const [known, all] = results.testFiles ?? [0, 0];
  const tests = known < all ? `, the last time with ${known} of ${all} files of tests` : '';
  return `${results.date}${part}${tests}, ${pace}`;
}

function partOf(sample) {
  return sample ? `a random sample of ${sample.size}, seed ${sample.seed}` : 'not finished';
}

function survivorsOf({ folder, survivors }) {
  if (survivors.length === 0) return [];
  return [`## Survivors in \`${folder}\``, '', ...survivors.map(lineOf), ''];
}

function lineOf({ mutant, tests: [ran, reach, what = 'tests'] }) {
  const tried = reach === 0 ? 'no test that was run reaches it' : `${ran} of ${reach} ${what}`;
  return `- \`${mutant.file}:${mutant.line}\` ${changeOf(mutant)}; ${tried}`;
}

function changeOf({ original, replacement }) {
  return `${code(original)} becomes ${code(replacement)}`;
}

function code(text) {
  const line = text.replaceAll(/\s+/g, ' ');
  const short = line.length > 90 ? `${line.slice(0, 60)} … ${line.slice(-25)}` : line;
  return short.includes('`') ? `\`\` ${short} \`\`` : `\`${short || ' '}\``;
}

function equivalentsOf(equal) {
  if (equal.length === 0) return [];
  const lines = equal.map(
    ({ mutant, entry }) => `- \`${mutant.file}:${mutant.line}\` ${changeOf(mutant)}. ${entry.reason}`,
  );
  return ['## Equivalent', '', 'No test can tell these from the code as it is.', '', ...lines, ''];
}
