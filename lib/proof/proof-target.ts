import type { ResourceIdentifier } from '../core/resource.js';
import { targetPath, type HttpRequest } from '../request/http-message.js';

/** Longest `htu` that is read, in characters. */
const MAX_LENGTH = 2_048;

/** An http URI without user information, query and fragment, in characters that URIs may have (RFC 3986). */
const HTTP_URI = /^https?:\/\/[A-Za-z0-9._~%:[\]-]+(?:\/[A-Za-z0-9._~%:@!$&'()*+,;=/-]*)?$/i;

/** A `%` that begins no escape. */
const BROKEN_ESCAPE = /%(?![0-9A-Fa-f]{2})/;

const ESCAPE = /%[0-9A-Fa-f]{2}/g;
const UNRESERVED = /[A-Za-z0-9._~-]/;

/**
 * The URI of a request that its proof must name: the public origin of the resource, as configured, with the path as sent.
 * Nothing that a client or a proxy sends as its own address counts (`Host`, `Forwarded`).
 *
 * A proxy may remove the beginning of the public path. So a request counts as one for the resource if its path is the end of
 * that of the resource.
 */
export function requestUri(request: HttpRequest, { origin, path }: ResourceIdentifier): string {
  const sent = targetPath(request);
  return origin + (sent !== '/' && path.endsWith(sent) ? path : sent);
}

/**
 * Whether `htu` names this URI, after the normalization of RFC 3986 §6.2.2 and §6.2.3: case of scheme and host, default port,
 * dot segments, escapes of unreserved characters. One slash at the end does not count: frameworks serve both spellings.
 * An `htu` with a query or a fragment names nothing (RFC 9449 §4.2).
 */
export function namesUri(htu: string, uri: string): boolean {
  if (htu === uri) return true;
  const named = normalized(htu);
  return named !== undefined && named === normalized(uri);
}

function normalized(uri: string): string | undefined {
  if (uri.length > MAX_LENGTH || !HTTP_URI.test(uri) || BROKEN_ESCAPE.test(uri)) return undefined;
  let url: URL;
  try {
    url = new URL(uri);
  } catch {
    return undefined;
  }
  const path = url.pathname.replace(ESCAPE, (escape) => {
    const character = String.fromCharCode(Number.parseInt(escape.slice(1), 16));
    return UNRESERVED.test(character) ? character : escape.toUpperCase();
  });
  return url.origin + path.replace(/\/$/, '');
}
