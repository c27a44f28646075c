/**
 * Tells of every HTTP exchange that this process serves, for a story of what a client did. Leaves out every token, code and
 * proof: what is not named below is not told.
 */
import http from 'node:http';

/**
 * @typedef {object} Exchange
 * @property {number} port of the server that served it
 * @property {string} method
 * @property {string} path without the query
 * @property {number} status
 * @property {boolean} hasToken whether the request had an `Authorization` field
 * @property {string} [version] the field `MCP-Protocol-Version`
 * @property {string} [rpc] the JSON-RPC method, and the tool of a call: `tools/call whoami`
 * @property {Record<string, string>} parameters of the OAuth request, with `present` for what is secret
 * @property {string} [challenge] the field `WWW-Authenticate` of the answer
 */

const SHOWN = ['response_type', 'scope', 'resource', 'code_challenge_method', 'grant_type', 'prompt'];
const PRESENT = ['code', 'code_verifier', 'code_challenge', 'state', 'refresh_token', 'client_id'];
const MOST_BYTES = 100_000;

/** @param {(exchange: Exchange) => void} tell called when an answer is complete, or cut off */
export function watchExchanges(tell) {
  const emit = http.Server.prototype.emit;
  http.Server.prototype.emit = function (event, request, response, ...rest) {
    if (event === 'request') follow(this.address()?.port, request, response, tell);
    return emit.call(this, event, request, response, ...rest);
  };
}

function follow(port, request, response, tell) {
  let body = '';
  const push = request.push;
  request.push = function (chunk, encoding) {
    if (chunk && body.length < MOST_BYTES) body += chunk;
    return push.call(this, chunk, encoding);
  };
  let isTold = false;
  const onEnd = () => {
    if (isTold) return;
    isTold = true;
    const { pathname, searchParams } = new URL(request.url, 'http://localhost');
    tell({
      port,
      method: request.method,
      path: pathname,
      status: response.statusCode,
      hasToken: request.headers.authorization !== undefined,
      version: request.headers['mcp-protocol-version'],
      rpc: rpcOf(body),
      parameters: parametersOf(searchParams, formOf(request, body)),
      challenge: response.getHeader('www-authenticate')?.toString(),
    });
  };
  response.once('finish', onEnd).once('close', onEnd);
}

function formOf(request, body) {
  const isForm = /^application\/x-www-form-urlencoded\b/.test(request.headers['content-type'] ?? '');
  return new URLSearchParams(isForm ? body : '');
}

function parametersOf(query, form) {
  const all = new Map([...query, ...form]);
  return Object.fromEntries([
    ...SHOWN.filter((name) => all.has(name)).map((name) => [name, all.get(name)]),
    ...PRESENT.filter((name) => all.has(name)).map((name) => [name, 'present']),
    // The URL of a document is no secret, and says which kind of registration it is.
    ...(all.get('client_id')?.startsWith('https://') ? [['client_id', all.get('client_id')]] : []),
  ]);
}

function rpcOf(body) {
  try {
    const message = JSON.parse(body);
    const { method, params } = Array.isArray(message) ? message[0] : message;
    return [method, params?.name].filter((part) => typeof part === 'string').join(' ') || undefined;
  } catch {
    return undefined;
  }
}
