/** A process of Jest that runs files of tests with the environment of this folder, and is ended when it is silent. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CACHE, ROOT } from './places.js';

/** Milliseconds without an answer after which a process hangs. One mutant may take 5 s and then the rest of a test. */
const SILENCE_MS = { coverage: 300_000, mutants: 60_000 };

/** A tenth of the arbitrary values: each mutant runs a test of properties again. */
const FUZZ_FACTOR = '0.1';

const FLAGS = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'];

/** The answers of the environment to a job, in order. */
export async function answersTo(job, testFiles) {
  mkdirSync(CACHE, { recursive: true });
  const jobFile = join(CACHE, `job-${process.pid}.json`);
  const answers = join(CACHE, `answers-${process.pid}.jsonl`);
  rmSync(answers, { force: true });
  writeFileSync(jobFile, JSON.stringify({ ...job, answers }));
  await finished(jest(jobFile, testFiles), answers, job.isCoverage ? SILENCE_MS.coverage : SILENCE_MS.mutants);
  const lines = existsSync(answers) ? parseLines(readFileSync(answers, 'utf8')) : [];
  for (const file of [jobFile, answers]) rmSync(file, { force: true });
  return lines;
}

function jest(jobFile, testFiles) {
  const script = join(ROOT, 'node_modules/jest/bin/jest.js');
  const options = ['-c', 'mutants/jest.config.js', '--runInBand', '--forceExit', '--runTestsByPath', ...testFiles];
  return spawn(process.execPath, [...FLAGS, script, ...options], {
    cwd: ROOT,
    stdio: 'ignore',
    env: { FUZZ_FACTOR, ...process.env, MUTANTS_JOB: jobFile },
  });
}

async function finished(child, answers, silence) {
  let length = -1;
  let lastChange = Date.now();
  const watching = setInterval(() => {
    const now = existsSync(answers) ? readFileSync(answers).length : 0;
    if (now !== length) lastChange = Date.now();
    length = now;
    if (Date.now() - lastChange > silence) child.kill('SIGKILL');
  }, 1_000);
  const endWith = () => child.kill('SIGKILL');
  process.once('exit', endWith);
  await new Promise((resolve) => child.once('exit', resolve));
  process.off('exit', endWith);
  clearInterval(watching);
}

function parseLines(text) {
  // A process that was ended may leave half a line.
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}
