/**
 * Runs the tests of a file as Jest does, notes which mutants each test reaches, and then, in the same process, runs them
 * again for each mutant of the job. Loading a file takes seconds and a test milliseconds: this is what makes it bearable.
 * The file named by `MUTANTS_JOB` has the job; what is found goes to its `answers`, line by line.
 */
import { appendFileSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { TestEnvironment } from 'jest-environment-node';
import { ROOT } from './places.js';
import { reachedBy } from './reached.js';
import { TestsAgain } from './tests-again.js';

/** How often a mutant may be reached in one test: a loop that ends no more would block the process. */
const HIT_LIMIT = 200_000;

/** Milliseconds for all tests of the file with one mutant. */
const MUTANT_BUDGET_MS = 5_000;

export default class MutantEnvironment extends TestEnvironment {
  constructor(config, context) {
    super(config, context);
    this.testFile = relative(ROOT, context.testPath);
  }

  async setup() {
    await super.setup();
    this.job = JSON.parse(readFileSync(process.env.MUTANTS_JOB, 'utf8'));
    this.switch = this.global.__stryker__ = {
      mutantCoverage: { static: {}, perTest: {} },
      activeMutant: this.job.loaded,
      hitCount: 0,
      hitLimit: HIT_LIMIT,
    };
  }

  async handleTestEvent(event, state) {
    if (event.name === 'error') this.uncaught = event.error;
    else if (event.name === 'run_start') this.#start(state);
    else if (event.name === 'test_start') this.#note(String(this.tests.all.indexOf(event.test)));
    else if (event.name === 'hook_start' && event.hook.type === 'beforeAll')
      this.#note(`in ${this.tests.idOf(event.hook.parent)}`);
    else if (['test_done', 'hook_success', 'hook_failure'].includes(event.name)) this.#noteEnd(event);
    else if (event.name === 'run_finish') await this.#finish(state);
  }

  #start(state) {
    this.tests = new TestsAgain(state.rootDescribeBlock, () => this.uncaught);
    this.atLoad = Object.keys(this.switch.mutantCoverage.static);
    this.switch.mutantCoverage.static = {};
  }

  #note(id) {
    this.switch.currentTestId = id;
  }

  #noteEnd(event) {
    if (event.name === 'test_done' || event.hook.type === 'beforeAll') this.switch.currentTestId = undefined;
  }

  async #finish(state) {
    this.switch.currentTestId = undefined;
    await this.#enterTestCode(state);
    if (this.job.isCoverage)
      this.#answer({ file: this.testFile, ...reachedBy(this.tests, this.switch.mutantCoverage, this.atLoad) });
    else if (this.job.loaded) this.#answer({ id: this.job.loaded, killedBy: this.tests.firstFailed() });
    else for (const mutant of this.job.mutants) if (!(await this.#tryMutant(mutant))) return;
  }

  /** Jest refuses fake timers and `import()` outside of tests and hooks, so it is told that a hook starts. */
  async #enterTestCode(state) {
    for (const handler of this.global[Symbol.for('EVENT_HANDLERS')])
      await handler({ name: 'hook_start', hook: {} }, state);
  }

  /** Whether the process is still as it was before: if not, another has to go on. */
  async #tryMutant({ id, tests }) {
    this.#answer({ started: id });
    const start = performance.now();
    let ran = 0;
    for (const test of tests) {
      if (performance.now() - start > MUTANT_BUDGET_MS) break;
      if (!(await this.#passesWithout(test))) continue;
      ran += 1;
      if (await this.#passes(test, id)) continue;
      const isIntact = await this.#passes(test, undefined);
      // A test that fails without the mutant too has found nothing: the next process tries the mutant again.
      this.#answer(isIntact ? { id, killedBy: this.tests.nameOf(test), ran } : { broken: id, test });
      return isIntact;
    }
    this.#answer({ id, ran });
    return true;
  }

  /** Whether the test passes a second time in this process. It is found out once, before the test judges a mutant. */
  async #passesWithout(test) {
    this.repeatable ??= new Map();
    if (!this.repeatable.has(test)) this.repeatable.set(test, await this.#passes(test, undefined));
    return this.repeatable.get(test);
  }

  async #passes(test, mutant) {
    this.uncaught = undefined;
    this.switch.hitCount = 0;
    this.switch.activeMutant = mutant;
    try {
      return await this.tests.passes(test);
    } finally {
      this.switch.activeMutant = undefined;
    }
  }

  #answer(answer) {
    appendFileSync(this.job.answers, `${JSON.stringify(answer)}\n`);
  }
}
