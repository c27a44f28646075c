/** The `Origin` that the doctor sends: that of the MCP Inspector to a server on this machine, else that of an invented page. */
export function browserOrigin(isLocal: boolean): string {
  return isLocal ? 'http://localhost:6274' : 'https://mcp-client.example';
}

/** The origin of a page that a server on this machine should refuse. */
export const FOREIGN_ORIGIN = 'https://mcp-client.example';

/** The preflight that a browser sends before a request of a page. */
export function preflightRequest(origin: string, method: string, headers: string) {
  return {
    method: 'OPTIONS',
    headers: { origin, 'access-control-request-method': method, 'access-control-request-headers': headers },
  } as const;
}

/** Whether a header with a list of names contains this name or the wildcard. */
export function lists(headers: Headers, header: string, name: string): boolean {
  const names = new Set((headers.get(header) ?? '').split(',').map((one) => one.trim().toLowerCase()));
  return names.has(name.toLowerCase()) || names.has('*');
}

/** Whether a script of this origin may read the answer. */
export function mayRead(headers: Headers, origin: string): boolean {
  const allowed = headers.get('access-control-allow-origin');
  return allowed === '*' || allowed === origin;
}
