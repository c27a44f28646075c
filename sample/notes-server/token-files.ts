import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Hands over tokens without showing them: writes each into a file, in a folder that only its owner can open. Terminals,
 * logs and the history of the shell contain only the names of the files.
 */
export async function writeTokenFiles<Name extends string>(tokens: Readonly<Record<Name, string>>) {
  const folder = await mkdtemp(join(tmpdir(), 'mcp-tokens-'));
  const files = {} as Record<Name, string>;
  for (const name of Object.keys(tokens) as Name[]) {
    files[name] = join(folder, name);
    await writeFile(files[name], tokens[name], { mode: 0o600 });
  }
  return { files, remove: () => rm(folder, { recursive: true, force: true }) };
}

/** The command that calls a tool with the token of a file. */
export function curl(resource: string, file: string, tool: string): string {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: tool, arguments: {} } });
  return [
    `curl -i ${resource} -H "Authorization: Bearer $(cat ${file})"`,
    `-H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' -d '${body}'`,
  ].join(' \\\n    ');
}
