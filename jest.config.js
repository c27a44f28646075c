/**
 * Jest in ESM mode (`NODE_OPTIONS=--experimental-vm-modules`, see the scripts of package.json).
 * SWC rather than tsc, because the tests run TypeScript as written; types are checked by `npm run typecheck`.
 * @type {import('jest').Config}
 */
export default {
  testEnvironment: 'node',
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.test.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: {
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true },
          target: 'es2023',
          keepClassNames: true,
        },
        module: { type: 'es6' },
      },
    ],
  },
  moduleNameMapper: {
    '^nestjs-mcp-auth$': '<rootDir>/lib/index.ts',
    '^nestjs-mcp-auth/testing$': '<rootDir>/lib/testing/index.ts',
    '^nestjs-mcp-auth/dev-server$': '<rootDir>/lib/dev-server/index.ts',
    '^nestjs-mcp-auth/sdk$': '<rootDir>/lib/sdk/index.ts',
    '^nestjs-mcp-auth/opentelemetry$': '<rootDir>/lib/opentelemetry/index.ts',
    '^nestjs-mcp-auth/redis$': '<rootDir>/lib/redis/index.ts',
    '^(\\.{1,2}/.*)\\.js$': '$1',
    // Published as CommonJS that requires the ESM packages of Nest 12, which Jest cannot do on Node 20; its package
    // holds the TypeScript source too. The samples and the packed apps of CI run it as published.
    '^@rekog/mcp-nest$': '<rootDir>/node_modules/@rekog/mcp-nest/src/index.ts',
  },
  transformIgnorePatterns: ['/node_modules/(?!@rekog/)'],
  // Jest would leave a core idle, and half of two is a lot.
  maxWorkers: '100%',
  // Node keeps the modules of every file that a worker has run. Near its limit of memory it only collects garbage.
  workerIdleMemoryLimit: '1GB',
  testTimeout: 20_000,
};
