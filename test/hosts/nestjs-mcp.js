/**
 * `@nestjs-mcp/server` as a host, which needs Nest 11: installs the packed library into `sample/15-nestjs-mcp`, lets the sample
 * check itself, and checks what the framework does with handlers of every kind (`nestjs-mcp/checks.ts`).
 */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { root } from '../support/own-application.js';
import { runInOwnApp } from './own-app/run.js';

const here = dirname(fileURLToPath(import.meta.url));

runInOwnApp({
  name: 'nestjs-mcp',
  folders: [join(root, 'sample', '15-nestjs-mcp'), join(here, 'nestjs-mcp')],
  script: 'build',
  checks: (check) => {
    check('the sample checks itself', ['dist/check.js']);
    check('handlers of every kind', ['dist/checks/checks.js']);
    check('the transport HTTP+SSE', ['dist/checks/sse.js']);
  },
});
