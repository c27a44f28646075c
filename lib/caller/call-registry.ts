import { AsyncLocalStorage } from 'node:async_hooks';
import type { ArgumentsHost, ExecutionContext } from '@nestjs/common';
import type { AuthorizedCall } from './authorized-call.js';
import { Caller } from './caller.js';
import { instancesWith, type Instance } from './module-instances.js';
import { requestBehind } from './request-behind.js';
import { nodeRequest, type HttpRequest } from '../request/http-message.js';
import { mcpOriginOf } from '../request/mcp-origin.js';

/** A request being served, and the call that the guard admitted for it. */
interface TrackedRequest {
  /** Node's request. */
  readonly request: object | undefined;
  call: AuthorizedCall | undefined;
}

const MIXED_UP =
  'A request reached the guard of McpAuthModule in the asynchronous context of another request, so McpAuthService.authInfo ' +
  'would return the wrong caller. Some middleware calls next() from a callback of the other request: wrap that callback ' +
  'with AsyncResource.bind(), or set followCaller: false if you do not use authInfo';

/** What one instance of the module knows about Node's request. */
interface Mark {
  readonly request: object;
  readonly instance: Instance;
  /** Undefined if the request has entered the application of this instance, but was not admitted. */
  readonly call: AuthorizedCall | undefined;
  /** The mark of the instance that saw the request before. At most one per instance. */
  readonly outer: Mark | undefined;
}

/** The requests being served, per instance. */
const tracked = new WeakMap<Instance, AsyncLocalStorage<TrackedRequest>>();
/** On Node's request: the instance that tracked it last. */
const FOLLOWED_BY = Symbol('followed by');
/** On Node's request: the admitted call. Only this file can write it; other code reads `request.auth`. */
const MARK = Symbol('mark');
/** Calls of handlers whose framework passes no request, keyed by their RPC context. */
const calls = new WeakMap<object, AuthorizedCall>();

/** The members that this file adds to Node's request. */
interface Marked {
  [FOLLOWED_BY]?: Instance;
  /** Contains its request: a mark that was copied to another request does not count. */
  [MARK]?: Mark;
}

/**
 * Stores the admitted call of a request.
 *
 * @throws if the current asynchronous context belongs to another request, whose caller `authInfo` would then return. For
 * example, middleware with a pool may continue one request from a callback of another.
 */
export function rememberCall(request: HttpRequest, call: AuthorizedCall, instance: Instance): void {
  const source = nodeRequest(request);
  const current = tracked.get(instance)?.getStore();
  // A request can be dispatched within another one, without passing the code that tracks requests.
  const isOwn = current?.request === source;
  if (current && !isOwn && (source as Marked)[FOLLOWED_BY] === instance) throw new Error(MIXED_UP);
  mark(source, instance, call);
  if (call.auth) Caller.bind(call.auth, call);
  if (isOwn) current.call = call;
}

/**
 * Records that a request, which another instance has seen, entered the application of this instance. Removes the caller
 * of the other instance, which means nothing here. Does nothing for a request that no instance has seen.
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

/** The fields in which the guard leaves the caller for other code. */
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

/** The mark of the instance that saw the request last. */
function lastMark(source: HttpRequest): Mark | undefined {
  const last = (source as Marked)[MARK];
  return last?.request === source ? last : undefined;
}

/** For a handler whose framework passes no request: stores the call with its RPC context. */
export function rememberContext(rpcContext: object, call: AuthorizedCall): void {
  calls.set(rpcContext, call);
}

/** The call that this instance admitted for the request. Ignores the calls of other instances. */
export function callOfRequest(request: HttpRequest, instance: Instance): AuthorizedCall | undefined {
  let one = lastMark(nodeRequest(request));
  while (one && one.instance !== instance) one = one.outer;
  return one?.call;
}

/**
 * Runs the function that serves a request, with everything it starts, in a context where {@link currentCall} finds the
 * call.
 */
export function trackRequest(request: object, instance: Instance, run: () => void): void {
  (request as Marked)[FOLLOWED_BY] = instance;
  storageOf(instance).run({ request, call: undefined }, run);
}

/** Runs the function, with everything it starts, with this call as the current one of the instance. */
export function runInCall<T>(call: AuthorizedCall, instance: Instance, run: () => T): T {
  return storageOf(instance).run({ request: undefined, call }, run);
}

/** The current call; undefined outside of a request that the instance admitted, and if it tracks no requests. */
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

/**
 * The members that are read from contexts of MCP frameworks: `@rekog/mcp-nest` 2, and the bridge of
 * `nestjs-mcp-auth/sdk`.
 */
interface RpcContext {
  /** What the official SDK passes to handlers: version 2 has the caller under `http`, version 1 directly. */
  readonly sdkContext?: { readonly authInfo?: unknown; readonly http?: { readonly authInfo?: unknown } };
  getRawRequest?(): unknown;
  getSession?(): { readonly stateless?: unknown } | undefined;
}

/** Admitted calls of resolvers and WebSocket handlers, keyed by the HTTP request behind them, and then by handler. */
const outsideCalls = new WeakMap<object, WeakMap<object, AuthorizedCall>>();

export function rememberHandlerCall(request: HttpRequest, call: AuthorizedCall): void {
  const source = nodeRequest(request);
  const ofRequest = outsideCalls.get(source) ?? new WeakMap<object, AuthorizedCall>();
  outsideCalls.set(source, ofRequest.set(call.handler, call));
}

function handlerCallOf(host: ArgumentsHost): AuthorizedCall | undefined {
  const request = requestBehind(host);
  // Nest passes no handler to a filter.
  const handler = (host as Partial<ExecutionContext>).getHandler?.();
  return request && handler && outsideCalls.get(nodeRequest(request))?.get(handler);
}

/**
 * The admitted call that a handler serves; undefined if there is none. HTTP routes, resolvers and WebSocket handlers
 * find it by the request. MCP handlers find it in this order: by the caller object that the guard attached to the
 * request, and that the transports of the SDK pass on with each message; by the tracked request; by the request that
 * the MCP framework passes along, except in a session, where that is the request which opened it. Messages of brokers
 * have no caller.
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
 * The same for code that Nest calls without an instance: parameter decorators, interceptors of classes. On HTTP, the
 * instance that saw the request last counts. If the applications of several instances share the class, and each of them
 * admitted a call here, only the caller that came with the message decides.
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

/** The call of the caller that the transports of the SDK pass on with a message. */
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
