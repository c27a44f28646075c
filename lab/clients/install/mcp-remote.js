import { npmInstall } from '../../machine/npm.js';
import { copyProgram } from './programs.js';

const VERSION = '0.15.1';

/** @type {import('../run-client.js').McpClient} */
export const mcpRemote = {
  name: 'mcp-remote',
  version: VERSION,
  protocols: ['2025-11-25'],
  hasDocuments: true,
  install() {
    const folder = copyProgram('typescript', `mcp-remote-${VERSION}`);
    npmInstall(folder, { 'mcp-remote': VERSION, '@modelcontextprotocol/sdk': '1.32.2' });
    return { command: process.execPath, args: [`${folder}/mcp-remote.js`] };
  },
};
