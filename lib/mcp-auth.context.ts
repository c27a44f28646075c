import { AsyncLocalStorage } from 'node:async_hooks';
import type { ArgumentsHost, ExecutionContext } from '@nestjs/common';
import type { McpAuthError } from './core/error.js';
import type { HeaderSource } from './core/header-fields.js';
import { placeWith } from './core/kept.js';
import { Caller, type McpAuthInfo } from './mcp-auth.info.js';
import type { ResolvedResource } from './mcp-auth.options.js';
import { methodOfClass, requestBehind } from './mcp-auth.request-behind.js';

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

/** A request under way, and what the guard has let it in as. */
interface Followed {
  /** Node's. */
  readonly request: object | undefined;
  call: AuthorizedCall | undefined;
}

const MIXED_UP =
  'A request arrived at the guard of McpAuthModule within the asynchronous context of another one, so that ' +
  'McpAuthService.authInfo would name the caller of that. Some middleware calls next() from a callback of the other request: ' +
  'wrap that callback with AsyncResource.bind(), or set followCaller: false if authInfo is not used';

const followed = new AsyncLocalStorage<Followed>();
/** Which requests of Node's are followed. */
const isFollowed = placeWith<true>();
/** What requests of Node's were let in as. Nothing else can write here: `request.auth` is for others to read. */
const admitted = placeWith<{ readonly request: object; readonly call: AuthorizedCall }>();
/** What handlers were let run as whose framework hands on no request, by their RPC context. */
const calls = placeWith<AuthorizedCall>();

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

/**
 * @throws where what runs here would take the caller of another request for its own: middleware that hands out something
 * pooled, say, may go on with one request from within another.
 */
export function rememberCall(request: HttpRequest, call: AuthorizedCall): void {
  const source = nodeRequest(request);
  const current = followed.getStore();
  // That of another request is around it, too, where one is made inside of the other to an application that follows none.
  const isOwn = current?.request === source;
  if (current && !isOwn && isFollowed.of(placeOf(source))) throw new Error(MIXED_UP);
  admitted.keep(placeOf(source), { request: source, call });
  if (call.auth) Caller.bind(call.auth, call);
  if (isOwn) current.call = call;
}

/** For a handler whose framework carries no request along: the call belongs to the context it is handed. */
export function rememberContext(rpcContext: object, call: AuthorizedCall): void {
  calls.keep(rpcContext, call);
}

export function callOfRequest(request: HttpRequest): AuthorizedCall | undefined {
  const source = nodeRequest(request);
  const kept = admitted.of(placeOf(source));
  return kept?.request === source ? kept.call : undefined;
}

/**
 * Up to Node.js 22 it takes long to add anything to the requests of Express, which change their prototype; so it is added
 * to the list of their header fields, which each request has for itself. That it does is not taken on trust.
 */
export function placeOf(source: Pick<HttpRequest, 'rawHeaders'>): object {
  return source.rawHeaders ?? source;
}

/** Runs what serves a request of Node's, and everything it starts, so that {@link currentCall} knows what it is let in as. */
export function followRequest(request: Pick<HttpRequest, 'rawHeaders'>, run: () => void): void {
  isFollowed.keep(placeOf(request), true);
  followed.run({ request, call: undefined }, run);
}

/** Runs the function, and everything it starts, with this call as the current one. */
export function runInCall<T>(call: AuthorizedCall, run: () => T): T {
  return followed.run({ request: undefined, call }, run);
}

/** The call under way here; undefined outside of a request that was let in, and where requests are not followed. */
export function currentCall(): AuthorizedCall | undefined {
  return followed.getStore()?.call;
}

/** What is read of the contexts of MCP frameworks: of `@rekog/mcp-nest` 2, and of the bridge of `nestjs-mcp-auth/sdk`. */
interface RpcContext {
  /** What the official SDK hands to handlers: in version 2 with the caller under `http`, in version 1 beside. */
  readonly sdkContext?: { readonly authInfo?: unknown; readonly http?: { readonly authInfo?: unknown } };
  getRawRequest?(): unknown;
  getSession?(): { readonly stateless?: unknown } | undefined;
}

