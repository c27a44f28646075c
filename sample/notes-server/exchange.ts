import type { IncomingMessage, ServerResponse } from 'node:http';

/**
 * Node's request as a server gets it, with members that Node's type declares as optional because a client's response
 * lacks them.
 */
type NodeRequest = IncomingMessage & { method: string; url: string };

/** The value of `@Req()`: Node's request, or Fastify's, which contains it. */
export type PlatformRequest = NodeRequest & { readonly body?: unknown; readonly raw?: NodeRequest };

/** The value of `@Res()`: Node's response, or Fastify's, which contains it. */
export type PlatformResponse = ServerResponse & { readonly raw?: ServerResponse; hijack?(): void };

/** The arguments of the SDK's transports, on both platforms: Node's request and response, and the parsed body. */
export function exchangeOf(request: PlatformRequest, response: PlatformResponse) {
  // Tells Fastify that the SDK sends the answer.
  response.hijack?.();
  return [request.raw ?? request, response.raw ?? response, request.body ?? undefined] as const;
}
