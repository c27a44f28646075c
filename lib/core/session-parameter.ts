/** As the official SDKs and others spell it; in brackets, parsers of query strings read the same name. */
const SESSION_PARAMETER = /^(?:sessionId|session_id)(?:$|\[)/;

/**
 * The sessions that a URL or request target names in its query: the transport HTTP+SSE (MCP 2024-11-05) keeps them
 * there. Every one, since of several each parser of queries takes another.
 */
export function sessionsInUrl(url: string): string[] {
  const start = url.indexOf('?');
  if (start === -1) return [];
  const end = url.indexOf('#', start);
  const query = new URLSearchParams(url.slice(start, end === -1 ? undefined : end));
  return [...query].flatMap(([name, value]) => (SESSION_PARAMETER.test(name) ? [value] : []));
}
