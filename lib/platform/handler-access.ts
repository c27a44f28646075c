import type { EventEmitter } from 'node:events';
import { Injectable, UseFilters, type ExecutionContext } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { McpAuthError, type McpAuthReason } from '../core/error.js';
import { continueWith, type MaybePromise } from '../core/maybe-promise.js';
import type { AccessRequest } from '../authorization/access-request.js';
import { AccessRequirements } from '../authorization/access-requirements.js';
import { Authenticator } from '../authorization/authenticator.js';
import { Authorizer } from '../authorization/authorizer.js';
import { refusedRequestOf } from '../authorization/refused-requests.js';
import { rememberHandlerCall } from '../caller/call-registry.js';
import type { HttpRequest } from '../request/http-message.js';
import { DecisionRecorder } from '../observability/decision-recorder.js';
import type { DirectHandler } from '../handlers/handler-explorer.js';
import { ConnectionEnd } from './connection-end.js';
import { HandlerFilter } from './handler-enhancers.js';
import type { OutsideKind } from '../handlers/handler-kind.js';
import { httpAdapterOf } from './http-adapter.js';
import { boundTo, FILTERS_METADATA, GATEWAY_MESSAGE_METADATA, PATTERN_METADATA } from '../handlers/nest-metadata.js';
import { OutsideHandlers } from './outside-handlers.js';
import { HandlerRefusal } from '../response/refusal-forms.js';
import { credentialsBehind, requestBehind, watchUpgrades } from '../caller/request-behind.js';
import { Responder } from '../response/responder.js';

/** The reason of a refusal if a handler of that kind cannot have a verified caller. */
const UNAUTHENTICATED = {
  graphql: 'graphql_request_missing',
  websocket: 'websocket_unauthenticated',
  message: 'message_unauthenticated',
  event: 'message_unauthenticated',
  unknown: 'context_unauthenticated',
} as const satisfies Record<OutsideKind, McpAuthReason>;

/**
 * Decides about handlers that are neither HTTP routes nor MCP operations: GraphQL resolvers, WebSocket handlers,
 * handlers of a broker's messages and events, and handlers of libraries that Nest does not know. Leaves them alone
 * unless a decorator protects them. A protected handler needs a caller from the HTTP request behind it. Without such a
 * request, as with messages of a broker, its calls are refused.
 */
@Injectable()
export class HandlerAccess {
  constructor(
    private readonly requirements: AccessRequirements,
    private readonly authenticator: Authenticator,
    private readonly authorizer: Authorizer,
    private readonly recorder: DecisionRecorder,
    private readonly responder: Responder,
    private readonly filter: HandlerFilter,
    private readonly handlers: OutsideHandlers,
    private readonly host: HttpAdapterHost,
    private readonly connections: ConnectionEnd,
  ) {}

  /**
   * Admits or refuses the call; synchronously if the token is cached and no policy is asynchronous. Records the
   * decision.
   *
   * @param guard the class of the calling guard: a handler that binds it is protected
   * @throws {McpAuthError} if the call is refused.
   */
  authorize(context: ExecutionContext, kind: OutsideKind, guard: unknown): MaybePromise<void> {
    const classRef = context.getClass();
    const method = context.getHandler();
    if (!this.handlers.isProtected({ classRef, method, methodName: method.name }, guard)) return;
    const request = requestBehind(context);
    const access = this.requirements.ofHandler(classRef, method, argumentsOf(context), request);
    return continueWith(access, (found) => this.#authorizeAt(context, kind, found, request));
  }

  #authorizeAt(
    context: ExecutionContext,
    kind: OutsideKind,
    access: AccessRequest,
    request: HttpRequest | undefined,
  ): MaybePromise<void> {
    const refuse = (error: unknown): never => this.#refuse(explained(error, kind), context, access);
    try {
      const admission = this.#admit(request ?? this.#refuseUnknown(kind, access), access);
      return admission instanceof Promise ? admission.catch(refuse) : admission;
    } catch (error) {
      return refuse(error);
    }
  }

