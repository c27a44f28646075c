import type { ArgumentsHost, ExecutionContext } from '@nestjs/common';
import type { AuthorizedCall } from './authorized-call.js';
import { Caller } from './caller.js';
import { currentCall, setCurrentCall } from './current-call.js';
import { instancesWith, type Instance } from './module-instances.js';
import { requestBehind } from './request-behind.js';
import { callOfRequest, lastMark, mark } from './request-marks.js';
import { configuredResource } from '../options/resource-options.js';
import { nodeRequest, type HttpRequest } from '../request/http-message.js';
import { mcpOriginOf } from '../request/mcp-origin.js';

/** Calls of handlers whose framework passes no request, keyed by their RPC context. */
const calls = new WeakMap<object, AuthorizedCall>();

/**
 * Stores the admitted call of a request.
 *
 * @throws as {@link setCurrentCall}
 */
export function rememberCall(request: HttpRequest, call: AuthorizedCall, instance: Instance): void {
  const source = nodeRequest(request);
  setCurrentCall(source, call, instance);
  mark(source, instance, call);
  if (call.auth) Caller.bind(call.auth, call);
}

/** For a handler whose framework passes no request: stores the call with its RPC context. */
export function rememberContext(rpcContext: object, call: AuthorizedCall): void {
  calls.set(rpcContext, call);
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
  return call && instance.resources.includes(configuredResource(call.resource)) ? call : undefined;
}

function callOfCarriedRequest(rpcContext: RpcContext, instance: Instance): AuthorizedCall | undefined {
  if (rpcContext.getSession?.()?.stateless !== true) return undefined;
  const request = rpcContext.getRawRequest?.();
  return typeof request === 'object' && request !== null ? callOfRequest(request as HttpRequest, instance) : undefined;
}
