/** `@nestjs-mcp/server` as a host, which needs Nest 11: checks what it does with handlers of every kind (`nestjs-mcp/checks.ts`). */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runInOwnApp } from './own-app/run.js';

const here = dirname(fileURLToPath(import.meta.url));

runInOwnApp({
  name: 'nestjs-mcp',
  folders: [join(here, 'nestjs-mcp', 'app'), join(here, 'nestjs-mcp', 'checks')],
  script: 'build',
  checks: (check) => {
    check('handlers of every kind', ['dist/checks.js']);
    check('the transport HTTP+SSE', ['dist/sse.js']);
  },
});
