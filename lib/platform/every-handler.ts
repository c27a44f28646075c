import { Catch, Injectable, UseFilters, UseGuards } from '@nestjs/common';
import type { ArgumentsHost, CanActivate, ExceptionFilter, ExecutionContext } from '@nestjs/common';
import { McpAuthConsentRequiredError } from '../core/consent-required-error.js';
import { McpAuthError } from '../core/error.js';
import type { MaybePromise } from '../core/maybe-promise.js';
import { callOfContext } from '../caller/call-registry.js';
import { instancesWith, type Instance } from '../caller/module-instances.js';
import { HandlerExplorer, type DirectHandler } from '../handlers/handler-explorer.js';
import { boundTo, FILTERS_METADATA, GUARDS_METADATA } from '../handlers/nest-metadata.js';
import { ResolvedOptions } from '../options/options.js';
import { mcpOriginOf } from '../request/mcp-origin.js';
import { HandlerFilter, HandlerGuard } from './handler-enhancers.js';

/** Whether options concern every MCP handler, also those without a decorator. */
export function concernsEveryHandler({ authorize, resources }: ResolvedOptions): boolean {
  return authorize !== undefined || resources.some(({ annotationScopes }) => annotationScopes !== undefined);
}

/**
 * Whether options concern every MCP handler that is called over stdio: no route has checked what every request needs there.
 */
function concernsStdio({ resources }: ResolvedOptions): boolean {
  return resources.some(({ requiredScopes }) => requiredScopes.length > 0);
}

/** Whether every MCP handler may throw a refusal: by asking for a token for an API on behalf of its caller. */
export function mayRefuseInEveryHandler({ downstream }: ResolvedOptions): boolean {
  return downstream.length > 0;
}

/** The applications that bind something to every handler. */
const applications = new WeakMap<Instance, EveryHandler>();

/**
 * Binds the guard and the filter to MCP handlers without a decorator that Nest calls, if the options concern them: their
 * framework would run them without the guard, for example over stdio. If such a handler may only refuse its caller itself, binds
 * the filter alone, without which the client would not see the challenge. `DirectCalls` does the same for handlers that a framework
 * calls directly.
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
    const isGuarding = this.isGuarding;
    // Any tool may ask its user for consent. Without the filter, that would be an internal error of Nest.
    const needsFilter = mayRefuseInEveryHandler(this.options) || this.options.consent !== undefined;
    if (!isGuarding && !needsFilter) return;
    applications.set(this.options, this);
    for (const handler of this.explorer.rpcHandlers) if (this.#isUnguarded(handler)) bind(handler, isGuarding);
  }

  /** Whether the guard decides about calls of handlers that nothing protects. */
  get isGuarding(): boolean {
    return concernsEveryHandler(this.options) || concernsStdio(this.options);
  }

  /** Whether it decides about this one. */
  isGuardingCall(context: ExecutionContext): boolean {
    if (concernsEveryHandler(this.options)) return true;
    return mcpOriginOf(context)?.isStdio === true && concernsStdio(this.options);
  }

  #isUnguarded({ classRef, method }: DirectHandler): boolean {
    const bound = boundTo(classRef, method, GUARDS_METADATA);
    return (
      this.explorer.operationOf(method) !== undefined &&
      ![this.guard.constructor, GUARD].some((one) => bound.includes(one)) &&
      (this.isGuarding || !boundTo(classRef, method, FILTERS_METADATA).includes(FILTER))
    );
  }
}

class SharedGuard implements CanActivate {
  canActivate(context: ExecutionContext): MaybePromise<boolean> {
    return (
      applicationOf(context, context.getClass(), (one) => one.isGuardingCall(context))?.guard.canActivate(context) ??
      true
    );
  }
}

@Catch(McpAuthError, McpAuthConsentRequiredError)
class SharedFilter implements ExceptionFilter<McpAuthError | McpAuthConsentRequiredError> {
  catch(error: McpAuthError | McpAuthConsentRequiredError, host: ArgumentsHost): unknown {
    const application = applicationOf(host, undefined, () => true);
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
function applicationOf(
  host: ArgumentsHost,
  classRef: unknown,
  isRight: (application: EveryHandler) => boolean,
): EveryHandler | undefined {
  const instances = instancesWith(classRef);
  const admitting = instances.filter((instance) => callOfContext(host, instance) !== undefined);
  return (admitting.length > 0 ? admitting : instances)
    .flatMap((instance) => applications.get(instance) ?? [])
    .find(isRight);
}

function bind({ classRef, methodName, method }: DirectHandler, isGuarding: boolean): void {
  const descriptor = { value: method };
  if (isGuarding) UseGuards(GUARD)(classRef.prototype as object, methodName, descriptor);
  UseFilters(FILTER)(classRef.prototype as object, methodName, descriptor);
}
