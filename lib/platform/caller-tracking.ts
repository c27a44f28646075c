import type { IncomingMessage, ServerResponse } from 'node:http';
import { Injectable, UseInterceptors } from '@nestjs/common';
import { HttpAdapterHost, ModulesContainer } from '@nestjs/core';
import { trackRequest } from '../caller/call-registry.js';
import { HandlerExplorer, type DirectHandler } from '../handlers/handler-explorer.js';
import { httpAdapterOf } from './http-adapter.js';
import { CallerInterceptor } from './caller-interceptor.js';
import { dependenciesOf, wrappersIn } from './injection.js';
import { ResolvedOptions } from '../options/options.js';

/** What is used of a Fastify application. */
interface FastifyLike {
  addHook?(
    name: 'preValidation',
    hook: (request: { readonly raw: IncomingMessage }, reply: unknown, done: () => void) => void,
  ): void;
}

/** Handlers that have the interceptor. They belong to classes, which several applications of one process may use. */
const intercepted = new WeakSet<object>();

/**
 * Makes the caller available below handlers through `AsyncLocalStorage`, but only where something needs it: a class that
 * injects `McpAuthService`; an MCP framework that calls handlers as plain methods; and anonymous callers of MCP, whom the
 * messages that the framework hands on do not name.
 *
 * Remove with Node 22: the condition. On Node 20 and 22, `AsyncLocalStorage` slows down every promise of the process, which
 * costs a small route a tenth of its throughput; on Node 24 it costs nothing that can be measured.
 */
@Injectable()
export class CallerTracking {
  #isOn = false;

  constructor(
    private readonly host: HttpAdapterHost,
    private readonly modules: ModulesContainer,
    private readonly explorer: HandlerExplorer,
    private readonly options: ResolvedOptions,
  ) {}

  /** Whether the caller is known below the handlers of this application. */
  get isOn(): boolean {
    return this.#isOn;
  }

  /**
   * Prepares handlers that no HTTP request leads to. Call it while Nest instantiates the application: Nest builds the
   * handlers of a microservice as soon as one is connected, before any other hook.
   *
   * @param token of the provider whose users need the caller
   */
  prepare(token: unknown): void {
    this.#isOn =
      this.options.followCaller ??
      wrappersIn([...this.modules.values()]).some((wrapper) => dependenciesOf(wrapper).includes(token));
    if (this.#isOn) for (const handler of this.explorer.rpcHandlers) intercept(handler);
  }

  /** Prepares handlers that HTTP requests lead to. Call it before Nest registers the routes of the application. */
  mount(): void {
    this.#isOn ||= this.#isNeeded();
    const adapter = httpAdapterOf(this.host);
    if (!adapter || !this.#isOn) return;
    const fastify = adapter.getInstance<FastifyLike>();
    // Fastify reads the body outside the context that a middleware has entered.
    if (fastify.addHook)
      fastify.addHook('preValidation', ({ raw }, _reply, done) => trackRequest(raw, this.options, done));
    else
      adapter.use((request: IncomingMessage, _response: ServerResponse, next: () => void) =>
        trackRequest(request, this.options, next),
      );
  }

  #isNeeded(): boolean {
    const { directHandlers, operations } = this.explorer;
    return directHandlers.length > 0 || (this.options.allowAnonymous && operations.length > 0);
  }
}

function intercept({ classRef, methodName, method }: DirectHandler): void {
  if (intercepted.has(method)) return;
  intercepted.add(method);
  UseInterceptors(new CallerInterceptor())(classRef.prototype as object, methodName, { value: method });
}
