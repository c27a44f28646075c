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

/** Handlers that have the interceptor; they belong to classes, which several applications of one process may use. */
const intercepted = new WeakSet<object>();

/**
 * Has the caller known to everything below a handler, by `AsyncLocalStorage`, where somebody needs that. It is not done
 * for everybody, since up to Node.js 22 it makes every promise of the process dearer: a tenth of the throughput of a
 * small route.
 *
 * Needed by whoever injects `McpAuthService`; and for protection itself where an MCP framework calls handlers as plain
 * methods, or serves anonymous callers, who leave no trace in the messages it hands on.
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
   * For handlers that no HTTP request leads to. To be called while Nest instantiates the application: handlers of
   * microservices are built as soon as one is connected, before any other hook.
   *
   * @param token of the provider for whose users it is done
   */
  prepare(token: unknown): void {
    this.#isOn =
      this.options.followCaller ??
      wrappersIn([...this.modules.values()]).some((wrapper) => dependenciesOf(wrapper).includes(token));
    if (this.#isOn) for (const handler of this.explorer.rpcHandlers) intercept(handler);
  }

  /** For what HTTP requests lead to. To be called before the routes of the application are laid. */
  mount(): void {
    this.#isOn ||= this.#isNeeded();
    const adapter = httpAdapterOf(this.host);
    if (!adapter || !this.#isOn) return;
    const fastify = adapter.getInstance<FastifyLike>();
    // Fastify reads the body outside of whatever a middleware has entered.
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
