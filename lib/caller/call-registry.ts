import { AsyncLocalStorage } from 'node:async_hooks';
import type { ArgumentsHost, ExecutionContext } from '@nestjs/common';
import type { AuthorizedCall } from './authorized-call.js';
import { Caller } from './caller.js';
import { instancesWith, type Instance } from './module-instances.js';
import { requestBehind } from './request-behind.js';
import { nodeRequest, type HttpRequest } from '../request/http-message.js';
import { mcpOriginOf } from '../request/mcp-origin.js';

/** A request under way, and what the guard has let it in as. */
interface TrackedRequest {
  /** Node's. */
  readonly request: object | undefined;
  call: AuthorizedCall | undefined;
}

const MIXED_UP =
  'A request arrived at the guard of McpAuthModule within the asynchronous context of another one, so that ' +
  'McpAuthService.authInfo would name the caller of that. Some middleware calls next() from a callback of the other request: ' +
  'wrap that callback with AsyncResource.bind(), or set followCaller: false if authInfo is not used';

/** What one instance of the module knows about a request of Node's. */
interface Mark {
  readonly request: object;
  readonly instance: Instance;
  /** Undefined where the request has only entered the application of this instance. */
  readonly call: AuthorizedCall | undefined;
  /** What instances knew that saw the request before. At most one mark of each. */
  readonly outer: Mark | undefined;
}

/** The requests under way, for each instance apart from the others. */
const tracked = new WeakMap<Instance, AsyncLocalStorage<TrackedRequest>>();
/** On Node's request: which instance followed it last. */
const FOLLOWED_BY = Symbol('followed by');
/** On Node's request: what it was let in as. Only this file can write it; `request.auth` is for others to read. */
const MARK = Symbol('mark');
/** Calls of handlers whose framework hands on no request, by their RPC context. */
const calls = new WeakMap<object, AuthorizedCall>();

/** What this file keeps on Node's request. */
interface Marked {
  [FOLLOWED_BY]?: Instance;
  /** With the request it was put on, so that a copy of the request is not taken for it. */
  [MARK]?: Mark;
}

/**
 * @throws where what runs here would take the caller of another request for its own: middleware that hands out something
 * pooled, say, may go on with one request from within another.
 */
export function rememberCall(request: HttpRequest, call: AuthorizedCall, instance: Instance): void {
  const source = nodeRequest(request);
  const current = tracked.get(instance)?.getStore();
  // A request can be dispatched inside of another one, past the place where requests are followed.
  const isOwn = current?.request === source;
  if (current && !isOwn && (source as Marked)[FOLLOWED_BY] === instance) throw new Error(MIXED_UP);
  mark(source, instance, call);
  if (call.auth) Caller.bind(call.auth, call);
  if (isOwn) current.call = call;
}

/**
 * Notes that a request which another instance has seen has entered the application of this instance, where the caller of
 * the other one is nobody. Does nothing for a request that no instance has seen.
 */
export function enterApplication(request: HttpRequest, instance: Instance): void {
  const source = nodeRequest(request);
  const last = lastMark(source);
  if (!last || last.instance === instance) return;
  mark(source, instance, undefined);
  for (const field of CALLER_FIELDS) {
    const value = source[field];
    if (Caller.callOf(value))
      Object.defineProperty(source, field, { value: undefined, configurable: true, enumerable: true, writable: true });
  }
}

/** Where the guard leaves the caller for others. */
const CALLER_FIELDS = ['auth', 'user'] as const;

function mark(source: HttpRequest, instance: Instance, call: AuthorizedCall | undefined): void {
  const last = lastMark(source);
  (source as Marked)[MARK] = { request: source, instance, call, outer: last && withoutMarkOf(instance, last) };
}

function withoutMarkOf(instance: Instance, one: Mark): Mark | undefined {
  const outer = one.outer && withoutMarkOf(instance, one.outer);
  if (one.instance === instance) return outer;
  return outer === one.outer ? one : { ...one, outer };
}

/** What the instance that saw the request last knows about it. */
function lastMark(source: HttpRequest): Mark | undefined {
  const last = (source as Marked)[MARK];
  return last?.request === source ? last : undefined;
}

/** For a handler whose framework carries no request along: the call belongs to the context it is handed. */
export function rememberContext(rpcContext: object, call: AuthorizedCall): void {
  calls.set(rpcContext, call);
}

/** What this instance has let the request in as. What others have let it in as is not looked at. */
export function callOfRequest(request: HttpRequest, instance: Instance): AuthorizedCall | undefined {
  let one = lastMark(nodeRequest(request));
  while (one && one.instance !== instance) one = one.outer;
  return one?.call;
}

