import { bearer, rpcTo } from '../support/rpc.js';

/** One `tools/call` at an MCP endpoint. */
export function callTool(resource: string, name: string, token?: string, args: object = {}): Promise<Response> {
  return rpc(resource, 'tools/call', { name, arguments: args }, token);
}

/** One JSON-RPC request to an MCP endpoint. */
export function rpc(resource: string, method: string, params: object, token?: string): Promise<Response> {
  return rpcTo(resource)(method, params, bearer(token));
}

/** What a tool returned, which the MCP framework writes as JSON text. */
export async function resultOf(response: Response): Promise<unknown> {
  const { result } = (await response.json()) as { result: { content: { text: string }[] } };
  return JSON.parse(result.content[0]?.text ?? '');
}
