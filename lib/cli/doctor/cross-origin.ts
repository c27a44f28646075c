/** The page of the MCP Inspector, which any server on this machine should let in; or any page. */
export function browserOrigin(isLocal: boolean): string {
  return isLocal ? 'http://localhost:6274' : 'https://mcp-client.example';
}

/** A page that has no business with a server on this machine. */
export const FOREIGN_ORIGIN = 'https://mcp-client.example';

/** What a browser asks before a page may send this. */
export function preflightRequest(origin: string, method: string, headers: string) {
  return {
    method: 'OPTIONS',
    headers: { origin, 'access-control-request-method': method, 'access-control-request-headers': headers },
  } as const;
}

/** Whether a header that lists names holds this one, or the wildcard. */
export function lists(headers: Headers, header: string, name: string): boolean {
  const names = new Set((headers.get(header) ?? '').split(',').map((one) => one.trim().toLowerCase()));
  return names.has(name.toLowerCase()) || names.has('*');
}

/** Whether a script of that origin may read the answer. */
export function mayRead(headers: Headers, origin: string): boolean {
  const allowed = headers.get('access-control-allow-origin');
  return allowed === '*' || allowed === origin;
}