  #admit(request: HttpRequest, access: AccessRequest): MaybePromise<void> {
    this.recorder.recordStart(access);
    const source = credentialsBehind(request, fieldsOf(access.server));
    return continueWith(this.authenticator.authenticate(source, access, request), (auth) => {
      access.caller = auth;
      return continueWith(this.authorizer.authorize(access, request), () => {
        rememberHandlerCall(request, { auth, resource: access.server.resource, handler: access.handler });
        this.connections.watch(request, auth);
        this.recorder.recordAdmitted(request, access);
      });
    });
  }

  #refuseUnknown(kind: OutsideKind, access: AccessRequest): never {
    const { scopes } = refusedRequestOf(access);
    const seen = kind === 'websocket' ? { 'looked for': 'an upgrade request on the port of the application' } : {};
    throw new McpAuthError('authorization_required', UNAUTHENTICATED[kind], { scopes, seen });
  }

  #refuse(error: unknown, context: ExecutionContext, access: AccessRequest): never {
    if (!(error instanceof McpAuthError)) throw error;
    const refused = refusedRequestOf(access);
    const name = `${context.getClass().name}.${context.getHandler().name}`;
    this.recorder.recordRefusedHandler(error, name, refused);
    throw new HandlerRefusal(error, this.responder.refusalOf(error, refused));
  }

  /**
   * Binds the exception filter to message handlers: Nest's global filters do not apply to gateways, or to microservices
   * without `inheritAppConfig`. Call it while Nest instantiates the application.
   */
  prepare(): void {
    for (const handler of this.handlers.withMetadata(PATTERN_METADATA, GATEWAY_MESSAGE_METADATA)) {
      if (!hasFilter(handler, this.filter)) bind(this.filter, handler);
    }
  }

  /** Prepares gateways on the port of the application. Call it before Nest connects them to the server. */
  mount(guard: unknown): void {
    const gateways = this.handlers.withMetadata(GATEWAY_MESSAGE_METADATA);
    if (!gateways.some((handler) => this.handlers.isProtected(handler, guard))) return;
    const server = httpAdapterOf(this.host)?.getHttpServer() as EventEmitter | undefined;
    if (server) watchUpgrades(server);
  }
}

/** A reference resolver of a federation gets its context in the place of the arguments. */
function argumentsOf(context: ExecutionContext): unknown {
  const args = context.getArgs<unknown[]>();
  return context.getType<string>() === 'graphql' && args.length === 3 ? undefined : args[1];
}

/** The header fields that show who sends a request, besides those of every resource. */
function fieldsOf({ credentials, resource }: AccessRequest['server']): readonly string[] {
  const certificate = resource.mutualTls?.certificate ?? 'connection';
  return certificate === 'connection' ? credentials.headers : [...credentials.headers, certificate.header];
}

/**
 * Unlike MCP clients, clients of gateways do not begin without a token and then sign in: someone must change something.
 */
function explained(error: unknown, kind: OutsideKind): unknown {
  if (kind !== 'websocket' || !(error instanceof McpAuthError) || error.reason !== 'no_credentials') return error;
  const seen = { 'looked for': 'an Authorization header in the upgrade request' };
  return new McpAuthError(error.code, UNAUTHENTICATED.websocket, { scopes: error.scopes, cause: error, seen });
}

function hasFilter({ classRef, method }: DirectHandler, filter: HandlerFilter): boolean {
  return boundTo(classRef, method, FILTERS_METADATA).includes(filter.constructor);
}

/**
 * Binds an instance, because Nest has already looked for filter classes. It replaces the instance of an earlier
 * application.
 */
function bind(filter: HandlerFilter, { classRef, methodName, method }: DirectHandler): void {
  const bound = (Reflect.getOwnMetadata(FILTERS_METADATA, method) as unknown[] | undefined) ?? [];
  Reflect.defineMetadata(
    FILTERS_METADATA,
    bound.filter((one) => !(one instanceof filter.constructor)),
    method,
  );
  UseFilters(filter)(classRef.prototype as object, methodName, { value: method });
}
