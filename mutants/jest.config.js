import { fileURLToPath } from 'node:url';
import base from '../jest.config.js';

const [[sources, [, swc]]] = Object.entries(base.transform);

/** The configuration of the tests, with mutants in the source and an environment that runs tests again for each of them. */
export default {
  ...base,
  rootDir: fileURLToPath(new URL('..', import.meta.url)),
  transform: { [sources]: ['<rootDir>/mutants/transform.js', swc] },
  testEnvironment: '<rootDir>/mutants/environment.js',
  cacheDirectory: '<rootDir>/mutants/.cache/jest',
  workerIdleMemoryLimit: undefined,
  reporters: ['<rootDir>/mutants/quiet-reporter.js'],
};
