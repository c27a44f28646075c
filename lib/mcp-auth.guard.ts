import { Injectable, Optional, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { McpAuthError } from './core/error.js';
import { continueWith, type MaybePromise } from './core/maybe-promise.js';
import type { AccessRequest } from './authorization/access-request.js';
import { AccessRequirements } from './authorization/access-requirements.js';
import { Authenticator } from './authorization/authenticator.js';
import { Authorizer } from './authorization/authorizer.js';
import { refusedRequestOf, RefusedRequests, type RefusedRequest } from './authorization/refused-requests.js';
import { rememberCall } from './caller/call-registry.js';
import { callOfRequest } from './caller/request-marks.js';
import {
  headerFieldsOf,
  nodeRequest,
  nodeResponse,
  type HttpRequest,
  type HttpResponse,
} from './request/http-message.js';
import type { AuthorizedCall } from './caller/authorized-call.js';
import type { Instance } from './caller/module-instances.js';
import { moduleMissing } from './caller/package-copies.js';
import { DecisionRecorder } from './observability/decision-recorder.js';
import type { HandlerDeclaration } from './handlers/handler-declaration.js';
import { HandlerExplorer } from './handlers/handler-explorer.js';
import { describedContext } from './platform/direct-context.js';
import { HandlerAccess } from './platform/handler-access.js';
import { isHttpResponse, kindOfHandler } from './handlers/handler-kind.js';
import type { McpAuthInfo } from './core/auth-info.js';
import { watchAnswer } from './response/answer-watch.js';
import { Listing } from './response/listing.js';
import { ResolvedOptions } from './options/options.js';
import { Responder } from './response/responder.js';
import { ResponseHooks } from './response/response-hooks.js';
import { questionOf, type StartQuestion } from './request/start-question.js';
import { TransportRules } from './authorization/transport-rules.js';

/** The property of an execution context outside HTTP routes that holds the instance of the module that let the call through. */
const ADMITTED_BY = Symbol('admitted by');

/**
 * Does the work of the guard. It is one injectable, since Nest builds the guard of a decorator in the module of the handler.
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

  /** @param guard the class of the guard that Nest called */
  canActivate(context: ExecutionContext, guard: unknown): MaybePromise<boolean> {
    if (context.getType() !== 'http') return this.#activateHandler(context, guard);
    const http = context.switchToHttp();
    const response = http.getResponse<HttpResponse>();
    if (!isHttpResponse(response)) return this.#activateHandler(context, guard);
    const request = http.getRequest<HttpRequest>();
    const handler = context.getHandler();
    // The guard may be bound twice, by the module and by a decorator. One check is enough.
    if (callOfRequest(request, this.options)?.handler === handler) return true;
    const question = questionOf(request, this.options);
    if (question) return this.#answerQuestion(question, context, response);
    const route = this.requirements.routeOf(context.getClass(), handler);
    // A public route may answer preflights itself.
    if (!route) return true;
    if (isPreflight(request)) return answered(this.responder.answerEmpty(response));
    return this.#activateRoute(request, response, route, handler);
  }

  /** Finds the resource that the request is for, which waits for the application only if it must be asked about a tenant. */
  #activateRoute(
    request: HttpRequest,
    response: HttpResponse,
    route: HandlerDeclaration,
    handler: object,
  ): MaybePromise<boolean> {
    const refuse = (error: unknown): Promise<never> =>
      this.#refuse(error, request, response, this.requirements.refusedAt(request, route));
    let access: MaybePromise<AccessRequest>;
    try {
      access = this.requirements.ofRequest(request, route, handler);
    } catch (error) {
      return refuse(error);
    }
    return access instanceof Promise
      ? access.then((found) => this.#activateAt(request, response, found), refuse)
      : this.#activateAt(request, response, access);
  }

  #activateAt(request: HttpRequest, response: HttpResponse, access: AccessRequest): MaybePromise<boolean> {
    try {
      const admission = this.#admit(request, response, access);
      if (!(admission instanceof Promise)) return true;
      return admission.then(
        () => true,
        (error: unknown) => this.#refuse(error, request, response, refusedRequestOf(access)),
      );
    } catch (error) {
      return this.#refuse(error, request, response, refusedRequestOf(access));
    }
  }

  /** Answers the library's own question whether this guard runs. No other part of the application handles that request. */
  #answerQuestion(question: StartQuestion, context: ExecutionContext, response: HttpResponse): Promise<never> {
    question.context = context;
    return answered(this.responder.answerEmpty(response));
  }

  #activateHandler(context: ExecutionContext & { [ADMITTED_BY]?: Instance }, guard: unknown): MaybePromise<boolean> {
    // If the guard is bound several times, Nest passes the same context. One check is enough.
    if (context[ADMITTED_BY] === this.options) return true;
    return continueWith(this.#authorizeHandler(context, guard), () => {
      context[ADMITTED_BY] = this.options;
      return true;
    });
  }

  #authorizeHandler(context: ExecutionContext, guard: unknown): MaybePromise<void> {
    const described = describedContext(context, this.explorer);
    if (described) return this.authorizer.authorizeHandler(described);
    const kind = kindOfHandler(context, this.explorer);
    return kind === 'mcp' ? this.authorizer.authorizeHandler(context) : this.handlers.authorize(context, kind, guard);
  }

  #refuse(error: unknown, request: HttpRequest, response: HttpResponse, refused: RefusedRequest): Promise<never> {
    if (!(error instanceof McpAuthError)) throw error;
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
    const route = this.requirements.routeOf(context.getClass(), handler);
    if (!route) return undefined;
    const access = await this.requirements.ofRequest(request, route, handler);
    this.refusedRequests.note(request, access);
    await this.#admit(request, http.getResponse<HttpResponse>(), access);
    return access.caller;
  }

  /** The order matters: first the origin of the request, then the caller, then the message, then the decision. */
  #admit(request: HttpRequest, response: HttpResponse, access: AccessRequest): MaybePromise<void> {
    this.recorder.recordStart(access);
    const fields = headerFieldsOf(request);
    this.transport.checkOrigin(request, fields, access);
    const caller = this.authenticator.authenticate(fields, access, request);
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
    const checked = this.transport.checkMessage(request, access);
    return checked instanceof Promise
      ? checked.then(() => this.#authorizeRequest(request, response, access))
      : this.#authorizeRequest(request, response, access);
  }

  #authorizeRequest(request: HttpRequest, response: HttpResponse, access: AccessRequest): MaybePromise<void> {
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
    // MCP frameworks read either Fastify's request or Node's inside it.
    if (source !== request) attach(request, caller);
    this.responder.markPrivate(response, access);
    this.hooks.attach(request, response, access, call);
    const completed = this.recorder.completionOf(request, access);
    if (completed) watchAnswer(nodeResponse(response), request.body, completed);
    this.listing.attach(nodeResponse(response), access, call);
    this.recorder.recordAdmitted(request, access);
  }
}

