import { fieldValues, type HeaderSource } from './header-fields.js';
import { targetAuthority, type HttpRequest } from './http-message.js';

/**
 * Every host that a request names, as sent. A target in absolute form names the host itself (RFC 9112 §3.2.2); over HTTP/2,
 * `:authority` does. Never `X-Forwarded-Host`, which any client can send.
 *
 * @param fields those of the request
 * @param hostFields the values of `Host`, for callers who need them, too
 */
export function requestedHosts(
  request: HttpRequest,
  fields: HeaderSource = request,
  hostFields: readonly string[] = fieldValues(fields, 'host'),
): readonly string[] {
  const authority = targetAuthority(request);
  if (authority !== undefined) return [authority];
  const ofHttp2 = fieldValues(fields, ':authority');
  return ofHttp2.length === 0 ? hostFields : [...hostFields, ...ofHttp2];
}

/** The host and port that a request is for, as sent; undefined if it names none, or several. */
export function requestedAuthority(request: HttpRequest): string | undefined {
  const hostFields = fieldValues(request, 'host');
  // Two `Host` fields are never right (RFC 9112 §3.2).
  if (hostFields.length > 1) return undefined;
  const [first, ...others] = requestedHosts(request, request, hostFields);
  return others.every((other) => other.toLowerCase() === first?.toLowerCase()) ? first : undefined;
}
