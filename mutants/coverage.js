/** Which mutants each file of tests reaches. Kept until the tests or the files of the mutants change. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { answersTo } from './child.js';
import { CACHE, filesIn, hashOf, read } from './places.js';

/** Files of tests in one process: a new one costs seconds, and an old one memory. */
const BATCH = 4;

/** Of the files of tests that fit a pattern. It is found out again where it is out of date for one of the chosen files. */
export async function coverageOf(chosen, sources, { pattern, isKnownOnly }) {
  const testFiles = filesIn('test', '.test.ts').filter((file) => pattern.test(file));
  const isCurrent = (file) => {
    const kept = keptFor(file);
    return kept?.test === hashOf(read(file)) && chosen.every(({ name, hash }) => kept.sources[name] === hash);
  };
  const stale = isKnownOnly ? [] : testFiles.filter((file) => !isCurrent(file));
  for (let at = 0; at < stale.length; at += BATCH) {
    console.log(`which mutants tests reach: ${at} of ${stale.length} files`);
    await runTests(stale.slice(at, at + BATCH), sources);
  }
  return testFiles.filter(isCurrent).map(keptFor);
}

async function runTests(files, sources) {
  const found = await answersTo({ isCoverage: true }, files);
  const hashes = Object.fromEntries(sources.map(({ name, hash }) => [name, hash]));
  for (const file of files) {
    const answer = found.find((one) => one.file === file);
    // The next run tries it again.
    if (!answer) console.log(`  ${file} did not run with mutants in the source: its tests are left out`);
    else keep({ file, test: hashOf(read(file)), sources: hashes, ...answer });
  }
}

function placeFor(file) {
  return join(CACHE, 'coverage', `${file.replaceAll('/', '+')}.json`);
}

function keep(coverage) {
  mkdirSync(join(CACHE, 'coverage'), { recursive: true });
  writeFileSync(placeFor(coverage.file), JSON.stringify(coverage));
}

function keptFor(file) {
  return existsSync(placeFor(file)) ? JSON.parse(readFileSync(placeFor(file), 'utf8')) : undefined;
}
