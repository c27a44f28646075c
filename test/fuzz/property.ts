import { appendFileSync } from 'node:fs';
import { expect, jest } from '@jest/globals';
import * as fc from 'fast-check';

/**
 * The first seed, the same for everybody, so that a run that fails here fails anywhere; `FUZZ_SEED` tries others, and
 * `FUZZ_FACTOR` more. What failed is printed with its seed and path, the smallest case first; `FUZZ_PATH` begins with it.
 */
const SEED = Number(process.env['FUZZ_SEED'] ?? 20_260_728);
const FACTOR = Number(process.env['FUZZ_FACTOR'] ?? 1);
const PATH = process.env['FUZZ_PATH'];

/** A file that gets a line of JSON for each property that was tried; see `test/fuzz/run.js`. */
const REPORT = process.env['FUZZ_REPORT'];

/** The longest delay that a timer takes, in milliseconds. */
const LONGEST_TIMEOUT = 2 ** 31 - 1;

// A property is many tests in one.
jest.setTimeout(Math.min(120_000 * Math.max(FACTOR, 1), LONGEST_TIMEOUT));

/** Asserts that the property holds for this many arbitrary values. */
export function always<T>(numRuns: number, arbitrary: fc.Arbitrary<T>, holds: (value: T) => void): void {
  const start = performance.now();
  conclude(fc.check(fc.property(arbitrary, holds), parameters(numRuns)), start);
}

/** The same for what takes its time; one value after the other. */
export async function alwaysAsync<T>(
  numRuns: number,
  arbitrary: fc.Arbitrary<T>,
  holds: (value: T) => Promise<void>,
): Promise<void> {
  const start = performance.now();
  conclude(await fc.check(fc.asyncProperty(arbitrary, holds), parameters(numRuns)), start);
}

function parameters<T>(numRuns: number): fc.Parameters<T> {
  return { seed: SEED, numRuns: Math.ceil(numRuns * FACTOR), ...(PATH !== undefined && { path: PATH }) };
}

function conclude<T>(details: fc.RunDetails<T>, start: number): void {
  const message = details.failed ? fc.defaultReportMessage(details) : undefined;
  if (REPORT !== undefined) appendFileSync(REPORT, `${JSON.stringify(reportOf(details, start, message))}\n`);
  if (message !== undefined) throw new Error(message, { cause: details.errorInstance });
}

function reportOf<T>({ numRuns, numShrinks, counterexamplePath }: fc.RunDetails<T>, start: number, message?: string) {
  const { currentTestName: name } = expect.getState();
  const failure = message === undefined ? undefined : { message, path: counterexamplePath };
  return { name, inputs: numRuns + numShrinks, ms: performance.now() - start, failure };
}

/** A value of JSON, with the names and numbers that parsers trip over among the others. */
export const jsonValue: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 3, arbitrary: fc.jsonValue({ maxDepth: 3 }) },
  {
    weight: 2,
    arbitrary: fc.constantFrom<unknown>(null, true, false, 0, -0, -1, 1, 0.5, 2 ** 31, 2 ** 53, 1e30, Number.MAX_VALUE),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom<unknown>(
      '',
      ' ',
      'a',
      '__proto__',
      'constructor',
      '\0',
      '\ud800',
      '\u2028',
      [],
      {},
      [[]],
      [null],
      [''],
    ),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary' }) },
);

/** A name of a member, as likely as not one that objects have already. */
export const memberName: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(
    '__proto__',
    'constructor',
    'prototype',
    'toString',
    'valueOf',
    'hasOwnProperty',
    'length',
    '',
    ' ',
    '0',
  ),
  fc.string(),
  fc.string({ unit: 'binary' }),
);
