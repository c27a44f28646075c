/** Runs real MCP clients against the quick start, and writes what was seen. */
import { spawnSync } from 'node:child_process';
import { titleOf, writeResults } from '../compatibility/results.js';
import { writePage } from '../compatibility/write.js';
import { NotInstalled } from '../machine/install.js';
import { run } from '../machine/processes.js';
import { CLIENTS } from './clients.js';
import { runClient } from './run-client.js';

/** Every client, with what this machine lacks for it. */
export function listClients() {
  return Object.entries(CLIENTS).map(([name, { clients }]) => {
    const titles = clients.map((client) => `${client.name} ${client.version}`).join(', ');
    const missing = missingFor(name);
    return { name, title: missing.length > 0 ? `${titles} (needs ${missing.join(', ')})` : titles };
  });
}

/**
 * @param {string[]} names of {@link CLIENTS}
 * @param {{ writes: boolean }} settings whether results are written
 * @returns {Promise<boolean>} whether every client did what is written down for it
 */
export async function runClients(names, { writes }) {
  const unknown = names.filter((name) => !Object.hasOwn(CLIENTS, name));
  if (unknown.length > 0) {
    throw new Error(`There is no client "${unknown.join('", "')}", only ${Object.keys(CLIENTS).join(', ')}`);
  }
  if (names.length > 0) run('npm', ['run', '--silent', 'build:samples']);
  const verdicts = [];
  for (const name of names) verdicts.push(await runEntry(name, writes));
  return verdicts.every(Boolean);
}

const missingFor = (name) => CLIENTS[name].needs.filter((command) => spawnSync('which', [command]).status !== 0);

async function runEntry(name, writes) {
  const missing = missingFor(name);
  if (missing.length > 0) {
    console.log(`client:${name} is skipped: it needs ${missing.join(', ')}`);
    return true;
  }
  const results = [];
  try {
    for (const client of CLIENTS[name].clients) results.push(...(await runClient(client, print)));
  } catch (error) {
    if (!(error instanceof NotInstalled)) throw error;
    console.log(`client:${name} is skipped: ${error.message}`);
    return true;
  }
  const isGood = results.every(({ rows }) => rows.every(({ ok }) => ok));
  if (isGood && writes) {
    writeResults(`clients-${name}`, results);
    writePage();
  }
  return isGood;
}

/** @param {import('../compatibility/results.js').Result} result */
function print(result) {
  const bad = result.rows.filter(({ ok }) => !ok);
  console.log(titleOf(result));
  for (const { id, expected, seen, note } of bad) {
    console.log(
      `  ${id}\n    expected ${expected}\n    seen     ${seen}${note ? `\n    the client said: ${note}` : ''}`,
    );
  }
  console.log(`  ${result.rows.length} steps, ${bad.length} not as written down`);
}
