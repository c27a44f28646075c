import { Injectable, Optional, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { McpAuthError } from './core/error.js';
import { continueWith, type MaybePromise } from './core/maybe-promise.js';
import type { AccessRequest } from './authorization/access-request.js';
import { AccessRequirements } from './authorization/access-requirements.js';
import { Authenticator } from './authorization/authenticator.js';
import { Authorizer } from './authorization/authorizer.js';
import { refusedRequestOf, RefusedRequests } from './authorization/refused-requests.js';
import { callOfRequest, rememberCall } from './caller/call-registry.js';
import { nodeRequest, nodeResponse, type HttpRequest, type HttpResponse } from './request/http-message.js';
import type { AuthorizedCall } from './caller/authorized-call.js';
import type { Instance } from './caller/module-instances.js';
import { moduleMissing } from './caller/package-copies.js';
import { DecisionRecorder } from './observability/decision-recorder.js';
import { HandlerExplorer } from './handlers/handler-explorer.js';
import { HandlerAccess } from './platform/handler-access.js';
import { isHttpResponse, kindOfHandler } from './handlers/handler-kind.js';
import type { McpAuthInfo } from './core/auth-info.js';
import { Listing } from './response/listing.js';
import { ResolvedOptions } from './options/options.js';
import { Responder } from './response/responder.js';
import { ResponseHooks } from './response/response-hooks.js';
import { questionOf, type StartQuestion } from './request/start-question.js';
import { TransportRules } from './authorization/transport-rules.js';

/** On an execution context: which instance of the module let through this call of a handler outside of HTTP routes. */
const PASSED = Symbol('passed');

/**
 * What the guard does, in order. One injectable, since decorators have the guard built in the modules of handlers.
 *
 * @internal
 */
@Injectable()
export class AccessControl {
  constructor(
    private readonly requirements: AccessRequirements,
    private readonly authenticator: Authenticator,
    private readonly authorizer: Authorizer,
    private readonly refusedRequests: RefusedRequests,
    private readonly transport: TransportRules,
    private readonly responder: Responder,
    private readonly hooks: ResponseHooks,
    private readonly listing: Listing,
    private readonly recorder: DecisionRecorder,
    private readonly explorer: HandlerExplorer,
    private readonly handlers: HandlerAccess,
    private readonly options: ResolvedOptions,
  ) {}

  /** @param guard the class of the guard that asks */
  canActivate(context: ExecutionContext, guard: unknown): MaybePromise<boolean> {
    if (context.getType() !== 'http') return this.#activateHandler(context, guard);
    const http = context.switchToHttp();
    const response = http.getResponse<HttpResponse>();
    if (!isHttpResponse(response)) return this.#activateHandler(context, guard);
    const request = http.getRequest<HttpRequest>();
    const handler = context.getHandler();
    // Bound twice, by the module and by a decorator: once is enough.
    if (callOfRequest(request, this.options)?.handler === handler) return true;
    const question = questionOf(request, this.options);
    if (question) return this.#answerQuestion(question, context, response);
    const access = this.requirements.ofRequest(request, context.getClass(), handler);
    // A public route may answer preflights itself.
    if (!access) return true;
    if (isPreflight(request)) return answered(this.responder.answerEmpty(response));
    return this.#activateRoute(request, response, access);
  }

  #activateRoute(request: HttpRequest, response: HttpResponse, access: AccessRequest): MaybePromise<boolean> {
    try {
      const admitted = this.#admit(request, response, access);
      if (!(admitted instanceof Promise)) return true;
      return admitted.then(
        () => true,
        (error: unknown) => this.#refuse(error, request, response, access),
      );
    } catch (error) {
      return this.#refuse(error, request, response, access);
    }
  }

  /** The library itself wants to know whether this guard is asked. Nothing else of the application gets to run. */
  #answerQuestion(question: StartQuestion, context: ExecutionContext, response: HttpResponse): Promise<never> {
    question.context = context;
    return answered(this.responder.answerEmpty(response));
  }

  #activateHandler(context: ExecutionContext & { [PASSED]?: Instance }, guard: unknown): MaybePromise<boolean> {
    // However many times the guard is bound, Nest passes the same context: once is enough.
    if (context[PASSED] === this.options) return true;
    const kind = kindOfHandler(context, this.explorer);
    const authorized =
      kind === 'mcp' ? this.authorizer.authorizeHandler(context) : this.handlers.authorize(context, kind, guard);
    return continueWith(authorized, () => {
      context[PASSED] = this.options;
      return true;
    });
  }

  #refuse(error: unknown, request: HttpRequest, response: HttpResponse, access: AccessRequest): Promise<never> {
    if (!(error instanceof McpAuthError)) throw error;
    const refused = refusedRequestOf(access);
    this.recorder.recordRefusedRequest(error, request, refused);
    return answered(this.responder.refuse(error, request, response, refused));
  }

  async authorize(context: ExecutionContext): Promise<McpAuthInfo | undefined> {
    const http = context.switchToHttp();
    const request = http.getRequest<HttpRequest>();
    const handler = context.getHandler();
    const question = questionOf(request, this.options);
    if (question) question.context = context;
    const earlier = callOfRequest(request, this.options);
    if (earlier?.handler === handler) return earlier.auth;
    const access = this.requirements.ofRequest(request, context.getClass(), handler);
    if (!access) return undefined;
    this.refusedRequests.note(request, access);
    await this.#admit(request, http.getResponse<HttpResponse>(), access);
    return access.caller;
  }

  /** The order matters: who may ask at all, who it is, what they ask for, and whether they may. */
  #admit(request: HttpRequest, response: HttpResponse, access: AccessRequest): MaybePromise<void> {
    this.transport.checkOrigin(request, access);
    const caller = this.authenticator.authenticate(request, access);
    return caller instanceof Promise
      ? caller.then((known) => this.#admitCaller(request, response, access, known))
      : this.#admitCaller(request, response, access, caller);
  }

  #admitCaller(
    request: HttpRequest,
    response: HttpResponse,
    access: AccessRequest,
    caller: McpAuthInfo | undefined,
  ): MaybePromise<void> {
    access.caller = caller;
    this.transport.checkMessage(request, access);
    const authorized = this.authorizer.authorize(access, request);
    return authorized instanceof Promise
      ? authorized.then(() => this.#admitTasks(request, response, access))
      : this.#admitTasks(request, response, access);
  }

  #admitTasks(request: HttpRequest, response: HttpResponse, access: AccessRequest): MaybePromise<void> {
    const creators = this.transport.creatorsOf(request, access);
    if (creators.length === 0) return this.#letIn(request, response, access);
    return continueWith(this.authorizer.authorizeCreated(creators, access, request), () =>
      this.#letIn(request, response, access),
    );
  }

  #letIn(request: HttpRequest, response: HttpResponse, access: AccessRequest): void {
    const { caller, server, handler } = access;
    const source = nodeRequest(request);
    const call: AuthorizedCall = { auth: caller, resource: server.resource, handler };
    rememberCall(request, call, this.options);
    attach(source, caller);
    // Frameworks see Fastify's request or the one inside.
    if (source !== request) attach(request, caller);
    this.responder.markPrivate(response);
    this.hooks.attach(request, response, access, call);
    this.listing.attach(nodeResponse(response), access, call);
    this.recorder.recordAdmitted(request, access);
  }
}

