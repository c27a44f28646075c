import { fieldValues } from './header-fields.js';
import { targetAuthority, type HttpRequest } from './http-message.js';

/**
 * Every host that a request names, as sent. A target in absolute form names the host itself (RFC 9112 §3.2.2); over HTTP/2,
 * `:authority` does. Never `X-Forwarded-Host`, which any client can send.
 */
export function requestedHosts(request: HttpRequest): readonly string[] {
  const authority = targetAuthority(request);
  return authority === undefined
    ? [...fieldValues(request, 'host'), ...fieldValues(request, ':authority')]
    : [authority];
}

/** Whether a request has two `Host` fields, which are never right (RFC 9112 §3.2). */
export function repeatsHost(request: HttpRequest): boolean {
  return fieldValues(request, 'host').length > 1;
}

/** The host and port that a request is for, as sent; undefined if it names none, or several. */
export function requestedAuthority(request: HttpRequest): string | undefined {
  if (repeatsHost(request)) return undefined;
  const [first, ...others] = requestedHosts(request);
  return others.every((other) => other.toLowerCase() === first?.toLowerCase()) ? first : undefined;
}
