/** One `tools/call` at an MCP endpoint. */
export function callTool(resource: string, name: string, token?: string, args: object = {}): Promise<Response> {
  return rpc(resource, 'tools/call', { name, arguments: args }, token);
}

/** One JSON-RPC request to an MCP endpoint. */
export function rpc(resource: string, method: string, params: object, token?: string): Promise<Response> {
  return fetch(resource, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2025-11-25',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  });
}

/** What a tool returned, which the MCP framework writes as JSON text. */
export async function resultOf(response: Response): Promise<unknown> {
  const { result } = (await response.json()) as { result: { content: { text: string }[] } };
  return JSON.parse(result.content[0]?.text ?? '');
}
