/** Mutants that take effect while a file loads need a process each, with the mutant active from the beginning. */
import { answersTo } from './child.js';
import { STATES } from './results.js';

/** Files of tests that try such a mutant: those that reach the most of its file, and the quickest of these. */
const FILES = 4;

/** No mutant has this id: a file of tests runs as it is. */
const NO_MUTANT = 'none';

/** A mutant that none of the files of tests loads keeps its state. */
export async function judgeAtLoad(coverage, mutants, onJudged) {
  const passing = new Map();
  const passesWithout = async (file) => {
    if (!passing.has(file)) passing.set(file, await passes(file, NO_MUTANT));
    return passing.get(file);
  };
  for (const mutant of mutants) {
    const all = filesFor(mutant, coverage);
    const files = [];
    for (const file of all) if (files.length < FILES && (await passesWithout(file))) files.push(file);
    if (files.length === 0) continue;
    const state = (await haveFailure(files, mutant)) ? STATES.killed : STATES.survived;
    console.log(`${mutant.id} (${mutant.line}): ${state}`);
    onJudged(mutant, state, state === STATES.survived ? [files.length, all.length, 'files of tests'] : undefined);
  }
}

async function haveFailure(files, { id }) {
  for (const file of files) if (!(await passes(file, id))) return true;
  return false;
}

/** Without an answer, the file of tests could not even be loaded. */
async function passes(file, id) {
  const [answer] = await answersTo({ loaded: id }, [file]);
  return answer !== undefined && answer.killedBy === undefined;
}

function filesFor({ id, file }, coverage) {
  const reachedOf = ({ reached }) => Object.keys(reached).filter((one) => one.startsWith(`${file}#`)).length;
  const costOf = ({ tests }) => tests.reduce((sum, ms) => sum + ms, 3_000);
  return coverage
    .filter(({ atLoad, reached }) => atLoad.includes(id) || reached[id])
    .map((one) => ({ file: one.file, worth: (1 + reachedOf(one)) / costOf(one) }))
    .toSorted((one, other) => other.worth - one.worth)
    .map((one) => one.file);
}
