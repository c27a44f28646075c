import { AsyncLocalStorage } from 'node:async_hooks';
import type { ArgumentsHost } from '@nestjs/common';
import type { McpAuthError } from './core/error.js';
import type { HeaderSource } from './core/header-fields.js';
import { Caller, type McpAuthInfo } from './mcp-auth.info.js';
import type { ResolvedResource } from './mcp-auth.options.js';

/** A request that was let through. */
export interface AuthorizedCall {
  /** Undefined for an anonymous caller, where those are let in. */
  readonly auth: McpAuthInfo | undefined;
  readonly resource: ResolvedResource;
  /** The route it was let through to. */
  readonly handler: object;
  /** The refusal that a handler raised while it served the call, for the answer to be made of. */
  raised?: McpAuthError;
}

/** Express hands out Node's request itself; Fastify wraps it. */
export type HttpRequest = HeaderSource & {
  readonly raw?: HttpRequest;
  readonly method: string;
  readonly url?: string;
  readonly originalUrl?: string;
  readonly body?: unknown;
  auth?: unknown;
  user?: unknown;
};

const current = new AsyncLocalStorage<AuthorizedCall>();
/** Keyed by Node's own request, or by an RPC context. Nothing else can write here: `request.auth` is for others to read. */
const calls = new WeakMap<object, AuthorizedCall>();

/** Node's request behind whatever the platform hands out. */
export function nodeRequest(request: HttpRequest): HttpRequest {
  return request.raw ?? request;
}

/** The path of the request target as sent, not decoded, wherever a framework has mounted what handles it. */
export function targetPath(request: HttpRequest): string {
  const { originalUrl, url = '' } = nodeRequest(request);
  const target = originalUrl ?? url;
  const end = target.indexOf('?');
  return end === -1 ? target : target.slice(0, end);
}

export function rememberCall(request: HttpRequest, call: AuthorizedCall): void {
  calls.set(nodeRequest(request), call);
  if (call.auth) Caller.bind(call.auth, call);
}

/** For a handler whose framework carries no request along: the call belongs to the context it is handed. */
export function rememberContext(rpcContext: object, call: AuthorizedCall): void {
  calls.set(rpcContext, call);
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
export function callOfContext(context: ArgumentsHost): AuthorizedCall | undefined {
  if (context.getType() === 'http') return callOfRequest(context.switchToHttp().getRequest<HttpRequest>());
  if (context.getType() !== 'rpc') return undefined;
  const rpcContext = context.switchToRpc().getContext<object>();
  const carried = rawRequestOf(rpcContext);
  return currentCall() ?? calls.get(rpcContext) ?? (carried && callOfRequest(carried));
}

/** `McpContext.getRawRequest()` of `@rekog/mcp-nest`; undefined over stdio. */
function rawRequestOf(rpcContext: unknown): HttpRequest | undefined {
  if (typeof rpcContext !== 'object' || rpcContext === null || !('getRawRequest' in rpcContext)) return undefined;
  const { getRawRequest } = rpcContext;
  const request: unknown = typeof getRawRequest === 'function' ? getRawRequest.call(rpcContext) : undefined;
  return typeof request === 'object' && request !== null ? (request as HttpRequest) : undefined;
}
