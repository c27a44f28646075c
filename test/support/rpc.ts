/** Sends one JSON-RPC request to an MCP endpoint. */
export type SendRpc = (method: string, params?: object, headers?: Record<string, string>) => Promise<Response>;

/** Requests of 2025-11-25 to one MCP endpoint, with ids that count up. */
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

/** The header that presents a token, if there is one. */
export function bearer(token: string | undefined): Record<string, string> {
  return token ? { authorization: `Bearer ${token}` } : {};
}
