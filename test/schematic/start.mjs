/**
 * Runs inside a generated application what its README would have a newcomer run in two terminals: the development
 * authorization server, and the application; on free ports, which come by the environment as they would from `.env`.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';

async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  await once(probe.close(), 'close');
  return port;
}

process.env.PORT = String(await freePort());
process.env.MCP_AUTH_RESOURCE = `http://127.0.0.1:${process.env.PORT}/mcp`;
process.env.MCP_AUTH_ISSUER = `http://127.0.0.1:${await freePort()}`;

const [command, script] = process.env.AUTH_DEV.split(' ');
const authorizationServer = spawn(command, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
process.once('exit', () => authorizationServer.kill());
process.once('disconnect', () => process.exit()).once('SIGTERM', () => process.exit());
await once(authorizationServer.stdout, 'data');

await import(pathToFileURL('dist/main.js').href);
// In CommonJS the import does not wait for the application to listen.
while (!(await fetch(process.env.MCP_AUTH_RESOURCE).catch(() => undefined))) await setTimeout(20);
process.send({
  resource: process.env.MCP_AUTH_RESOURCE,
  users: ['alice', 'bob'].map((username) => ({ username, password: username })),
});
