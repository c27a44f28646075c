/** The state of every mutant, one letter each in the order of the file, in `results/<folder>.json`. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { RESULTS } from './places.js';

export const STATES = {
  killed: 'K',
  /** The tests did not end with it. */
  hangs: 'T',
  survived: 'S',
  /** No test reaches it. */
  unreached: 'N',
  /** It is reached only while the file loads. */
  atLoad: 'L',
  notRun: '-',
};

/** The results of a folder. A file that has changed since begins anew. */
export class Results {
  constructor(folder, sources) {
    this.folder = folder;
    this.path = join(RESULTS, `${folder}.json`);
    const kept = existsSync(this.path) ? JSON.parse(readFileSync(this.path, 'utf8')) : {};
    this.date = kept.date;
    this.sample = kept.sample;
    this.testFiles = kept.testFiles;
    this.seconds = kept.seconds ?? 0;
    this.judged = kept.judged ?? 0;
    this.files = new Map(
      sources.map(({ name, hash, mutants }) => {
        const before = kept.files?.[name];
        const isSame = before?.hash === hash && before.states.length === mutants.length;
        return [name, isSame ? before : { hash, states: STATES.notRun.repeat(mutants.length), tests: {} }];
      }),
    );
  }

  stateOf({ file, number }) {
    return this.files.get(file).states[number];
  }

  /** How many tests ran with a mutant that survived, and how many reach it. */
  testsOf({ file, number }) {
    return this.files.get(file).tests[number];
  }

  set({ file, number }, state, tests) {
    const result = this.files.get(file);
    result.states = result.states.slice(0, number) + state + result.states.slice(number + 1);
    delete result.tests[number];
    if (tests) result.tests[number] = tests;
  }

  save() {
    mkdirSync(RESULTS, { recursive: true });
    const { date, sample, testFiles, seconds, judged } = this;
    const files = Object.fromEntries(this.files);
    const content = { date, sample, testFiles, seconds: Math.round(seconds), judged, files };
    writeFileSync(this.path, `${JSON.stringify(content, null, 1)}\n`);
  }
}