/** Runs what serves a request of Node's, and everything it starts, so that {@link currentCall} knows what it is let in as. */
export function trackRequest(request: object, instance: Instance, run: () => void): void {
  (request as Marked)[FOLLOWED_BY] = instance;
  storageOf(instance).run({ request, call: undefined }, run);
}

/** Runs the function, and everything it starts, with this call as the current one of the instance. */
export function runInCall<T>(call: AuthorizedCall, instance: Instance, run: () => T): T {
  return storageOf(instance).run({ request: undefined, call }, run);
}

/** The call under way here; undefined outside of a request that the instance let in, and where it follows none. */
export function currentCall(instance: Instance): AuthorizedCall | undefined {
  return tracked.get(instance)?.getStore()?.call;
}

function storageOf(instance: Instance): AsyncLocalStorage<TrackedRequest> {
  const known = tracked.get(instance);
  if (known) return known;
  const storage = new AsyncLocalStorage<TrackedRequest>();
  tracked.set(instance, storage);
  return storage;
}

/** What is read of the contexts of MCP frameworks: of `@rekog/mcp-nest` 2, and of the bridge of `nestjs-mcp-auth/sdk`. */
interface RpcContext {
  /** What the official SDK hands to handlers: in version 2 with the caller under `http`, in version 1 beside. */
  readonly sdkContext?: { readonly authInfo?: unknown; readonly http?: { readonly authInfo?: unknown } };
  getRawRequest?(): unknown;
  getSession?(): { readonly stateless?: unknown } | undefined;
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
export function callOfContext(context: ArgumentsHost, instance: Instance): AuthorizedCall | undefined {
  const type = context.getType<string>();
  if (type === 'http') return callOfHttp(context, instance);
  if (type !== 'rpc') return ownCall(handlerCallOf(context), instance);
  const rpcContext: unknown = context.switchToRpc().getContext();
  const byCaller = ownCall(callerHandedOn(rpcContext), instance);
  if (byCaller) return byCaller;
  if (!mcpOriginOf(context)) return undefined;
  return currentCall(instance) ?? callOfRpcContext(rpcContext, instance);
}

function callOfHttp(context: ArgumentsHost, instance: Instance): AuthorizedCall | undefined {
  const request: unknown = context.switchToHttp().getRequest();
  return typeof request === 'object' && request !== null ? callOfRequest(request as HttpRequest, instance) : undefined;
}

function callOfRpcContext(rpcContext: unknown, instance: Instance): AuthorizedCall | undefined {
  if (typeof rpcContext !== 'object' || rpcContext === null) return undefined;
  return ownCall(calls.get(rpcContext), instance) ?? callOfCarriedRequest(rpcContext, instance);
}

/**
 * The same where Nest calls without an instance: a parameter decorator, an interceptor of a class. On HTTP the instance
 * counts that saw the request last. Where the applications of several instances have the class, and each of them has
 * authorized a call here, only the caller that came with the message says which one serves it.
 */
export function callWithInstance(
  context: ExecutionContext,
): { readonly call: AuthorizedCall; readonly instance: Instance } | undefined {
  const instances = instancesWith(context.getClass());
  if (context.getType() === 'http') {
    const request: unknown = context.switchToHttp().getRequest();
    const last =
      typeof request === 'object' && request !== null ? lastMark(nodeRequest(request as HttpRequest)) : undefined;
    return last?.call && instances.includes(last.instance) ? { call: last.call, instance: last.instance } : undefined;
  }
  const found = instances.flatMap((instance) => {
    const call = callOfContext(context, instance);
    return call ? { call, instance } : [];
  });
  if (found.length < 2) return found[0];
  const handedOn = callerHandedOn(context.switchToRpc().getContext());
  return found.find(({ call }) => call === handedOn);
}

/** The call of the caller that the transports of the SDK hand on with a message. */
function callerHandedOn(rpcContext: unknown): AuthorizedCall | undefined {
  const { sdkContext } = (rpcContext ?? {}) as RpcContext;
  return Caller.callOf(sdkContext?.http?.authInfo ?? sdkContext?.authInfo);
}

function ownCall(call: AuthorizedCall | undefined, instance: Instance): AuthorizedCall | undefined {
  return call && instance.resources.includes(call.resource) ? call : undefined;
}

function callOfCarriedRequest(rpcContext: RpcContext, instance: Instance): AuthorizedCall | undefined {
  if (rpcContext.getSession?.()?.stateless !== true) return undefined;
  const request = rpcContext.getRawRequest?.();
  return typeof request === 'object' && request !== null ? callOfRequest(request as HttpRequest, instance) : undefined;
}
