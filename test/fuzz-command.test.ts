import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';

const COMMAND = fileURLToPath(new URL('fuzz/run.js', import.meta.url));

/** Runs `npm run fuzz`. */
function fuzz(...args: string[]): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [COMMAND, ...args], (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, output: stdout + stderr });
    });
  });
}

describe('npm run fuzz', () => {
  it('tries the properties of a file at least as often as npm test does, and prints how often', async () => {
    const { code, output } = await fuzz('--minutes=0.001', '--seed=7', 'challenges');
    expect(output).toMatch(/^ +1000 challenges: any challenge parses strictly/m);
    expect(output).toMatch(/^ +2500 inputs, seed 7: every property holds$/m);
    expect(code).toBe(0);
  });

  it.each([
    ['a file that is not there', ['chalenges'], 'there is no chalenges in test/fuzz, which has answers, bodies, '],
    ['no time', ['--minutes=0'], '--minutes is a number above 0'],
    ['an invalid seed', ['--seed=x'], '--seed is a whole number'],
  ])('refuses %s', async (_what, args, message) => {
    const { code, output } = await fuzz(...args);
    expect(output).toContain(message);
    expect(code).toBe(1);
  });
});
