/** The server that a client is run with, in a process of its own. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** How long an access token is good for: long enough for a sign-in on a busy machine. */
export const TOKEN_SECONDS = 10;

/** After this time the server refuses the token: it lets clocks differ by 5 seconds. */
export const EXPIRY_SECONDS = TOKEN_SECONDS + 6;

/**
 * Starts the quick start on free ports.
 *
 * @param {{ platform: 'express' | 'fastify', hasSessions?: boolean }} settings
 */
export async function startQuickStart({ platform, hasSessions = false }) {
  /** @type {import('./exchanges.js').Exchange[]} */
  const exchanges = [];
  const child = fork(fileURLToPath(new URL('process.js', import.meta.url)), {
    env: { ...process.env, PLATFORM: platform, SESSIONS: String(hasSessions), TOKEN_SECONDS: String(TOKEN_SECONDS) },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let errors = '';
  child.stderr.on('data', (chunk) => (errors = (errors + chunk).slice(-5_000)));
  child.on('message', (message) => {
    if (message.exchange) exchanges.push(message.exchange);
  });
  const { ready } = await firstMessage(child, () => errors);
  return {
    ...ready,
    exchanges,
    async stop() {
      const ended = once(child, 'exit');
      child.kill();
      await ended;
    },
  };
}

async function firstMessage(child, errors) {
  const [message] = await Promise.race([once(child, 'message'), once(child, 'exit')]);
  if (!message?.ready) throw new Error(`The quick start did not start:\n${errors()}`);
  return message;
}
