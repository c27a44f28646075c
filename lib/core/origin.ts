import { isLoopback, parseUrl, type ResourceIdentifier } from './resource.js';

/** Which `Origin` and `Host` values a resource accepts. */
export interface OriginRules {
  /** Serialised origins, such as `https://app.example.com`: scheme, host and port. */
  readonly allowed: ReadonlySet<string>;
  /** The `Host` of a request to the resource by the address that clients know. */
  readonly ownHost: string;
  /** Whether any page, and any name, of this very machine will do: so for a resource on loopback. */
  readonly allowLoopback: boolean;
}

/** What a resource accepts by default: pages of its own origin, and of this machine where it is on this machine. */
export function originRules({ identifier, origin }: ResourceIdentifier, allowed: readonly string[]): OriginRules {
  const url = new URL(identifier);
  return { allowed: new Set([new URL(origin).origin, ...allowed]), ownHost: url.host, allowLoopback: isLoopback(url) };
}

/**
 * Whether a request with this `Origin` may go on; clients that are no browsers send none. Compared whole: a host name
 * alone is shared by whatever listens on other ports.
 *
 * @see MCP 2026-07-28, Transports, "Security Warning": a present and invalid Origin is answered with 403
 */
export function isOriginAllowed(values: readonly string[], rules: OriginRules): boolean {
  const [value] = values;
  if (value === undefined) return true;
  if (values.length > 1) return false;
  return rules.allowed.has(value) || (rules.allowLoopback && isLoopbackOrigin(value));
}

/**
 * Whether a request with this `Host` may go on. Only checked on loopback, where a page that made its name point to
 * this machine (DNS rebinding) is the attacker; elsewhere a proxy may have put its own name there.
 */
export function isHostAllowed(host: string | undefined, { allowLoopback, ownHost }: OriginRules): boolean {
  if (!allowLoopback || host === ownHost) return true;
  const url = parseUrl(`http://${host ?? ''}`);
  return url !== undefined && url.host === host?.toLowerCase().replace(/:80$/, '') && isLoopback(url);
}

function isLoopbackOrigin(value: string): boolean {
  const url = parseUrl(value);
  return url !== undefined && /^https?:$/.test(url.protocol) && url.origin === value && isLoopback(url);
}
