/**
 * The load on one server. autocannon takes a fraction of the time of a Nest server, so the server sets the pace.
 *
 * This process does not sleep meanwhile. Only slow servers would have to wake it, and that costs a server more time than many
 * guards.
 */
import autocannon from 'autocannon';

const CONNECTIONS = 16;

const REQUESTS = {
  notes: { method: 'GET', path: '/notes', headers: {} },
  mcp: {
    method: 'POST',
    path: '/mcp',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2025-11-25',
    },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name: 'list-notes', arguments: {} },
    }),
  },
};

/** autocannon ends a load only when it takes a sample, by default once a second. */
const SAMPLE_MS = 20;

/**
 * Sends requests for a number of seconds, or a fixed number of requests, and presents the tokens in turn.
 *
 * @param {string} url
 * @param {'notes' | 'mcp'} application
 * @param {{ tokens: string[] } & ({ seconds: number } | { requests: number })} load
 * @throws if an answer is not 2xx: the server did not do the work
 */
export async function load(url, application, { tokens, seconds, requests }) {
  let connections = 0;
  const setupClient = (client) => {
    const mine = shareOf(tokens, connections);
    connections += 1;
    client.setRequests(mine.map((token) => withToken(REQUESTS[application], token)));
  };
  const rest = stayAwake();
  const length = requests === undefined ? { duration: seconds } : { amount: requests };
  const result = await autocannon({ url, connections: CONNECTIONS, setupClient, sampleInt: SAMPLE_MS, ...length });
  rest();
  if (result.non2xx + result.errors + result.timeouts > 0) {
    throw new Error(`${url}: ${result.non2xx} answers that are not 2xx, ${result.errors} errors`);
  }
  return { requests: result['2xx'], seconds: result.duration };
}

/** @returns {() => void} lets the process sleep again */
function stayAwake() {
  let isAwake = true;
  const turn = () => {
    if (isAwake) setImmediate(turn);
  };
  turn();
  return () => {
    isAwake = false;
  };
}

/** Gives each connection its own tokens, if there are enough. */
function shareOf(tokens, connection) {
  return tokens.length < CONNECTIONS ? tokens : tokens.filter((_, index) => index % CONNECTIONS === connection);
}

/**
 * Sends one request.
 *
 * @param {string} url
 * @param {'notes' | 'mcp'} application
 * @param {string} [token]
 */
export function send(url, application, token) {
  const { path, ...request } = withToken(REQUESTS[application], token);
  return fetch(url + path, request);
}

function withToken(request, token) {
  return token === undefined
    ? request
    : { ...request, headers: { ...request.headers, authorization: `Bearer ${token}` } };
}
