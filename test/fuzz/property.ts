import { jest } from '@jest/globals';
import * as fc from 'fast-check';

/**
 * The first seed, the same for everybody, so that a run that fails here fails anywhere; `FUZZ_SEED` tries others, and
 * `FUZZ_FACTOR` more. What failed is printed with its seed and path, the smallest case first.
 */
const SEED = Number(process.env['FUZZ_SEED'] ?? 20_260_728);
const FACTOR = Number(process.env['FUZZ_FACTOR'] ?? 1);

// A property is many tests in one.
jest.setTimeout(120_000 * FACTOR);

/** Asserts that the property holds for this many arbitrary values. */
export function always<T>(numRuns: number, arbitrary: fc.Arbitrary<T>, holds: (value: T) => void): void {
  fc.assert(fc.property(arbitrary, holds), parameters(numRuns));
}

/** The same for what takes its time; one value after the other. */
export async function alwaysAsync<T>(
  numRuns: number,
  arbitrary: fc.Arbitrary<T>,
  holds: (value: T) => Promise<void>,
): Promise<void> {
  await fc.assert(fc.asyncProperty(arbitrary, holds), parameters(numRuns));
}

function parameters(numRuns: number): fc.Parameters<unknown> {
  return { seed: SEED, numRuns: Math.ceil(numRuns * FACTOR) };
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
