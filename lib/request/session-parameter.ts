/** What the query of a URL or request target says of sessions. */
export interface SessionsInUrl {
  /** Values of parameters that are called as sessions are. */
  readonly named: readonly string[];
  /** Values of all other parameters. */
  readonly others: readonly string[];
}

/**
 * As the official SDKs and others spell it, and as parsers of queries read the same name: some take `[sessionId]` and
 * `sessionId[]` for `sessionId`.
 */
const SESSION_PARAMETER = /(?:^|[^a-z\d])session[_-]?id(?:$|[^a-z\d])/i;

const NONE: SessionsInUrl = { named: [], others: [] };

/**
 * The sessions that a URL or request target may name in its query: the transport HTTP+SSE (MCP 2024-11-05) keeps them there,
 * by a name that is up to the application. Every value, since of several each parser of queries takes another. Some routers
 * let a query begin with a semicolon.
 */
export function sessionsInUrl(url: string): SessionsInUrl {
  const start = url.search(/[?;]/);
  if (start === -1) return NONE;
  const end = url.indexOf('#', start);
  const query = url.slice(start + 1, end === -1 ? undefined : end);
  const named: string[] = [];
  const others: string[] = [];
  for (const [name, value] of new URLSearchParams(query.replace(/[?;]/g, '&')))
    (SESSION_PARAMETER.test(name) ? named : others).push(value);
  return { named, others };
}
