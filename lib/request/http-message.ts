import type { ServerResponse } from 'node:http';
import type { HeaderSource } from './header-fields.js';

/** Express hands out Node's request itself; Fastify wraps it. */
export type HttpRequest = Omit<HeaderSource, 'raw'> & {
  readonly raw?: HttpRequest;
  readonly method: string;
  readonly url?: string;
  readonly originalUrl?: string;
  readonly body?: unknown;
  auth?: unknown;
  user?: unknown;
};

/** Express hands out Node's response itself; Fastify wraps it. */
export type HttpResponse = ServerResponse & { readonly raw?: ServerResponse };

/** Node's request behind whatever the platform hands out. On Express, `raw` may be something of the application's. */
export function nodeRequest(request: HttpRequest): HttpRequest {
  return request.rawHeaders ? request : (request.raw ?? request);
}

/** Node's response behind whatever the platform hands out. */
export function nodeResponse(response: HttpResponse): ServerResponse {
  return response.raw ?? response;
}

/** Scheme and authority of a request target in absolute form. */
const ABSOLUTE_FORM = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i;

/** What is read of a request for its target: of Express's, of Fastify's, or of Node's own. */
interface TargetSource {
  readonly raw?: TargetSource;
  readonly url?: string | undefined;
  readonly originalUrl?: string;
}

/** The request target as sent, wherever a framework has mounted what handles it. */
function requestTarget(request: TargetSource): string {
  const { originalUrl, url = '' } = request.raw ?? request;
  return originalUrl ?? url;
}

/**
 * The path of the request target as sent, not decoded. Of a target in absolute form, which every server must accept, the
 * part behind the authority (RFC 9112 §3.2.2).
 */
export function targetPath(request: TargetSource): string {
  const target = requestTarget(request);
  const path = target.startsWith('/') ? target : target.replace(ABSOLUTE_FORM, '');
  const end = path.indexOf('?');
  return (end === -1 ? path : path.slice(0, end)) || '/';
}

/** The authority in a request target of absolute form; undefined for the usual target, which begins with the path. */
export function targetAuthority(request: TargetSource): string | undefined {
  const target = requestTarget(request);
  return target.startsWith('/') ? undefined : ABSOLUTE_FORM.exec(target)?.[1];
}
