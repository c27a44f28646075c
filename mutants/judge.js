/** Runs the tests that reach the mutants until a test fails for each, or none is left. */
import { answersTo } from './child.js';
import { STATES } from './results.js';

/** What the start of a process and the loading of a file of tests cost, in milliseconds; only the order depends on it. */
const LOAD_MS = 3_000;

export class Judge {
  constructor(coverage, mutants, { maxFiles, isComplete, onJudged }) {
    this.coverage = coverage;
    this.maxFiles = maxFiles;
    /** Whether all tests are there: a mutant that none of some tests reaches is not judged. */
    this.isComplete = isComplete;
    this.onJudged = onJudged;
    this.open = new Map(mutants.map((mutant) => [mutant.id, { mutant, tried: new Set(), ran: 0 }]));
  }

  async run() {
    this.#setAside();
    for (let next = this.#next(); next; next = this.#next()) {
      console.log(`${this.open.size} open; ${next.candidates.length} with ${next.coverage.file}`);
      await this.#tryWith(next);
    }
    for (const { mutant, ran } of this.open.values()) {
      this.onJudged(mutant, STATES.survived, [ran, this.#countOf(mutant.id)]);
    }
  }

  /** Those that no test reaches, and those that are reached only while a file loads. */
  #setAside() {
    for (const [id, { mutant }] of this.open) {
      if (this.coverage.some(({ reached }) => reached[id])) continue;
      const isLoaded = this.coverage.some(({ atLoad }) => atLoad.includes(id));
      if (isLoaded) this.#close(mutant, STATES.atLoad);
      else if (this.isComplete) this.#close(mutant, STATES.unreached);
      else this.open.delete(id);
    }
  }

  /** The file of tests that judges the most mutants in the least time. */
  #next() {
    let best;
    for (const coverage of this.coverage) {
      const candidates = [...this.open.values()].filter(
        ({ mutant, tried }) => coverage.reached[mutant.id] && !tried.has(coverage.file) && tried.size < this.maxFiles,
      );
      const cost = candidates.reduce((sum, { mutant }) => sum + costOf(coverage, mutant.id), LOAD_MS);
      const worth = candidates.length / cost;
      if (candidates.length > 0 && worth > (best?.worth ?? 0)) best = { coverage, candidates, worth };
    }
    return best;
  }

  async #tryWith({ coverage, candidates }) {
    let left = candidates.map(({ mutant }) => mutant.id);
    while (left.length > 0) {
      const mutants = left.map((id) => ({ id, tests: coverage.reached[id] }));
      const answers = await answersTo({ mutants }, [coverage.file]);
      const done = this.#take(answers, coverage.file, left[0]);
      if (done.size === 0) done.add(left[0]);
      for (const id of done) this.open.get(id)?.tried.add(coverage.file);
      left = left.filter((id) => !done.has(id));
    }
  }

  /** Reads the answers of a process; returns the mutants that need no other process with this file. */
  #take(answers, file, first) {
    const done = new Set();
    for (const { id, ran, killedBy, broken } of answers) {
      // The first mutant of a process found everything as it must be: what broke is its own doing.
      if (killedBy || broken === first) this.#close(this.open.get(id ?? broken).mutant, STATES.killed);
      else if (id) this.open.get(id).ran += ran;
      if (id || broken === first) done.add(id ?? broken);
    }
    const last = answers.at(-1);
    if (last?.started) {
      // The process ended with this mutant active: it hung, or it fell.
      this.#close(this.open.get(last.started).mutant, STATES.hangs);
      done.add(last.started);
    }
    return done;
  }

  #close(mutant, state) {
    this.open.delete(mutant.id);
    this.onJudged(mutant, state);
  }

  #countOf(id) {
    return this.coverage.reduce((sum, { counts }) => sum + (counts[id] ?? 0), 0);
  }
}

function costOf({ tests, reached }, id) {
  return 10 + 2 * tests[reached[id][0]];
}
