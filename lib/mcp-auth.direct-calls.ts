import { Readable } from 'node:stream';
import { Inject, Injectable, type ExecutionContext } from '@nestjs/common';
import { isObservable, lastValueFrom } from 'rxjs';
import { McpAuthError } from './core/error.js';
import { callOfContext, currentCall, noteMcpContext, runInCall } from './mcp-auth.context.js';
import { McpAuthExplorer, type DirectHandler } from './mcp-auth.explorer.js';
import { McpAuthFilter } from './mcp-auth.filter.js';
import { McpAuthGuard } from './mcp-auth.guard.js';
import type { McpAuthInfo } from './mcp-auth.info.js';
import { injectedCaller } from './mcp-auth.injected-caller.js';
import { RESOLVED_OPTIONS } from './mcp-auth.module-definition.js';
import type { ResolvedOptions, ResolvedResource } from './mcp-auth.options.js';

type Method = (...args: unknown[]) => unknown;

/** What Nest keeps of a parameter decorated by `createParamDecorator`. */
interface DecoratedParameter {
  readonly index: number;
  readonly factory?: unknown;
  readonly data?: keyof McpAuthInfo;
}

/** Nest's own keys for what is bound to a handler, and for what the decorators of its parameters say. */
const GUARDS_METADATA = '__guards__';
const PARAMETERS_METADATA = '__routeArguments__';

/** What is behind a method that stands in for another: that one, and who decides where no guard let the call in. */
interface StandIn {
  readonly original: Method;
  application: McpAuthDirectCalls;
}

const standIns = new WeakMap<object, StandIn>();

/** A class can be used by several applications of one process: each decides about the calls that its own guard let in. */
const applications = new WeakMap<ResolvedResource, McpAuthDirectCalls>();

/**
 * Protects the handlers that an MCP framework calls as plain methods, as version 1 of `@rekog/mcp-nest` does: what
 * `@RequireScopes()` and the like bind to a handler, Nest never gets to run there. It is done around the method itself:
 * the guard decides, refusals take the form that MCP clients understand, the caller is known below, and `@AuthInfo()`
 * takes the place of the argument it decorates. It holds for every instance of the class, request-scoped ones too.
 *
 * Such a method then wants a caller who was let in, whoever calls it: the framework and the application's own code look
 * the same from inside. Runs no guards, pipes, interceptors and filters of others.
 */
@Injectable()
export class McpAuthDirectCalls {
  constructor(
    @Inject(McpAuthExplorer) private readonly explorer: McpAuthExplorer,
    @Inject(McpAuthGuard) private readonly guard: McpAuthGuard,
    @Inject(McpAuthFilter) private readonly filter: McpAuthFilter,
    @Inject(RESOLVED_OPTIONS) private readonly options: ResolvedOptions,
  ) {}

  /** To be called before MCP frameworks look for handlers, which they do at application bootstrap. */
  protect(): void {
    for (const resource of this.options.resources) applications.set(resource, this);
    for (const handler of this.explorer.directHandlers) {
      if (isGuarded(handler) || callerParameters(handler).length > 0) this.#standIn(handler);
    }
  }

  #standIn({ classRef, methodName, method }: DirectHandler): void {
    const known = standIns.get(method);
    // An inherited one stands in for the same method of the base class, which may declare less.
    if (known && Object.hasOwn(classRef.prototype, methodName)) {
      known.application = this;
      return;
    }
    const about: StandIn = { original: known?.original ?? (method as Method), application: this };
    const handler = { classRef, methodName, method: about.original };
    const standIn = function (this: unknown, ...args: unknown[]): Promise<unknown> {
      const call = currentCall();
      const application = (call && applications.get(call.resource)) ?? about.application;
      return application.#call(handler, this, args);
    };
    standIns.set(standIn, about);
    copyIdentity(about.original, standIn);
    Object.defineProperty(classRef.prototype, methodName, { value: standIn, writable: true, configurable: true });
  }

  async #call(handler: DirectHandler, self: unknown, args: readonly unknown[]): Promise<unknown> {
    const context = contextOf(handler, args);
    try {
      if (isGuarded(handler)) await this.guard.canActivate(context);
      const call = callOfContext(context);
      const run = (): unknown => Reflect.apply(handler.method as Method, self, withCaller(handler, args, context));
      return await (call ? runInCall(call, run) : run());
    } catch (error) {
      if (!(error instanceof McpAuthError)) throw error;
      // oxlint-disable-next-line promise/valid-params -- an exception filter is no promise
      const answer = this.filter.catch(error, context);
      return isObservable(answer) ? lastValueFrom(answer) : answer;
    }
  }
}

/** MCP frameworks know a handler by its metadata, and some by its name. */
function copyIdentity(from: Method, to: Method): void {
  Object.defineProperty(to, 'name', { value: from.name });
  for (const key of Reflect.getOwnMetadataKeys(from)) Reflect.defineMetadata(key, Reflect.getOwnMetadata(key, from), to);
}

/**
 * As much of an execution context as the guard and the filter of this library ask for. Leaves out the third argument, the
 * request: in a session that is the one which opened it, whose token may have been replaced by one for more, or less.
 */
function contextOf({ classRef, method }: DirectHandler, [input, mcpContext]: readonly unknown[]): ExecutionContext {
  const context = {
    getType: () => 'rpc',
    getClass: () => classRef,
    getHandler: () => method,
    getArgs: () => [input, mcpContext],
    switchToRpc: () => ({ getData: () => input, getContext: () => mcpContext }),
  };
  noteMcpContext(context, { isStdio: readsStandardInput(mcpContext) });
  return context as unknown as ExecutionContext;
}

/** What is read of the contexts of `@rekog/mcp-nest` 1. */
interface TransportContext {
  readonly mcpServer?: { readonly server?: { readonly transport?: object } };
}

/** Whether the transport of the server has the standard input of this very process: no message of a client has that. */
function readsStandardInput(mcpContext: unknown): boolean {
  const transport = ((mcpContext ?? {}) as TransportContext).mcpServer?.server?.transport;
  return Object.values(transport ?? {}).some((member) => member instanceof Readable && member === process.stdin);
}

function isGuarded({ classRef, method }: DirectHandler): boolean {
  const guards = [classRef, method].flatMap((target) => Reflect.getMetadata(GUARDS_METADATA, target) as unknown);
  return guards.includes(McpAuthGuard);
}

function withCaller(handler: DirectHandler, args: readonly unknown[], context: ExecutionContext): unknown[] {
  const all = [...args];
  for (const { index, data } of callerParameters(handler)) all[index] = injectedCaller(data, context);
  return all;
}

/** The parameters decorated with `@AuthInfo()`. */
function callerParameters({ classRef, methodName }: DirectHandler): DecoratedParameter[] {
  const parameters: unknown = Reflect.getMetadata(PARAMETERS_METADATA, classRef, methodName);
  return Object.values((parameters ?? {}) as Record<string, DecoratedParameter>).filter(
    ({ factory }) => factory === injectedCaller,
  );
}
