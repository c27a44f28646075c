import { AsyncLocalStorage } from 'node:async_hooks';
import type { ExecutionContext } from '@nestjs/common';
import type { HeaderSource } from './core/credentials.js';
import type { McpAuthInfo } from './mcp-auth.info.js';
import type { ResolvedResource } from './mcp-auth.options.js';

/** A request that was let through. */
export interface AuthorizedCall {
  readonly auth: McpAuthInfo;
  readonly resource: ResolvedResource;
  /** The route it was let through to. */
  readonly handler: object;
}

/** Express hands out Node's request itself; Fastify wraps it. */
export type HttpRequest = HeaderSource & {
  readonly raw?: HttpRequest;
  readonly method: string;
  readonly body?: unknown;
  auth?: unknown;
  user?: unknown;
};

const current = new AsyncLocalStorage<AuthorizedCall>();
/** Keyed by Node's own request, where nothing but this module can write: `request.auth` is for others to read. */
const calls = new WeakMap<object, AuthorizedCall>();

/** Node's request behind whatever the platform hands out. */
export function nodeRequest(request: HttpRequest): HttpRequest {
  return request.raw ?? request;
}

export function rememberCall(request: HttpRequest, call: AuthorizedCall): void {
  calls.set(nodeRequest(request), call);
}

export function callOfRequest(request: HttpRequest): AuthorizedCall | undefined {
  return calls.get(nodeRequest(request));
}

/** Runs the function, and everything it starts, with this call as the current one. */
export function runInCall<T>(call: AuthorizedCall, run: () => T): T {
  return current.run(call, run);
}

/** The call under way here, or undefined outside of a request that was let through. */
export function currentCall(): AuthorizedCall | undefined {
  return current.getStore();
}

/**
 * The authorized call a handler serves: on HTTP by its request; elsewhere the current one, else by the raw request
 * that the MCP framework carries along. Undefined where nobody was authorized.
 */
export function callOfContext(context: ExecutionContext): AuthorizedCall | undefined {
  if (context.getType() === 'http') return callOfRequest(context.switchToHttp().getRequest<HttpRequest>());
  if (context.getType() !== 'rpc') return undefined;
  const carried = rawRequestOf(context.switchToRpc().getContext<unknown>());
  return currentCall() ?? (carried && callOfRequest(carried));
}

/** `McpContext.getRawRequest()` of `@rekog/mcp-nest`; undefined over stdio. */
function rawRequestOf(rpcContext: unknown): HttpRequest | undefined {
  if (typeof rpcContext !== 'object' || rpcContext === null || !('getRawRequest' in rpcContext)) return undefined;
  const { getRawRequest } = rpcContext;
  const request: unknown = typeof getRawRequest === 'function' ? getRawRequest.call(rpcContext) : undefined;
  return typeof request === 'object' && request !== null ? (request as HttpRequest) : undefined;
}
