import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const SUITE_VERSION = '0.2.0-alpha.12';

/** The suite imports what Node.js has since version 22. */
const NODE_VERSION = '24.21.0';

/** Where the suite is kept for the next run. */
const FOLDER = join(tmpdir(), `mcp-conformance-${SUITE_VERSION}`);

/** Installs the MCP conformance suite from npm, unless it is there. Returns the command that runs it. */
export function installSuite(): [command: string, ...args: string[]] {
  const isRecent = Number(process.versions.node.split('.')[0]) >= 22;
  const script = join(FOLDER, 'node_modules/@modelcontextprotocol/conformance/dist/index.js');
  const node = join(FOLDER, 'node_modules/node/bin/node');
  if (!existsSync(script) || !(isRecent || existsSync(node))) {
    mkdirSync(FOLDER, { recursive: true });
    writeFileSync(join(FOLDER, 'package.json'), '{ "private": true }');
    const packages = [
      `@modelcontextprotocol/conformance@${SUITE_VERSION}`,
      ...(isRecent ? [] : [`node@${NODE_VERSION}`]),
    ];
    const command = `npm install --no-audit --no-fund --loglevel=error ${packages.join(' ')}`;
    const { status, stderr } = spawnSync(command, { cwd: FOLDER, shell: true, encoding: 'utf8' });
    if (status !== 0) throw new Error(`The conformance suite could not be installed: ${stderr}`);
  }
  return [isRecent ? process.execPath : node, script];
}