/** How a call came to an MCP framework. */
export interface McpOrigin {
  readonly isStdio: boolean;
}

/** Of the calls that this library makes by itself: by their execution context, or by their RPC context. */
const origins = placeWith<McpOrigin>();

/** To be called where the context of an MCP call is made. */
export function noteMcpContext(context: object, origin: McpOrigin): void {
  origins.keep(context, origin);
}

/**
 * How a call came, if an MCP framework made it. That is known of contexts which this library makes; and of those of
 * `@rekog/mcp-nest` 2 by the methods of their class. Members of its own do not make an object such a context: messages of
 * clients have those too.
 */
export function mcpOriginOf(host: ArgumentsHost): McpOrigin | undefined {
  if (host.getType() !== 'rpc') return undefined;
  const rpcContext: unknown = host.switchToRpc().getContext();
  const noted = origins.of(host);
  if (noted || typeof rpcContext !== 'object' || rpcContext === null) return noted;
  return origins.of(rpcContext) ?? originByClass(rpcContext);
}

function originByClass(rpcContext: object): McpOrigin | undefined {
  const getSession = methodOfClass(rpcContext, 'getSession');
  if (!getSession || !methodOfClass(rpcContext, 'getRawRequest')) return undefined;
  const session = Reflect.apply(getSession, rpcContext, []) as { readonly transport?: unknown } | undefined;
  return { isStdio: session?.transport === 'stdio' };
}

/** What resolvers and handlers of WebSocket messages were let run as: by the HTTP request behind them, and by handler. */
const outsideCalls = new WeakMap<object, WeakMap<object, AuthorizedCall>>();

export function rememberHandlerCall(request: HttpRequest, call: AuthorizedCall): void {
  const source = nodeRequest(request);
  const ofRequest = outsideCalls.get(source) ?? new WeakMap<object, AuthorizedCall>();
  outsideCalls.set(source, ofRequest.set(call.handler, call));
}

function handlerCallOf(host: ArgumentsHost): AuthorizedCall | undefined {
  const request = requestBehind(host);
  // A filter is told no handler.
  const handler = (host as Partial<ExecutionContext>).getHandler?.();
  return request && handler && outsideCalls.get(nodeRequest(request))?.get(handler);
}

/**
 * The authorized call a handler serves; undefined where nobody was authorized. On HTTP, for resolvers and for WebSocket
 * messages it goes by the request. At MCP handlers it goes by the very caller that the guard attached to the request, which
 * the transports of the SDK hand on with each message; where they hand on another or none, by the request under way; and
 * last by the request that the MCP framework carries along, if it is no session's, since that would be the one which
 * opened it. Messages of brokers have no caller.
 */
export function callOfContext(context: ArgumentsHost): AuthorizedCall | undefined {
  const type = context.getType<string>();
  if (type === 'http') return callOfHttp(context);
  if (type !== 'rpc') return handlerCallOf(context);
  const rpcContext: unknown = context.switchToRpc().getContext();
  const { sdkContext } = (rpcContext ?? {}) as RpcContext;
  const byCaller = Caller.callOf(sdkContext?.http?.authInfo ?? sdkContext?.authInfo);
  if (byCaller) return byCaller;
  if (!mcpOriginOf(context)) return undefined;
  return currentCall() ?? callOfRpcContext(rpcContext);
}

function callOfHttp(context: ArgumentsHost): AuthorizedCall | undefined {
  const request: unknown = context.switchToHttp().getRequest();
  return typeof request === 'object' && request !== null ? callOfRequest(request as HttpRequest) : undefined;
}

function callOfRpcContext(rpcContext: unknown): AuthorizedCall | undefined {
  if (typeof rpcContext !== 'object' || rpcContext === null) return undefined;
  return calls.of(rpcContext) ?? callOfCarriedRequest(rpcContext);
}

function callOfCarriedRequest(rpcContext: RpcContext): AuthorizedCall | undefined {
  if (rpcContext.getSession?.()?.stateless !== true) return undefined;
  const request = rpcContext.getRawRequest?.();
  return typeof request === 'object' && request !== null ? callOfRequest(request as HttpRequest) : undefined;
}
