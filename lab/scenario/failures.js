/** New keys, and a server that is killed and comes back. */
import { setTimeout as sleep } from 'node:timers/promises';
import { callTool } from '../client/call.js';
import { freePort } from '../machine/free-port.js';

const CALLERS = 8;

/** @type {import('./steps.js').Step[]} */
export const FAILURES = [
  {
    id: 'key-rotation',
    what: 'the server signs with a new key: a new token, and one from before',
    when: ({ server }) => server.rotateKeys !== undefined,
    run: async (lab) => {
      const { access_token: old } = await lab.tokens();
      return lab.withApp({}, async (url) => {
        const before = await callTool(url, old, 'list-notes');
        await lab.server.rotateKeys();
        const { access_token: fresh } = await lab.tokens();
        const isOther = keyOf(fresh) !== keyOf(old);
        const [after, again] = [await callTool(url, fresh, 'list-notes'), await callTool(url, old, 'list-notes')];
        return `${before.status} before; ${isOther ? 'new key' : 'the same key'}: ${after.status}; the old token: ${again.status}`;
      });
    },
  },
  {
    id: 'outage',
    what: 'the server is killed while eight callers call, and comes back',
    run: async (lab) => {
      const { access_token: token } = await lab.tokens();
      return lab.withApp({}, async (url) => {
        await callTool(url, token, 'list-notes');
        const statuses = await statusesWhile(url, token, async () => {
          await sleep(500);
          await lab.server.kill();
          await sleep(1_500);
        });
        const cold = await coldStart(lab, token);
        const fresh = await lab.tokens();
        const after = await callTool(url, fresh.access_token, 'list-notes');
        return `meanwhile ${statuses}; ${cold}; a new token: ${after.status}`;
      });
    },
  },
];

/** An application that starts while the server is down: it must not refuse good tokens, and must recover by itself. */
async function coldStart(lab, token) {
  const port = await freePort();
  return lab.withApp(
    { audience: lab.resource },
    async (url) => {
      const { status, retryAfter } = await callTool(url, token, 'list-notes');
      await lab.server.restart();
      await sleep(Number(retryAfter ?? 0) * 1_000 + 500);
      const after = await callTool(url, token, 'list-notes');
      return `an application started then: ${status}${retryAfter === undefined ? '' : ' with Retry-After'}, ${after.status} once the server is back`;
    },
    port,
  );
}

/** The different answers that callers get while something happens. */
async function statusesWhile(url, token, happening) {
  const seen = new Set();
  const over = new AbortController();
  const caller = async () => {
    while (!over.signal.aborted) {
      const { status } = await callTool(url, token, 'list-notes');
      seen.add(status);
      await sleep(5);
    }
  };
  const callers = Array.from({ length: CALLERS }, caller);
  await happening();
  over.abort();
  await Promise.all(callers);
  return [...seen].join(' and ');
}

function keyOf(token) {
  return JSON.parse(Buffer.from(token.split('.')[0], 'base64url').toString()).kid;
}
