/** Starts the measured servers, each in its own process, and the issuer that all of them trust. */
import { startChild } from './child.js';
import { load } from './load.js';
import { SUBJECTS } from './servers/subjects.js';

/** The cheapest algorithm in wide use to verify. It favours libraries that verify every token again. */
export const ALG = 'RS256';

/** @typedef {{ id: string, child: ReturnType<typeof startChild>, url: string, resource: string }} ServerProcess */

/** Starts the issuer, and returns it with the settings of every server. */
export async function startIssuer(alg = ALG) {
  const child = startChild(new URL('issuer.js', import.meta.url));
  const { issuer, jwksUri } = await child.ask('start', { alg });
  return { child, settings: { issuer, jwksUri, alg } };
}

/**
 * Starts servers, two at a time, because the machine may have only two processors.
 *
 * @param {string[]} ids
 * @param {{ issuer: string, jwksUri: string, alg: string }} settings
 * @param {string} [node] the executable that runs them, by default that of this process
 * @returns {Promise<Map<string, ServerProcess>>}
 */
export async function startServers(ids, settings, node) {
  const servers = new Map();
  const waiting = [...ids];
  const startNext = async () => {
    for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
      const child = startChild(new URL('servers/server.js', import.meta.url), { node });
      servers.set(id, { id, child, ...(await child.ask('start', id, settings)) });
    }
  };
  await Promise.all([startNext(), startNext()]);
  return servers;
}

/** @param {Map<string, ServerProcess>} servers */
export function stopServers(servers) {
  for (const { child } of servers.values()) child.stop();
}

/** Requests until V8 has compiled the hot code of a server: some seconds on a quiet machine. */
const WARM_UP_REQUESTS = { mcp: 6_000, express: 25_000, fastify: 60_000 };

/**
 * Warms up a server with a fixed number of requests. On a busy machine, a fixed time would leave some servers less compiled.
 *
 * @param {ServerProcess} server
 * @param {string[]} tokens
 * @param {number} part the part of a full warm-up, up to 1
 */
export async function warmUpServer(server, tokens, part) {
  const { application, platform } = SUBJECTS[server.id];
  const requests = WARM_UP_REQUESTS[application === 'mcp' ? 'mcp' : platform];
  await measureOnce(server, { tokens, requests: requests * part });
}

/**
 * Sends requests to a server, and returns how many it answered and the processor time of each.
 *
 * @param {ServerProcess} server
 * @param {Parameters<typeof load>[2]} what
 */
export async function measureOnce({ id, child, url }, what) {
  const before = await child.ask('cpu');
  const { requests, seconds } = await load(url, SUBJECTS[id].application, what);
  const cpu = (await child.ask('cpu')) - before;
  return { requests, perSecond: requests / seconds, cpu: cpu / requests };
}
