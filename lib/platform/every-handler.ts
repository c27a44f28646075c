import { Catch, Injectable, UseFilters, UseGuards } from '@nestjs/common';
import type { ArgumentsHost, CanActivate, ExceptionFilter, ExecutionContext } from '@nestjs/common';
import { McpAuthError } from '../core/error.js';
import type { MaybePromise } from '../core/maybe-promise.js';
import { callOfContext } from '../caller/call-registry.js';
import { instancesWith, type Instance } from '../caller/module-instances.js';
import { HandlerExplorer, type DirectHandler } from '../handlers/handler-explorer.js';
import { boundTo, GUARDS_METADATA } from '../handlers/nest-metadata.js';
import { ResolvedOptions } from '../options/options.js';
import { HandlerFilter, HandlerGuard } from './handler-enhancers.js';

/** Whether options concern every MCP handler, also those without a decorator. */
export function concernsEveryHandler({ authorize, resources }: ResolvedOptions): boolean {
  return authorize !== undefined || resources.some(({ annotationScopes }) => annotationScopes !== undefined);
}

/** The applications whose options concern every handler. */
const applications = new WeakMap<Instance, EveryHandler>();

/**
 * Binds the guard and the filter to MCP handlers without a decorator that Nest calls, if the options concern them: their
 * framework would run them without the guard, for example over stdio. `DirectCalls` does the same for handlers that a
 * framework calls directly.
 *
 * Several applications of one process may share a class, so what is bound belongs to none of them.
 */
@Injectable()
export class EveryHandler {
  constructor(
    private readonly explorer: HandlerExplorer,
    readonly guard: HandlerGuard,
    readonly filter: HandlerFilter,
    private readonly options: ResolvedOptions,
  ) {}

  /** Call it while Nest instantiates the application: Nest reads what is bound when a microservice is connected. */
  prepare(): void {
    if (!concernsEveryHandler(this.options)) return;
    applications.set(this.options, this);
    for (const handler of this.explorer.rpcHandlers) if (this.#isUnguarded(handler)) bind(handler);
  }

  #isUnguarded({ classRef, method }: DirectHandler): boolean {
    const bound = boundTo(classRef, method, GUARDS_METADATA);
    return (
      this.explorer.operationOf(method) !== undefined &&
      ![this.guard.constructor, GUARD].some((one) => bound.includes(one))
    );
  }
}

class SharedGuard implements CanActivate {
  canActivate(context: ExecutionContext): MaybePromise<boolean> {
    return applicationOf(context, context.getClass())?.guard.canActivate(context) ?? true;
  }
}

@Catch(McpAuthError)
class SharedFilter implements ExceptionFilter<McpAuthError> {
  catch(error: McpAuthError, host: ArgumentsHost): unknown {
    const application = applicationOf(host, undefined);
    if (!application) throw error;
    // oxlint-disable-next-line promise/valid-params -- an exception filter is no promise
    return application.filter.catch(error, host);
  }
}

const GUARD = new SharedGuard();
const FILTER = new SharedFilter();

/**
 * The application that decides about a call: the one that admitted its request. A call without a request, such as one over
 * stdio, is decided by an application whose options concern every handler, if there is one.
 */
function applicationOf(host: ArgumentsHost, classRef: unknown): EveryHandler | undefined {
  const instances = instancesWith(classRef);
  const admitting = instances.filter((instance) => callOfContext(host, instance) !== undefined);
  const [first] = (admitting.length > 0 ? admitting : instances).flatMap(
    (instance) => applications.get(instance) ?? [],
  );
  return first;
}

function bind({ classRef, methodName, method }: DirectHandler): void {
  const descriptor = { value: method };
  UseGuards(GUARD)(classRef.prototype as object, methodName, descriptor);
  UseFilters(FILTER)(classRef.prototype as object, methodName, descriptor);
}
