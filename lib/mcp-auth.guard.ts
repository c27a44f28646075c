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
import { kindOfHandler, type HandlerKind } from './handlers/handler-kind.js';
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
  constructor(
    @Optional() private readonly requirements: AccessRequirements,
    @Optional() private readonly authenticator: Authenticator,
    @Optional() private readonly authorizer: Authorizer,
    @Optional() private readonly refusedRequests: RefusedRequests,
    @Optional() private readonly transport: TransportRules,
    @Optional() private readonly responder: Responder,
    @Optional() private readonly hooks: ResponseHooks,
    @Optional() private readonly listing: Listing,
    @Optional() private readonly recorder: DecisionRecorder,
    @Optional() private readonly explorer: HandlerExplorer,
    @Optional() private readonly handlers: HandlerAccess,
    @Optional() private readonly options: ResolvedOptions,
  ) {
    // What a decorator binds is made in the module of the handler, where Nest would name nothing but the class that is missing.
    if ((options as ResolvedOptions | undefined) === undefined) throw moduleMissing('McpAuthGuard');
  }

  /** At once, where nobody has to be asked: not the authorization server, and no policy of the application. */
  canActivate(context: ExecutionContext): MaybePromise<boolean> {
    const kind = kindOfHandler(context, this.explorer);
    if (kind !== 'http') return this.#activateHandler(context, kind);
    const http = context.switchToHttp();
    const request = http.getRequest<HttpRequest>();
    const response = http.getResponse<HttpResponse>();
    const handler = context.getHandler();
    // Bound twice, by the module and by a decorator: once is enough.
    if (callOfRequest(request, this.options)?.handler === handler) return true;
    const question = questionOf(request, this.options);
    if (question) return this.#answerQuestion(question, context);
    const access = this.requirements.ofRequest(request, context.getClass(), handler);
    // A public route may answer preflights itself.
    if (!access) return true;
    if (isPreflight(request)) return answered(this.responder.answerEmpty(response));
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
  #answerQuestion(question: StartQuestion, context: ExecutionContext): Promise<never> {
    question.context = context;
    return answered(this.responder.answerEmpty(context.switchToHttp().getResponse<HttpResponse>()));
  }

  #activateHandler(
    context: ExecutionContext & { [PASSED]?: Instance },
    kind: Exclude<HandlerKind, 'http'>,
  ): MaybePromise<boolean> {
    // However many times the guard is bound, Nest passes the same context: once is enough.
    if (context[PASSED] === this.options) return true;
    const authorized =
      kind === 'mcp'
        ? this.authorizer.authorizeHandler(context)
        : this.handlers.authorize(context, kind, this.constructor);
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

  /**
   * The decision alone, for guards of your own on HTTP routes: attaches the caller to the request and returns it,
   * undefined where none is needed and none came. Does not answer the request.
   *
   * @throws {McpAuthError} when the request is refused.
   */
  async authorize(context: ExecutionContext): Promise<McpAuthInfo | undefined> {
    const request = context.switchToHttp().getRequest<HttpRequest>();
    const handler = context.getHandler();
    const question = questionOf(request, this.options);
    if (question) question.context = context;
    const earlier = callOfRequest(request, this.options);
    if (earlier?.handler === handler) return earlier.auth;
    const access = this.requirements.ofRequest(request, context.getClass(), handler);
    if (!access) return undefined;
    this.refusedRequests.note(request, access);
    return this.#admit(request, context.switchToHttp().getResponse<HttpResponse>(), access);
  }

  /** The order matters: who may ask at all, who it is, what they ask for, and whether they may. */
  #admit(request: HttpRequest, response: HttpResponse, access: AccessRequest): MaybePromise<McpAuthInfo | undefined> {
    this.transport.checkOrigin(request, access);
    return continueWith(this.authenticator.authenticate(request, access), (auth) =>
      continueWith(this.#authorize(request, access, auth), () => this.#letIn(request, response, access, auth)),
    );
  }

  #authorize(request: HttpRequest, access: AccessRequest, auth: McpAuthInfo | undefined): MaybePromise<void> {
    const note = (error: unknown): never => {
      this.recorder.noteCaller(request, auth);
      throw error;
    };
    try {
      this.transport.checkMessage(request, access, auth);
      const authorized = continueWith(this.authorizer.authorize(auth, access, request), () =>
        this.authorizer.authorizeCreated(auth, this.transport.creatorsOf(request, access, auth), access, request),
      );
      return authorized instanceof Promise ? authorized.catch(note) : authorized;
    } catch (error) {
      return note(error);
    }
  }

  #letIn(
    request: HttpRequest,
    response: HttpResponse,
    access: AccessRequest,
    auth: McpAuthInfo | undefined,
  ): McpAuthInfo | undefined {
    const call: AuthorizedCall = { auth, resource: access.server.resource, handler: access.handler };
    rememberCall(request, call, this.options);
    attach(request, auth);
    // Frameworks see Fastify's request or the one inside.
    attach(nodeRequest(request), auth);
    this.responder.markPrivate(response);
    this.hooks.attach(request, response, access, call);
    this.listing.attach(nodeResponse(response), access, call);
    this.recorder.recordAdmitted(request, access, auth);
    return auth;
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
