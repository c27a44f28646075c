/** Mutants that take effect while a file loads need a process each, with the mutant active from the beginning. */
import { answersTo } from './child.js';
import { STATES } from './results.js';

/** Files of tests that try such a mutant: those that reach the most of its file, and the quickest of these. */
const FILES = 4;

export async function judgeAtLoad(coverage, mutants, onJudged) {
  for (const mutant of mutants) {
    const state = await stateOf(mutant, filesFor(mutant, coverage));
    console.log(`${mutant.id} (${mutant.line}): ${state}`);
    onJudged(mutant, state, state === STATES.survived ? [FILES, FILES] : undefined);
  }
}

async function stateOf(mutant, files) {
  for (const file of files) {
    const [answer] = await answersTo({ loaded: mutant.id }, [file]);
    // Without an answer, the file of tests could not even be loaded.
    if (!answer || answer.killedBy) return STATES.killed;
  }
  return STATES.survived;
}

function filesFor({ id, file }, coverage) {
  const reachedOf = ({ reached }) => Object.keys(reached).filter((one) => one.startsWith(`${file}#`)).length;
  const costOf = ({ tests }) => tests.reduce((sum, ms) => sum + ms, 3_000);
  return coverage
    .filter(({ atLoad }) => atLoad.includes(id))
    .map((one) => ({ file: one.file, worth: (1 + reachedOf(one)) / costOf(one) }))
    .toSorted((one, other) => other.worth - one.worth)
    .slice(0, FILES)
    .map((one) => one.file);
}
