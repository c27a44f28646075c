/** One MCP call with a token, and what the server answered. */

/**
 * @param {string} url of the MCP endpoint
 * @param {string | undefined} token
 * @param {string} tool
 * @param {{ key?: import('./dpop-key.js').DpopKey }} [proof] sends the token as a DPoP token, with a proof
 * @returns {Promise<{ status: number, error?: string, retryAfter?: string, result?: any }>} `result`: what the tool returned
 */
export async function callTool(url, token, tool, { key } = {}) {
  const { headers, body } = callRequest(token, tool);
  if (key) Object.assign(headers, { authorization: `DPoP ${token}`, dpop: key.proof({ method: 'POST', url, token }) });
  const response = await fetch(url, { method: 'POST', headers, body, signal: AbortSignal.timeout(15_000) });
  const text = await response.text();
  return {
    status: response.status,
    error: /\berror="([^"]*)"/.exec(response.headers.get('www-authenticate') ?? '')?.[1],
    retryAfter: response.headers.get('retry-after') ?? undefined,
    result: response.ok ? resultIn(text) : undefined,
  };
}

/** The header fields and the body of a call with a Bearer token. */
export function callRequest(token, tool) {
  const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
  if (token !== undefined) headers.authorization = `Bearer ${token}`;
  const params = { name: tool, arguments: {} };
  return { headers, body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params }) };
}

/** The result of the tool, from a JSON-RPC answer as JSON or as the data of an event; undefined if the tool failed. */
export function resultIn(text) {
  const json = text.startsWith('{') ? text : /^data: (.*)$/m.exec(text)?.[1];
  const { result } = JSON.parse(json ?? '{}');
  return result?.isError ? undefined : JSON.parse(result?.content?.[0]?.text ?? 'null');
}
