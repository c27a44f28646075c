import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { show } from '../demo-client/show.js';

const SAMPLE = '11-testing-your-app';
const root = fileURLToPath(new URL('../../../', import.meta.url));

/** Runs a test runner, and returns its result for each test. */
function outputOf(...args: string[]): string[] {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
  const output = `${stdout}${stderr}`;
  assert.equal(status, 0, output);
  return output.split('\n').filter((line) => line.includes('✔') || line.includes('✓'));
}

await show(async ({ step }) => {
  await step('Jest, on the sources', () => {
    const config = `sample/${SAMPLE}/jest.config.js`;
    return outputOf(
      '--experimental-vm-modules',
      'node_modules/jest/bin/jest.js',
      '--config',
      config,
      '--verbose',
      '--runInBand',
    );
  });
  await step('The test runner of Node.js, on the compiled application', () =>
    outputOf('--test', '--test-reporter=spec', `build/sample/${SAMPLE}/app.node-test.js`),
  );
}, 120);
