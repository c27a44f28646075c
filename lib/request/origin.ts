import { isLoopback, parseUrl, type ResourceIdentifier } from '../core/resource.js';

/** Which `Origin` and `Host` values a resource accepts. */
export interface OriginRules {
  /** Serialised origins, such as `https://app.example.com`: scheme, host and port. */
  readonly allowed: ReadonlySet<string>;
  /** Schemes that are accepted with any host, such as `vscode-webview`. */
  readonly schemes: ReadonlySet<string>;
  /** The `Host` of a request to the URL of the resource. */
  readonly ownHost: string;
  /** The host names of the resource and of the option `allowedHosts`: without a port, or with the only accepted one. */
  readonly hosts: ReadonlySet<string>;
  /** Whether only {@link hosts} are accepted, since the option `allowedHosts` lists them. */
  readonly onlyListedHosts: boolean;
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

/** What the options accept, for all resources. */
export interface AllowedSources {
  readonly allowedOrigins: readonly string[];
  /** Undefined if the option is not set. */
  readonly allowedHosts: readonly string[] | undefined;
}

/** Whether a text is an entry of `allowedHosts`: host name or address, with or without a port, as in a `Host` field. */
export function isAllowedHost(text: string): boolean {
  if (!/^(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[1-9]\d{0,4})?$/.test(text)) return false;
  return parseUrl(`http://${text}`)?.host === text.replace(/:80$/, '');
}

/** The rules of a resource: it accepts the listed origins, its own origin and, if it is on loopback, all of loopback. */
export function originRules({ value, origin }: ResourceIdentifier, options: AllowedSources): OriginRules {
  const url = new URL(value);
  const read = options.allowedOrigins.flatMap((text) => readAllowedOrigin(text) ?? []);
  return {
    allowed: new Set([new URL(origin).origin, ...read.flatMap((one) => ('origin' in one ? one.origin : []))]),
    schemes: new Set(read.flatMap((one) => ('scheme' in one ? one.scheme : []))),
    ownHost: url.host,
    hosts: new Set([url.hostname, ...(options.allowedHosts ?? [])]),
    onlyListedHosts: options.allowedHosts !== undefined,
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
 * Whether a request that names these hosts may go on: all of them must be allowed. Protects from pages that let their host name
 * resolve to this server (DNS rebinding).
 *
 * A resource on loopback accepts hosts on loopback and listed ones. Any other resource accepts its own host and listed ones, on
 * any port. Unless the option lists hosts, it also accepts the names that a proxy puts in the place of the host of the client,
 * if no page can have them: see {@link isInternalHost}.
 */
export function areHostsAllowed(hosts: readonly string[], rules: OriginRules): boolean {
  if (rules.allowLoopback)
    return hosts.length > 0 && hosts.every((host) => isListedHost(host, rules) || isLoopbackHost(host));
  if (rules.onlyListedHosts) return hosts.length > 0 && hosts.every((host) => isListedHost(host, rules));
  return hosts.every((host) => isListedHost(host, rules) || isInternalHost(host));
}

function isListedHost(host: string, { ownHost, hosts }: OriginRules): boolean {
  if (host === ownHost) return true;
  const { name, whole } = normalHost(host);
  return name !== undefined && (hosts.has(name) || hosts.has(whole));
}

/** The host name or address without and with its port; no name if the text is no `Host` field. */
function normalHost(host: string): { readonly name: string | undefined; readonly whole: string } {
  const [, name] = /^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/.exec(host) ?? [];
  return { name: name?.toLowerCase(), whole: host.toLowerCase() };
}

/** Names that no public DNS server answers (RFC 2606, RFC 6761, RFC 6762, RFC 8375, ICANN), and those of Kubernetes services. */
const INTERNAL_NAME = /\.(?:internal|local|localhost|home\.arpa|test|svc)$/;

const IPV4 = /^\d{1,3}(?:\.\d{1,3}){3}$/;

/**
 * Whether no page of the Internet can have this host: a name of one label, such as that of a service in Docker, a name under a
 * domain for private use, or an address. DNS rebinding needs a name that the attacker can register.
 */
function isInternalHost(host: string): boolean {
  const { name } = normalHost(host);
  if (name === undefined) return false;
  return !name.includes('.') || name.startsWith('[') || IPV4.test(name) || INTERNAL_NAME.test(name);
}

function isLoopbackHost(host: string): boolean {
  const url = parseUrl(`http://${host}`);
  return url !== undefined && url.host === host.toLowerCase().replace(/:80$/, '') && isLoopback(url);
}

function isLoopbackOrigin(value: string): boolean {
  const url = parseUrl(value);
  return url !== undefined && /^https?:$/.test(url.protocol) && url.origin === value && isLoopback(url);
}
