/** The server that a client is run with, in a process of its own. */
import { fork } from 'node:child_process';
import { on, once } from 'node:events';
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
  const message = await messageWith(child, 'ready');
  if (!message) throw new Error(`The quick start did not start:\n${errors}`);
  return {
    ...message.ready,
    exchanges,
    async stop() {
      if (child.connected) {
        const told = messageWith(child, 'told');
        child.send({ tell: true });
        await told;
      }
      const ended = once(child, 'exit');
      child.kill();
      await ended;
    },
  };
}

/** Waits for a message with this member, among those about exchanges. Undefined if the process ends before. */
async function messageWith(child, member) {
  const ended = new AbortController();
  child.once('exit', () => ended.abort());
  try {
    for await (const [message] of on(child, 'message', { signal: ended.signal })) if (message[member]) return message;
  } catch (error) {
    if (!ended.signal.aborted) throw error;
  }
  return undefined;
}
