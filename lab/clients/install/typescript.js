import { npmInstall } from '../../machine/npm.js';
import { copyProgram } from './programs.js';

function install(packageName, version, file) {
  return () => {
    const folder = copyProgram(
      'typescript',
      `${packageName.replace('@modelcontextprotocol/', 'typescript-')}-${version}`,
    );
    npmInstall(folder, { [packageName]: version });
    return { command: process.execPath, args: [`${folder}/${file}`] };
  };
}

/** At the 403, version 1 refreshes its token, which brings the same scopes, and gives up. */
const NO_STEP_UP = {
  seen: '403, the user is not asked, no success',
  result: 'fails',
  note: 'It refreshes its token instead of asking the user. guides/scopes.md says what helps.',
};

/** @type {import('../run-client.js').McpClient} */
export const typescript1 = {
  name: '@modelcontextprotocol/sdk',
  version: '1.32.2',
  protocols: ['2025-06-18', '2025-11-25'],
  hasDocuments: true,
  deviations: { 'step-up': NO_STEP_UP },
  install: install('@modelcontextprotocol/sdk', '1.32.2', 'version-1.js'),
};

/** @type {import('../run-client.js').McpClient} */
export const typescript2 = {
  name: '@modelcontextprotocol/client',
  version: '2.4.0',
  protocols: ['2025-06-18', '2025-11-25', '2026-07-28'],
  hasDocuments: true,
  install: install('@modelcontextprotocol/client', '2.4.0', 'version-2.js'),
};
