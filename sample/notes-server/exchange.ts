import type { IncomingMessage, ServerResponse } from 'node:http';

/** Node's request as a server gets it: with the members that only the answers to a client lack. */
type NodeRequest = IncomingMessage & { method: string; url: string };

/** What `@Req()` injects: Node's request, or Fastify's, which has it inside. */
export type PlatformRequest = NodeRequest & { readonly body?: unknown; readonly raw?: NodeRequest };

/** What `@Res()` injects: Node's response, or Fastify's, which has it inside. */
export type PlatformResponse = ServerResponse & { readonly raw?: ServerResponse; hijack?(): void };

/** What the transports of the SDK want, on either platform: Node's own request and response, and the parsed body. */
export function exchangeOf(request: PlatformRequest, response: PlatformResponse) {
  // Fastify is told that the answer is no business of its own.
  response.hijack?.();
  return [request.raw ?? request, response.raw ?? response, request.body ?? undefined] as const;
}
