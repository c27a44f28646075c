import { join } from 'node:path';
import { run } from '../../machine/processes.js';
import { copyProgram } from './programs.js';

const VERSION = '3.11.0';

/** `programs/rust/Cargo.toml` has the version, too. @type {import('../run-client.js').McpClient} */
export const rust = {
  name: 'rmcp (Rust)',
  version: VERSION,
  protocols: ['2025-06-18', '2025-11-25', '2026-07-28'],
  hasDocuments: true,
  install() {
    const folder = copyProgram('rust', `rust-${VERSION}`);
    run('cargo', ['build', '--quiet', '--locked'], { cwd: folder });
    return { command: join(folder, 'target/debug/rmcp-client'), args: [] };
  },
};
