import type { IncomingMessage, ServerResponse } from 'node:http';
import { Injectable, UseInterceptors } from '@nestjs/common';
import { HttpAdapterHost, ModulesContainer } from '@nestjs/core';
import { isTracking, startTracking, trackRequest } from '../caller/current-call.js';
import { HandlerExplorer, type DirectHandler } from '../handlers/handler-explorer.js';
import { httpAdapterOf } from './http-adapter.js';
import { CallerInterceptor } from './caller-interceptor.js';
import { dependenciesOf, wrappersIn } from './injection.js';
import { allowsAnonymousCalls } from '../options/anonymous-access.js';
import { ResolvedOptions } from '../options/options.js';

/** The used members of a Fastify application. */
interface FastifyLike {
  addHook?(
    name: 'preValidation',
    hook: (request: { readonly raw: IncomingMessage }, reply: unknown, done: () => void) => void,
  ): void;
}

/** Handlers that have the interceptor. Several applications of one process may share their classes. */
const intercepted = new WeakSet<object>();

/**
 * Makes the caller available below handlers through `AsyncLocalStorage`, but only if something needs it: a provider that
 * injects `McpAuthService` or `McpAuthDownstream`, an MCP framework that calls handlers as plain methods, or anonymous callers of MCP, which the
 * messages of the framework do not show.
 *
 * Remove with Node 22: the condition. On Node.js 20 and 22, `AsyncLocalStorage` slows down every promise of the process, which
 * costs a small route a tenth of its throughput.
 */
@Injectable()
export class CallerTracking {
  constructor(
    private readonly host: HttpAdapterHost,
    private readonly modules: ModulesContainer,
    private readonly explorer: HandlerExplorer,
    private readonly options: ResolvedOptions,
  ) {}

  /**
   * Prepares handlers that have no HTTP request. Call it while Nest instantiates the application: Nest builds the
   * handlers of microservices when one is connected, before any other hook.
   *
   * @param tokens of the providers whose users need tracking
   */
  prepare(tokens: readonly unknown[]): void {
    const isWanted =
      this.options.followCaller ??
      wrappersIn([...this.modules.values()]).some((wrapper) =>
        dependenciesOf(wrapper).some((dependency) => tokens.includes(dependency)),
      );
    if (!isWanted) return;
    startTracking(this.options);
    for (const handler of this.explorer.rpcHandlers) intercept(handler);
  }

  /** Prepares handlers of HTTP requests. Call it before Nest registers the routes of the application. */
  mount(): void {
    if (this.#isNeeded()) startTracking(this.options);
    const adapter = httpAdapterOf(this.host);
    if (!adapter || !isTracking(this.options)) return;
    const fastify = adapter.getInstance<FastifyLike>();
    // Fastify reads the body outside of the asynchronous context of middleware.
    if (fastify.addHook)
      fastify.addHook('preValidation', ({ raw }, _reply, done) => trackRequest(raw, this.options, done));
    else
      adapter.use((request: IncomingMessage, _response: ServerResponse, next: () => void) =>
        trackRequest(request, this.options, next),
      );
  }

  #isNeeded(): boolean {
    const { directHandlers, operations } = this.explorer;
    return directHandlers.length > 0 || (allowsAnonymousCalls(this.options) && operations.length > 0);
  }
}

function intercept({ classRef, methodName, method }: DirectHandler): void {
  if (intercepted.has(method)) return;
  intercepted.add(method);
  UseInterceptors(new CallerInterceptor())(classRef.prototype as object, methodName, { value: method });
}
