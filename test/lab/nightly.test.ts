import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';

const fileOf = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** What the script asks npm for, in which another program takes the place of npm. */
async function commandOf(names: readonly string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'nightly-'));
  try {
    await writeFile(join(folder, 'npm'), '#!/bin/sh\necho "$@"\n', { mode: 0o755 });
    const env = { ...process.env, PATH: `${folder}${delimiter}${process.env['PATH']}` };
    return spawnSync('bash', [fileOf('.ci/nightly'), ...names], { env, encoding: 'utf8' }).stdout.trim();
  } finally {
    await rm(folder, { recursive: true });
  }
}

describe('.ci/nightly', () => {
  it.each([
    ['the whole lab, and writes nothing', [], 'run --silent lab -- --check --all'],
    ['what is named', ['hydra', 'client:go'], 'run --silent lab -- --check hydra client:go'],
  ])('runs %s', async (_what, names, command) => {
    expect(await commandOf(names)).toBe(command);
  });

  it('is what the workflow runs each night, and by hand with names', async () => {
    const workflow = await readFile(fileOf('.github/workflows/nightly.yml'), 'utf8');
    expect(workflow).toMatch(/^ {2}schedule:\n {4}- cron: '[\d ]+\* \* \*'$/m);
    expect(workflow).toMatch(/^ {10}NAMES: \$\{\{ inputs\.names \}\}$/m);
    expect(workflow).toMatch(/^ {8}run: bash \.ci\/nightly \$NAMES$/m);
  });
});
