import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../machine/processes.js';
import { copyProgram } from './programs.js';

/**
 * @param {string} program the folder below `programs`
 * @param {string} distribution on PyPI
 * @param {string} version
 */
export function installPython(program, distribution, version) {
  return () => {
    const folder = copyProgram(program, `${distribution}-${version}`);
    const python = join(folder, 'venv/bin/python');
    if (!existsSync(python)) run('python3', ['-m', 'venv', join(folder, 'venv')]);
    run(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', `${distribution}==${version}`]);
    return { command: python, args: [join(folder, 'client.py')] };
  };
}

/** @type {import('../run-client.js').McpClient} */
export const python1 = {
  name: 'mcp (Python)',
  version: '1.30.0',
  protocols: ['2025-06-18', '2025-11-25'],
  hasDocuments: true,
  install: installPython('python', 'mcp', '1.30.0'),
};

/** @type {import('../run-client.js').McpClient} */
export const python2 = {
  name: 'mcp (Python)',
  version: '2.3.0',
  protocols: ['2025-06-18', '2025-11-25', '2026-07-28'],
  hasDocuments: true,
  install: installPython('python', 'mcp', '2.3.0'),
};
