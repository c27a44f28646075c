/** `mcp-remote` as a host starts it: the host speaks to it over stdio, and it opens the browser with `xdg-open`. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { goThrough } from './story.js';

const { MCP_URL, LAB_USER, CLIENT_ID_DOCUMENT, PATH } = process.env;
const here = dirname(fileURLToPath(import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'mcp-remote-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const opener = join(folder, 'xdg-open');
writeFileSync(opener, `#!/bin/sh\nexec ${LAB_USER} "$@"\n`);
chmodSync(opener, 0o755);

const document = CLIENT_ID_DOCUMENT ? ['--client-metadata-url', CLIENT_ID_DOCUMENT] : [];
const port = CLIENT_ID_DOCUMENT ? ['33418'] : [];
const transport = new StdioClientTransport({
  command: process.execPath,
  args: [join(here, 'node_modules/mcp-remote/dist/proxy.js'), MCP_URL, ...port, ...document],
  env: { ...process.env, PATH: `${folder}:${PATH}`, BROWSER: opener, MCP_REMOTE_CONFIG_DIR: folder },
});
const client = new Client({ name: 'lab', version: '1.0.0' });

await goThrough({
  connect: () => client.connect(transport, { timeout: 60_000 }),
  call: (name, args) => client.callTool({ name, arguments: args }, undefined, { timeout: 60_000 }),
});
