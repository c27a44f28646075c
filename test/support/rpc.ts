/** Sends one JSON-RPC request to an MCP endpoint. */
export type SendRpc = (method: string, params?: object, headers?: Record<string, string>) => Promise<Response>;

/** Returns a function that sends requests of 2025-11-25 to one MCP endpoint, with increasing ids. */
export function rpcTo(endpoint: string): SendRpc {
  let id = 0;
  return (method, params = {}, headers = {}) =>
    fetch(endpoint, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': '2025-11-25',
        ...headers,
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: ++id, method, params }),
    });
}

/** The header that presents a token; empty without a token. */
export function bearer(token: string | undefined): Record<string, string> {
  return token ? { authorization: `Bearer ${token}` } : {};
}
