import type { NotesServer } from './notes-server.js';

/** The `_meta` of every request since protocol version 2026-07-28. */
export const MCP_2026_META = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1.0.0' },
  'io.modelcontextprotocol/clientCapabilities': {},
} as const;

/** The headers that repeat the body since protocol version 2026-07-28. */
export function mcp2026Headers(method: string, name?: string): Record<string, string> {
  return {
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': method,
    ...(name !== undefined && { 'mcp-name': name }),
  };
}

/** Sends a request of 2026-07-28. `headers` replaces the default headers; undefined omits one. */
export function sendMcp2026(
  server: NotesServer,
  method: string,
  params: Readonly<Record<string, unknown>>,
  token?: string,
  headers: Readonly<Record<string, string | undefined>> = {},
): Promise<Response> {
  const name = params['name'] ?? params['uri'];
  const all = {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    ...mcp2026Headers(method, typeof name === 'string' ? name : undefined),
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
    ...headers,
  };
  return fetch(server.resource, {
    method: 'POST',
    headers: Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined),
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { ...params, _meta: MCP_2026_META } }),
  });
}
