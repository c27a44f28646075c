import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';

const fileOf = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** What the script asks of npm, whose place another program takes. That program fails if its arguments match. */
async function runOf(
  names: readonly string[],
  failing = 'nothing',
): Promise<{ asked: string[]; status: number | null }> {
  const folder = await mkdtemp(join(tmpdir(), 'nightly-'));
  try {
    const npm = `#!/bin/sh\necho "$@"\ncase "$*" in *"${failing}"*) exit 7;; esac\n`;
    await writeFile(join(folder, 'npm'), npm, { mode: 0o755 });
    const env = { ...process.env, PATH: `${folder}${delimiter}${process.env['PATH']}` };
    const { stdout, status } = spawnSync('bash', [fileOf('.ci/nightly'), ...names], { env, encoding: 'utf8' });
    return { asked: stdout.trim().split('\n'), status };
  } finally {
    await rm(folder, { recursive: true });
  }
}

describe('.ci/nightly', () => {
  const WHOLE_LAB = 'run --silent lab -- --check --all';

  it('runs all tests on the current Node and the whole lab, and writes no results', async () => {
    const { asked, status } = await runOf([]);
    expect(asked).toEqual([expect.stringMatching(/^install .* node@latest$/), 'test -- --ci', WHOLE_LAB]);
    expect(status).toBe(0);
  });

  it('runs what is named', async () => {
    const run = { asked: ['run --silent lab -- --check hydra client:go'], status: 0 };
    expect(await runOf(['hydra', 'client:go'])).toEqual(run);
  });

  it('runs the lab even if tests fail, and fails then, too', async () => {
    const { asked, status } = await runOf([], 'test --');
    expect(asked.at(-1)).toBe(WHOLE_LAB);
    expect(status).toBe(1);
    expect(await runOf(['hydra'], 'lab')).toMatchObject({ status: 1 });
  });

  it('is what the workflow runs each night, and by hand with names', async () => {
    const workflow = await readFile(fileOf('.github/workflows/nightly.yml'), 'utf8');
    expect(workflow).toMatch(/^ {2}schedule:\n {4}- cron: '[\d ]+\* \* \*'$/m);
    expect(workflow).toMatch(/^ {10}NAMES: \$\{\{ inputs\.names \}\}$/m);
    expect(workflow).toMatch(/^ {8}run: bash \.ci\/nightly \$NAMES$/m);
  });
});