/**
 * Lets a request through if it carries a valid access token with the scopes it needs. Global by default. `@RequireScopes()`
 * also binds it to the handler, and `@UseGuards(McpAuthGuard)` binds it to a handler that needs no scope.
 *
 * HTTP routes and MCP handlers are protected unless they are `@Public()`. Other handlers (GraphQL resolvers, WebSocket
 * gateways, microservices) are NOT protected unless a decorator protects them.
 *
 * On HTTP it answers a refused request itself, before any exception filter of the application: a filter could drop the
 * challenge, and clients cannot sign in without it. To combine it with guards of your own, call {@link authorize}, which
 * throws instead.
 */
@Injectable()
export class McpAuthGuard implements CanActivate {
  readonly #access: AccessControl;

  constructor(@Optional() access: AccessControl) {
    // Nest builds the guard of a decorator in the module of the handler. Its own error would name only the missing class.
    if ((access as AccessControl | undefined) === undefined) throw moduleMissing('McpAuthGuard');
    this.#access = access;
  }

  /** Synchronous, unless the decision waits for the authorization server or for a policy of the application. */
  canActivate(context: ExecutionContext): MaybePromise<boolean> {
    return this.#access.canActivate(context, this.constructor);
  }

  /**
   * Decides about a request without answering it, for guards of your own on HTTP routes. Attaches the caller to the request
   * and returns it; undefined if the request is allowed without a token and has none.
   *
   * @throws {McpAuthError} when the request is refused.
   */
  async authorize(context: ExecutionContext): Promise<McpAuthInfo | undefined> {
    return this.#access.authorize(context);
  }
}

/** Sets the caller on the request object itself, where it stays if another Express application receives the request. */
function attach(request: HttpRequest, auth: McpAuthInfo | undefined): void {
  if (request.auth !== auth) request.auth = auth;
  // The application may have set its own `user`.
  if (auth) request.user ??= auth;
}

/** Whether a request is a CORS preflight. Browsers send it without credentials (Fetch Standard), so it must not be refused. */
function isPreflight({ method, headers }: HttpRequest): boolean {
  return method === 'OPTIONS' && headers['access-control-request-method'] !== undefined;
}

/**
 * Stops Nest once the request is answered. The promise never settles, so neither the handler (as after `true`) nor an
 * exception filter (as after `false` or an error) touches the response. Nothing refers to the promise: it is
 * garbage-collected with the request.
 */
function answered(_answer: void): Promise<never> {
  return new Promise(() => undefined);
}
