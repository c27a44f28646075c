import type { HttpRequest } from './http-message.js';

/** The matched route, as Express and Fastify describe it. */
interface RoutedRequest {
  readonly route?: { readonly path?: unknown };
  readonly routeOptions?: { readonly url?: unknown };
}

/** The path of the route that serves a request, as the application wrote it; undefined if the platform does not tell it. */
export function routePattern(request: HttpRequest): string | undefined {
  const { route, routeOptions } = request as RoutedRequest;
  const pattern = route?.path ?? routeOptions?.url;
  return typeof pattern === 'string' ? pattern : undefined;
}

/** Whether a route serves several paths that differ in a named parameter. A wildcard stands for paths below, and does not count. */
export function hasParameter(pattern: string): boolean {
  return /:\w/.test(pattern);
}
