/** The values in the query of a URL or request target that may name a session. */
export interface SessionsInUrl {
  /** Values of parameters with the name of a session parameter. */
  readonly named: readonly string[];
  /** Values of all other parameters. */
  readonly others: readonly string[];
}

/**
 * The spellings of the official SDKs and of others. Some query parsers also read `[sessionId]` and `sessionId[]` as
 * `sessionId`.
 */
const SESSION_PARAMETER = /(?:^|[^a-z\d])session[_-]?id(?:$|[^a-z\d])/i;

const NONE: SessionsInUrl = { named: [], others: [] };

/**
 * The values that may name a session in a URL or request target. The transport HTTP+SSE (MCP 2024-11-05) puts the session
 * into the query, under a name that the application chooses. Returns all values of a repeated parameter, since query parsers
 * differ in which one they take. Some routers let a query begin with a semicolon.
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
