import { join } from 'node:path';
import { run } from '../../machine/processes.js';
import { copyProgram } from './programs.js';

const VERSION = '1.8.0';

/** `programs/go/go.mod` has the version, too. @type {import('../run-client.js').McpClient} */
export const go = {
  name: 'go-sdk',
  version: VERSION,
  protocols: ['2025-06-18', '2025-11-25', '2026-07-28'],
  hasDocuments: true,
  install() {
    const folder = copyProgram('go', `go-${VERSION}`);
    run('go', ['build', '-o', 'client', '.'], { cwd: folder });
    return { command: join(folder, 'client'), args: [] };
  },
};
