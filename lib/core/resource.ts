const WELL_KNOWN_SUFFIX = '/.well-known/oauth-protected-resource';

/** A resource identifier that {@link readResourceIdentifier} accepted. */
export interface ResourceIdentifier {
  /** As clients must spell it: they compare it byte for byte (RFC 9728 §3.3). */
  readonly value: string;
  /** Scheme, host and port: the origin that serves the metadata. */
  readonly origin: string;
  /** Begins with `/`; empty if the identifier is only an origin. */
  readonly path: string;
}

/**
 * Reads a resource identifier, or says why the value is invalid. Writes scheme and host in lower case and changes
 * nothing else, because the metadata must contain exactly the value that clients know. A value that a URL parser would
 * rewrite (`/a/../b`, `:443`, a space) is refused, with the spelling to use.
 *
 * Does NOT decide whether plain http is acceptable (see {@link isLoopback}).
 *
 * @see RFC 9728 §1.2
 */
export function readResourceIdentifier(value: string): ResourceIdentifier | { readonly problem: string } {
  const [, scheme, authority, rest] = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/([^/?#]*)(.*)$/s.exec(value) ?? [];
  if (scheme === undefined || authority === undefined || rest === undefined || !parseUrl(value)) {
    return { problem: 'must be an absolute URL' };
  }
  if (!/^https?$/i.test(scheme)) return { problem: 'its scheme is neither https nor http' };
  if (rest.includes('#')) return { problem: 'a resource identifier has no fragment (RFC 9728 §1.2)' };
  if (rest.includes('?')) return { problem: 'a query is not supported here; RFC 8707 §2 advises against one' };
  if (authority.includes('@')) return { problem: 'it holds a user name or password' };
  const origin = `${scheme}://${authority}`.toLowerCase();
  const identifier = origin + rest;
  const normal = new URL(identifier).href;
  if (normal !== identifier && normal !== `${identifier}/`) {
    return { problem: `it is not in normal form; write "${normal}"` };
  }
  return { value: identifier, origin, path: rest };
}

/**
 * The path of the metadata document: the well-known suffix, inserted between host and path. Drops the path `/`; a
 * trailing slash of a longer path belongs to the identifier.
 *
 * @see RFC 9728 §3.1
 */
export function metadataPath({ path }: ResourceIdentifier): string {
  return path === '/' ? WELL_KNOWN_SUFFIX : WELL_KNOWN_SUFFIX + path;
}

/** The path of the resource whose metadata document has this path; undefined for any other path. */
export function metadataPathBelow(path: string): string | undefined {
  return path.startsWith(`${WELL_KNOWN_SUFFIX}/`) ? path.slice(WELL_KNOWN_SUFFIX.length) : undefined;
}

/** The URL of the metadata document, as a challenge names it. Does not depend on a request. */
export function metadataUrl(resource: ResourceIdentifier): string {
  return resource.origin + metadataPath(resource);
}

/** The path of the metadata of a resource without a path. MCP clients also try it for resources with a path. */
export const ROOT_METADATA_PATH = WELL_KNOWN_SUFFIX;

/**
 * The URL, or undefined if the text is not a URL.
 *
 * Remove with Node 22, in favour of `URL.parse`: Node 20 does not have it, and once V8 has optimized `URL.canParse`, Node 20
 * and 22 refuse non-ASCII hosts that they accepted before.
 */
export function parseUrl(value: string): URL | undefined {
  try {
    return new URL(value);
  } catch {
    return undefined;
  }
}

/** Whether the URL names this machine. Requests to it do not leave the kernel, so https would add nothing. */
export function isLoopback(url: URL): boolean {
  return url.hostname === 'localhost' || url.hostname === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(url.hostname);
}

/** Whether the URL is https, or plain http on this very machine (OAuth 2.1 §1.5). */
export function isSecureOrLocal(url: URL): boolean {
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url));
}
