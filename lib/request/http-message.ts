import type { ServerResponse } from 'node:http';
import type { HeaderSource } from './header-fields.js';

/** The request of the platform: Node's request on Express; on Fastify an object with Node's request in `raw`. */
export type HttpRequest = Omit<HeaderSource, 'raw'> & {
  readonly raw?: HttpRequest;
  readonly method: string;
  readonly url?: string;
  readonly originalUrl?: string;
  readonly body?: unknown;
  auth?: unknown;
  user?: unknown;
};

/** The response of the platform: Node's response on Express; on Fastify an object with Node's response in `raw`. */
export type HttpResponse = ServerResponse & { readonly raw?: ServerResponse };

/** Node's request behind that of the platform. On Express, `raw` may be a property that the application has set. */
export function nodeRequest(request: HttpRequest): HttpRequest {
  return request.rawHeaders ? request : (request.raw ?? request);
}

/**
 * The header fields of a request, for several checks in a row. `headers` of Node's request is a getter that costs 450
 * instructions in an application (callgrind, Node 24).
 */
export function headerFieldsOf(request: HttpRequest): HeaderSource {
  const { rawHeaders, socket } = nodeRequest(request);
  return { headers: request.headers, rawHeaders, socket };
}

/** Node's response behind that of the platform. */
export function nodeResponse(response: HttpResponse): ServerResponse {
  return response.raw ?? response;
}

/** Scheme and authority of a request target in absolute form. */
const ABSOLUTE_FORM = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i;

/** The part of a request that holds its target, on Express, on Fastify and in Node itself. */
interface TargetSource {
  readonly raw?: TargetSource;
  readonly url?: string | undefined;
  readonly originalUrl?: string;
}

/** The request target as sent. Below a mount point, Express changes `url` and leaves `originalUrl`. */
function requestTarget(request: TargetSource): string {
  const { originalUrl, url = '' } = request.raw ?? request;
  return originalUrl ?? url;
}

/**
 * The path of the request target as sent, not decoded. In a target in absolute form, which every server must accept, the
 * path follows the authority (RFC 9112 §3.2.2).
 */
export function targetPath(request: TargetSource): string {
  const target = requestTarget(request);
  const path = target.startsWith('/') ? target : target.replace(ABSOLUTE_FORM, '');
  const end = path.indexOf('?');
  return (end === -1 ? path : path.slice(0, end)) || '/';
}

/** The authority of a request target in absolute form; undefined for the usual target, which begins with the path. */
export function targetAuthority(request: TargetSource): string | undefined {
  const target = requestTarget(request);
  return target.startsWith('/') ? undefined : ABSOLUTE_FORM.exec(target)?.[1];
}
