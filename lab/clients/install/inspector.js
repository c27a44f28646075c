import { spawnSync } from 'node:child_process';
import { npmInstall, npmNode } from '../../machine/npm.js';
import { copyProgram } from './programs.js';

const VERSION = '2.12.0';

/** The web interface, in Chromium. It needs a newer Node.js than this library. @type {import('../run-client.js').McpClient} */
export const inspector = {
  name: 'MCP Inspector',
  version: VERSION,
  protocols: ['2025-11-25', '2026-07-28'],
  hasDocuments: 'not tried',
  deviations: {
    'step-up': {
      seen: '403, the user is asked for notes:write, 200',
      result: 'works',
      note: 'It asks the user, but leaves it to the user to repeat the call.',
    },
  },
  install() {
    const folder = copyProgram('inspector', `inspector-${VERSION}`);
    npmInstall(folder, { '@modelcontextprotocol/inspector': VERSION, 'playwright-core': '1.65.1' });
    const node = npmNode(`${folder}/node`, '24.21.0');
    const chromium = spawnSync('which', ['chromium'], { encoding: 'utf8' }).stdout.trim();
    return { command: process.execPath, args: [`${folder}/web.js`], env: { CHROMIUM: chromium, NODE: node } };
  },
};
