import { isLoopback, parseUrl, type ResourceIdentifier } from '../core/resource.js';

/** Which `Origin` and `Host` values a resource accepts. */
export interface OriginRules {
  /** Serialised origins, such as `https://app.example.com`: scheme, host and port. */
  readonly allowed: ReadonlySet<string>;
  /** Schemes that are accepted with any host, such as `vscode-webview`. */
  readonly schemes: ReadonlySet<string>;
  /** The `Host` of a request to the URL of the resource. */
  readonly ownHost: string;
  /** Whether every loopback origin and host is accepted: true for a resource on loopback. */
  readonly allowLoopback: boolean;
}

/** An entry of the option `allowedOrigins`. */
export type AllowedOrigin = { readonly origin: string } | { readonly scheme: string };

/** `scheme "://" host [ ":" port ]`, as RFC 6454 §6.2 serialises an origin of any scheme: in lower case, without a path. */
const SERIALISED = /^([a-z][a-z0-9+.-]*):\/\/(?:[a-z0-9._~-]+|\[[0-9a-f:.]+\])(?::[1-9]\d{0,4})?$/;

/** A scheme alone, as in a Content Security Policy, or with a star for its hosts. */
const SCHEME_ALONE = /^([a-z][a-z0-9+.-]*):(?:\/\/\*)?$/;

/** Schemes whose origins name a site: each origin must be listed. */
const SCHEMES_WITH_SITES: ReadonlySet<string> = new Set(['http', 'https', 'ws', 'wss', 'ftp']);
/** Schemes whose documents have no origin with a host. */
const SCHEMES_WITHOUT_ORIGINS: ReadonlySet<string> = new Set(['file', 'data', 'blob', 'about', 'javascript', 'null']);

/** Reads an entry of `allowedOrigins`; undefined if no browser or web view sends such an `Origin`. */
export function readAllowedOrigin(text: string): AllowedOrigin | undefined {
  const [, alone] = SCHEME_ALONE.exec(text) ?? [];
  if (alone !== undefined) return isCustom(alone) ? { scheme: alone } : undefined;
  const [, scheme] = SERIALISED.exec(text) ?? [];
  if (scheme === undefined) return undefined;
  if (isCustom(scheme)) return { origin: text };
  return parseUrl(text)?.origin === text ? { origin: text } : undefined;
}

function isCustom(scheme: string): boolean {
  return !SCHEMES_WITH_SITES.has(scheme) && !SCHEMES_WITHOUT_ORIGINS.has(scheme);
}

/** The rules of a resource: it accepts the listed origins, its own origin and, if it is on loopback, all of loopback. */
export function originRules({ value, origin }: ResourceIdentifier, allowed: readonly string[]): OriginRules {
  const url = new URL(value);
  const read = allowed.flatMap((text) => readAllowedOrigin(text) ?? []);
  return {
    allowed: new Set([new URL(origin).origin, ...read.flatMap((one) => ('origin' in one ? one.origin : []))]),
    schemes: new Set(read.flatMap((one) => ('scheme' in one ? one.scheme : []))),
    ownHost: url.host,
    allowLoopback: isLoopback(url),
  };
}

/**
 * Whether a request with these `Origin` values may go on. Clients other than browsers send none. Origins are compared whole,
 * since programs on other ports share the host name.
 *
 * @see MCP 2026-07-28, Transports, "Security Warning": a present and invalid Origin is answered with 403
 */
export function isOriginAllowed(values: readonly string[], rules: OriginRules): boolean {
  const [value] = values;
  if (value === undefined) return true;
  if (values.length > 1) return false;
  if (rules.allowed.has(value) || (rules.allowLoopback && isLoopbackOrigin(value))) return true;
  const [, scheme] = SERIALISED.exec(value) ?? [];
  return scheme !== undefined && rules.schemes.has(scheme);
}

/**
 * Whether a request that names these hosts may go on: all of them must be allowed. Checked on loopback only, against pages
 * that let their host name resolve to this machine (DNS rebinding). Elsewhere a proxy may have set its own host name.
 */
export function areHostsAllowed(hosts: readonly string[], { allowLoopback, ownHost }: OriginRules): boolean {
  return !allowLoopback || (hosts.length > 0 && hosts.every((host) => host === ownHost || isLoopbackHost(host)));
}

function isLoopbackHost(host: string): boolean {
  const url = parseUrl(`http://${host}`);
  return url !== undefined && url.host === host.toLowerCase().replace(/:80$/, '') && isLoopback(url);
}

function isLoopbackOrigin(value: string): boolean {
  const url = parseUrl(value);
  return url !== undefined && /^https?:$/.test(url.protocol) && url.origin === value && isLoopback(url);
}
