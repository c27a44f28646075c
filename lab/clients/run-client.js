/** Runs one client through the story, and says what was seen. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { install } from '../machine/install.js';
import { CLIENT_ID } from './server/client-document.js';
import { EXPIRY_SECONDS, startQuickStart } from './server/quick-start.js';
import { call, discovery, refresh, registration, signIn, stepUp } from './story.js';

/**
 * @typedef {object} McpClient
 * @property {string} name as its maker writes it
 * @property {string} version
 * @property {string[]} protocols every version of MCP that it speaks
 * @property {boolean | 'not tried'} hasDocuments whether it can have a client ID metadata document
 * @property {Record<string, Deviation>} [deviations] by row: what this version is known to do otherwise
 * @property {() => Command} install
 *
 * @typedef {{ command: string, args: string[], env?: Record<string, string>, cwd?: string }} Command
 *   the program, which takes its settings from the environment
 *
 * @typedef {{ seen: string, result: 'works' | 'fails' | 'absent', note: string }} Deviation
 */

const USER = `${process.execPath} ${fileURLToPath(new URL('user.js', import.meta.url))}`;
const MOST_SECONDS = 150;

/**
 * @param {McpClient} client
 * @param {(result: import('../compatibility/results.js').Result) => void} onResult called when one is there
 * @returns {Promise<import('../compatibility/results.js').Result[]>} one for each version of the protocol
 * @throws {NotInstalled} if it could not be installed
 */
export async function runClient(client, onResult) {
  const command = install(() => client.install());
  // Together, since most of the time is the wait until the tokens have expired.
  const first = await Promise.all(
    client.protocols.map((protocol) => story(command, { platform: 'express', protocol, wait: EXPIRY_SECONDS })),
  );
  const results = [];
  for (const [index, variant] of client.protocols.entries()) {
    const result = {
      kind: 'client',
      name: client.name,
      version: client.version,
      variant,
      date: new Date().toISOString().slice(0, 10),
      node: process.versions.node,
      rows: await rowsOf(client, command, variant, first[index]),
    };
    onResult(result);
    results.push(result);
  }
  return results;
}

async function rowsOf(client, command, protocol, { exchanges, failure }) {
  const row = rowWriter(client.deviations ?? {}, failure);
  const rows = [
    row('discovery', 'finds the authorization server after a 401', discovery(exchanges), DISCOVERED),
    row('registration', 'registers itself', registration(exchanges), 'dynamic registration, 201'),
    row('sign-in', 'protects the sign-in', signIn(exchanges), 'PKCE S256, resource in both requests, state'),
    row('call', 'calls a tool with the token', call(exchanges), `200 at ${protocol}`),
    row('step-up', 'is refused for a scope, asks the user, calls again', stepUp(exchanges), STEPPED_UP),
    row('refresh', 'calls after the token expired', refresh(exchanges), '200 with a refresh token'),
  ];
  const hasSessions = protocol.startsWith('2025');
  const on = { platform: 'fastify', protocol, hasSessions };
  // Whether it steps up or not, it must do the same there.
  const steppedUp = client.deviations?.['step-up']?.seen ?? STEPPED_UP;
  const again = await story(command, on);
  const onFastify = `${call(again.exchanges)}; ${stepUp(again.exchanges)}`;
  const what = 'does the same on Fastify, with a session if the version of the protocol has them';
  rows.push(rowWriter({}, again.failure)('fastify', what, onFastify, `200 at ${protocol}; ${steppedUp}`));
  if (client.hasDocuments === 'not tried') return rows;
  if (!client.hasDocuments) return [...rows, absent('document', DOCUMENT)];
  const documented = await story(command, { ...on, document: CLIENT_ID });
  const seen = `${registration(documented.exchanges)}; ${stepUp(documented.exchanges)}`;
  const expected = `client ID metadata document; ${steppedUp}`;
  return [...rows, rowWriter({}, documented.failure)('document', DOCUMENT, seen, expected)];
}

const DISCOVERED = '401, /.well-known/oauth-protected-resource/mcp, /.well-known/oauth-authorization-server';
const STEPPED_UP = '403, the user is asked for notes:write, 200';
const DOCUMENT = 'does the same with a client ID metadata document';

function rowWriter(deviations, failure) {
  return (id, what, seen, usual) => {
    const deviation = deviations[id];
    const expected = deviation?.seen ?? usual;
    const ok = seen === expected;
    const result = ok ? (deviation?.result ?? 'works') : 'fails';
    const note = ok ? deviation?.note : failure;
    return { id, what, expected, seen, ok, result, ...(note && { note }) };
  };
}

const absent = (id, what) => {
  const seen = 'the client has no such thing';
  return { id, what, expected: seen, seen, ok: true, result: 'absent' };
};

/** Starts a server, runs the client once, and returns what the server saw. */
async function story(command, { platform, protocol, hasSessions, wait, document }) {
  const server = await startQuickStart({ platform, hasSessions });
  try {
    const failure = await runProgram(command, {
      MCP_URL: server.resource,
      LAB_USER: USER,
      PROTOCOL: protocol,
      ...(wait !== undefined && { WAIT: String(wait) }),
      ...(document !== undefined && { CLIENT_ID_DOCUMENT: document }),
    });
    return { exchanges: server.exchanges, failure };
  } finally {
    await server.stop();
  }
}

/** @returns {Promise<string | undefined>} the last line of a client that failed */
async function runProgram({ command, args, env, cwd }, settings) {
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, ...env, ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
    signal: AbortSignal.timeout(MOST_SECONDS * 1000),
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => (output = (output + chunk).slice(-5_000)));
  child.on('error', (error) => (output += `\n${error.message}`));
  const [status] = await once(child, 'close');
  return status === 0 ? undefined : (output.trim().split('\n').at(-1) ?? 'no word').slice(0, 300);
}