/**
 * Lets through what carries a valid access token with the scopes it needs. Global by default; `@RequireScopes()`
 * binds it to a handler as well, and `@UseGuards(McpAuthGuard)` does the same for handlers that need no scope.
 *
 * HTTP routes and MCP handlers are protected unless they are `@Public()`. All others (GraphQL resolvers, WebSocket gateways,
 * microservices) are left alone unless a decorator protects them.
 *
 * On HTTP it answers a refused request itself, before any other part of the application can: an exception filter
 * of the application would be free to drop the challenge, without which no client can sign in. To combine it with
 * guards of your own, call {@link authorize}, which throws instead.
 */
@Injectable()
export class McpAuthGuard implements CanActivate {
  readonly #access: AccessControl;

  constructor(@Optional() access: AccessControl) {
    // What a decorator binds is built in the module of the handler, where Nest would name only the class that is missing.
    if ((access as AccessControl | undefined) === undefined) throw moduleMissing('McpAuthGuard');
    this.#access = access;
  }

  /** At once, where nobody has to be asked: not the authorization server, and no policy of the application. */
  canActivate(context: ExecutionContext): MaybePromise<boolean> {
    return this.#access.canActivate(context, this.constructor);
  }

  /**
   * The decision alone, for guards of your own on HTTP routes: attaches the caller to the request and returns it,
   * undefined where none is needed and none came. Does not answer the request.
   *
   * @throws {McpAuthError} when the request is refused.
   */
  async authorize(context: ExecutionContext): Promise<McpAuthInfo | undefined> {
    return this.#access.authorize(context);
  }
}

/** Puts the caller on the request itself, where it stays when another Express application is handed the request. */
function attach(request: HttpRequest, auth: McpAuthInfo | undefined): void {
  if (request.auth !== auth) request.auth = auth;
  // It may belong to the application.
  if (auth) request.user ??= auth;
}

/** A CORS preflight carries no credentials by design (Fetch Standard), so it must not be refused for lack of any. */
function isPreflight({ method, headers }: HttpRequest): boolean {
  return method === 'OPTIONS' && headers['access-control-request-method'] !== undefined;
}

/**
 * The request is answered, and nothing else must touch the response: neither the handler (as after `true`) nor an
 * exception filter (as after `false` or an error). A promise that never settles says exactly that; nothing refers
 * to it, so it is collected with the request.
 */
function answered(_answer: void): Promise<never> {
  return new Promise(() => undefined);
}
