/** `scope-token = 1*( %x21 / %x23-5B / %x5D-7E )` (RFC 6749 §3.3). */
const SCOPE_TOKEN = /^[\x21\x23-\x5B\x5D-\x7E]+$/;

/** Whether the value is a valid name of a scope: visible ASCII without space, `"` and `\` (RFC 6749 §3.3). */
export function isScopeToken(value: unknown): value is string {
  return typeof value === 'string' && SCOPE_TOKEN.test(value);
}

/**
 * Splits a `scope` value at spaces only: a tab or comma belongs to a name, which then matches no scope. Leaves out
 * invalid names and repetitions, and keeps the order.
 */
export function parseScope(value: string): string[] {
  return [...new Set(value.split(' ').filter(isScopeToken))];
}

/**
 * Scopes that concern only the authorization server. They never belong in a challenge, or in `scopes_supported` of a
 * resource server.
 *
 * @see MCP 2026-07-28, Authorization (SEP-2207)
 */
export const AUTHORIZATION_SERVER_SCOPES: ReadonlySet<string> = new Set(['offline_access']);

/** Whether a resource server may ask a client for this scope. */
export function isRequestableScope(value: unknown): value is string {
  return isScopeToken(value) && !AUTHORIZATION_SERVER_SCOPES.has(value);
}

/**
 * Which scopes imply others, transitively. Only the decision uses it: a challenge names the required scope, never a
 * broader one.
 *
 * @see MCP 2026-07-28, Authorization, "Servers MUST account for scope hierarchies"
 */
export class ScopeHierarchy {
  readonly #implied: ReadonlyMap<string, ReadonlySet<string>>;

  /** @param direct maps a broader scope to the scopes it implies; the members of a cycle are equal. */
  constructor(direct: Readonly<Record<string, readonly string[]>> = {}) {
    const edges = new Map(Object.entries(direct));
    this.#implied = new Map([...edges.keys()].map((scope) => [scope, reachable(scope, edges)]));
  }

  /** Whether the scope was granted, or a granted scope implies it. */
  holds(granted: readonly string[], scope: string): boolean {
    if (granted.includes(scope)) return true;
    return this.#implied.size > 0 && granted.some((broader) => this.#implied.get(broader)?.has(scope));
  }
}

function reachable(start: string, edges: ReadonlyMap<string, readonly string[]>): Set<string> {
  const seen = new Set<string>();
  const open = [start];
  for (let scope = open.pop(); scope !== undefined; scope = open.pop()) {
    for (const next of edges.get(scope) ?? []) {
      if (seen.has(next)) continue;
      seen.add(next);
      open.push(next);
    }
  }
  return seen;
}
