import { Injectable, type ExecutionContext } from '@nestjs/common';
import { isObservable, lastValueFrom } from 'rxjs';
import { McpAuthError } from '../core/error.js';
import { callOfContext } from '../caller/call-registry.js';
import { currentCall, runInCall } from '../caller/current-call.js';
import type { Instance } from '../caller/module-instances.js';
import { concernsEveryHandler, mayRefuseInEveryHandler } from './every-handler.js';
import { directContext } from './direct-context.js';
import { HandlerExplorer, type DirectHandler } from '../handlers/handler-explorer.js';
import { HandlerFilter, HandlerGuard } from './handler-enhancers.js';
import { boundTo, GUARDS_METADATA } from '../handlers/nest-metadata.js';
import { callerParameters } from './caller-parameters.js';
import { instancesWith } from '../caller/module-instances.js';
import { ResolvedOptions } from '../options/options.js';
import { markWrapped } from '../handlers/written-declarations.js';

type Method = (...args: unknown[]) => unknown;

/** The original of a wrapped method, and the application that decides about calls which no guard admitted. */
interface WrappedMethod {
  readonly original: Method;
  application: DirectCalls;
}

const wrappedMethods = new WeakMap<object, WrappedMethod>();

/** Several applications of one process can share a class: each decides about the calls that its own guard admitted. */
const applications = new WeakMap<Instance, DirectCalls>();

/**
 * The application of a handler object; undefined if several applications share the object. Does not contain
 * request-scoped objects.
 */
const owners = new WeakMap<object, DirectCalls | undefined>();

/**
 * Protects the handlers that an MCP framework calls as plain methods, as version 1 of `@rekog/mcp-nest` and
 * `@nestjs-mcp/server` do: Nest does not run guards and filters for such calls. This class wraps the method itself: the
 * guard decides, refusals get the form that MCP clients understand, the caller is available below, and `@AuthInfo()`
 * replaces the argument that it decorates. This applies to every instance of the class, also to request-scoped ones.
 *
 * A wrapped method always requires an admitted caller, because it cannot distinguish calls of the framework from calls
 * of the application's own code. Does NOT run other guards, pipes, interceptors or filters.
 */
@Injectable()
export class DirectCalls {
  constructor(
    private readonly explorer: HandlerExplorer,
    private readonly guard: HandlerGuard,
    private readonly filter: HandlerFilter,
    private readonly options: ResolvedOptions,
  ) {}

  /**
   * Call it while Nest instantiates the application: an MCP framework may look for handlers when its own module is
   * initialised, possibly before all others.
   */
  protectClasses(): void {
    applications.set(this.options, this);
    this.#protect(this.explorer.directHandlersOfClasses);
  }

  /** Call it when all instances exist: then the classes of instances from factories are known, too. */
  protect(): void {
    for (const handler of this.explorer.handlerObjects) {
      owners.set(handler, owners.has(handler) && owners.get(handler) !== this ? undefined : this);
    }
    this.#protect(this.explorer.directHandlers);
  }

  #protect(handlers: readonly DirectHandler[]): void {
    for (const handler of handlers) {
      const isWrapped = this.#isDecided(handler) || mayRefuseInEveryHandler(this.options);
      if (isWrapped || callerParameters(handler.classRef, handler.methodName).length > 0) this.#wrap(handler);
    }
  }

  #wrap({ classRef, methodName, method }: DirectHandler): void {
    const known = wrappedMethods.get(method);
    // An inherited wrapper wraps the method for the base class, which may have fewer declarations.
    if (known && Object.hasOwn(classRef.prototype, methodName)) {
      known.application = this;
      return;
    }
    const wrappedMethod: WrappedMethod = { original: known?.original ?? (method as Method), application: this };
    const handler = { classRef, methodName, method: wrappedMethod.original };
    const wrapped = function (this: object, ...args: unknown[]): Promise<unknown> {
      const application = owners.get(this) ?? applicationUnderWay(classRef) ?? wrappedMethod.application;
      return application.#call(handler, this, args);
    };
    wrappedMethods.set(wrapped, wrappedMethod);
    markWrapped(wrappedMethod.original);
    copyNameAndMetadata(wrappedMethod.original, wrapped);
    Object.defineProperty(classRef.prototype, methodName, { value: wrapped, writable: true, configurable: true });
  }

  /** Whether each call is decided at the handler: the guard is bound to it, or the options concern every handler. */
  #isDecided({ classRef, method }: DirectHandler): boolean {
    return (
      concernsEveryHandler(this.options) || boundTo(classRef, method, GUARDS_METADATA).includes(this.guard.constructor)
    );
  }

  async #call(handler: DirectHandler, self: unknown, args: readonly unknown[]): Promise<unknown> {
    const operation = this.explorer.operationOf(handler.method);
    const context = directContext({ ...handler, operation }, args);
    try {
      if (this.#isDecided(handler)) await this.guard.canActivate(context);
      const call = callOfContext(context, this.options);
      const injected = await withCaller(handler, args, context);
      const run = (): unknown => Reflect.apply(handler.method as Method, self, injected);
      return await (call ? runInCall(call, this.options, run) : run());
    } catch (error) {
      if (!(error instanceof McpAuthError)) throw error;
      // oxlint-disable-next-line promise/valid-params -- an exception filter is no promise
      const answer = this.filter.catch(error, context);
      return isObservable(answer) ? lastValueFrom(answer) : answer;
    }
  }
}

/** Of the applications that share the class, the one that admitted the current call. */
function applicationUnderWay(classRef: unknown): DirectCalls | undefined {
  const instance = instancesWith(classRef).find((one) => currentCall(one) !== undefined);
  return instance && applications.get(instance);
}

/** MCP frameworks find a handler by its metadata, and some by its name. */
function copyNameAndMetadata(from: Method, to: Method): void {
  Object.defineProperty(to, 'name', { value: from.name });
  for (const key of Reflect.getOwnMetadataKeys(from))
    Reflect.defineMetadata(key, Reflect.getOwnMetadata(key, from), to);
}

async function withCaller(
  handler: DirectHandler,
  args: readonly unknown[],
  context: ExecutionContext,
): Promise<unknown[]> {
  const all = [...args];
  for (const { index, inject } of callerParameters(handler.classRef, handler.methodName))
    all[index] = await inject(context);
  return all;
}
