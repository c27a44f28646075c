import type { EventEmitter } from 'node:events';
import { Injectable, UseFilters, type ExecutionContext, type Type } from '@nestjs/common';
import { DiscoveryService, HttpAdapterHost, MetadataScanner } from '@nestjs/core';
import { McpAuthConfigError, McpAuthError, type ConfigProblem, type McpAuthReason } from '../core/error.js';
import { continueWith, type MaybePromise } from '../core/maybe-promise.js';
import type { AccessRequest } from '../authorization/access-request.js';
import { AccessRequirements } from '../authorization/access-requirements.js';
import { Authenticator } from '../authorization/authenticator.js';
import { Authorizer } from '../authorization/authorizer.js';
import { refusedRequestOf } from '../authorization/refused-requests.js';
import { rememberHandlerCall } from '../caller/call-registry.js';
import type { HttpRequest } from '../request/http-message.js';
import { DecisionRecorder } from '../observability/decision-recorder.js';
import { HandlerExplorer, type DirectHandler } from '../handlers/handler-explorer.js';
import { HandlerFilter } from './handler-enhancers.js';
import { OTHER_HANDLERS_METADATA } from '../handlers/mcp-frameworks.js';
import type { OutsideKind } from '../handlers/handler-kind.js';
import { httpAdapterOf } from './http-adapter.js';
import {
  boundTo,
  FIELD_RESOLVER_METADATA,
  FILTERS_METADATA,
  GATEWAY_MESSAGE_METADATA,
  GUARDS_METADATA,
  PATTERN_METADATA,
  RESOLVER_METADATA,
} from '../handlers/nest-metadata.js';
import { callerParameters } from './caller-parameters.js';
import { ResolvedOptions } from '../options/options.js';
import type { HandlerDeclaration } from '../handlers/handler-declaration.js';
import { HandlerRefusal } from '../response/refusal-forms.js';
import { credentialsBehind, requestBehind, watchUpgrades } from '../caller/request-behind.js';
import { Responder } from '../response/responder.js';
import { logger } from '../observability/logger.js';

/** The token under which `@nestjs/graphql` provides the options of its module. */
const GRAPHQL_OPTIONS = 'GqlModuleOptions';

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
  readonly #wantingCaller = new WeakMap<object, boolean>();

  constructor(
    private readonly explorer: HandlerExplorer,
    private readonly requirements: AccessRequirements,
    private readonly authenticator: Authenticator,
    private readonly authorizer: Authorizer,
    private readonly recorder: DecisionRecorder,
    private readonly responder: Responder,
    private readonly filter: HandlerFilter,
    private readonly discovery: DiscoveryService,
    private readonly host: HttpAdapterHost,
    private readonly scanner: MetadataScanner,
    private readonly options: ResolvedOptions,
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
    if (!this.#isProtected({ classRef, method, methodName: method.name }, guard)) return;
    const access = this.requirements.ofHandler(classRef, method, argumentsOf(context));
    const refuse = (error: unknown): never => this.#refuse(explained(error, kind), context, access);
    try {
      const request = requestBehind(context) ?? this.#refuseUnknown(kind, access);
      const admitted = this.#admit(request, access);
      return admitted instanceof Promise ? admitted.catch(refuse) : admitted;
    } catch (error) {
      return refuse(error);
    }
  }

  #admit(request: HttpRequest, access: AccessRequest): MaybePromise<void> {
    this.recorder.recordStart(access);
    const source = credentialsBehind(request, access.server.credentials.headers);
    return continueWith(this.authenticator.authenticate(source, access, request), (auth) => {
      access.caller = auth;
      return continueWith(this.authorizer.authorize(access, request), () => {
        rememberHandlerCall(request, { auth, resource: access.server.resource, handler: access.handler });
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
    for (const handler of this.#handlers(PATTERN_METADATA, GATEWAY_MESSAGE_METADATA)) {
      if (!hasFilter(handler, this.filter)) bind(this.filter, handler);
    }
  }

  /** Prepares gateways on the port of the application. Call it before Nest connects them to the server. */
  mount(guard: unknown): void {
    const gateways = this.#handlers(GATEWAY_MESSAGE_METADATA);
    if (!gateways.some((handler) => this.#isProtected(handler, guard))) return;
    const server = httpAdapterOf(this.host)?.getHttpServer() as EventEmitter | undefined;
    if (server) watchUpgrades(server);
  }

  /**
   * Refuses to start if a requirement would not be enforced.
   *
   * @throws {McpAuthConfigError} naming each field resolver whose requirements Nest would not enforce, and each
   * protected handler that does not declare its resource, if there are several.
   */
  check(guard: unknown): void {
    const problems = [...this.#unguardedFields(guard), ...this.#strays(guard)];
    if (problems.length > 0) throw new McpAuthConfigError(problems);
  }

  /** Warns of message handlers that refuse every message. */
  warn(guard: unknown): void {
    for (const handler of this.#handlers(PATTERN_METADATA)) {
      if (!this.#isDecorated(handler, guard)) continue;
      logger.warn(
        `${nameOf(handler)} handles messages of a broker and is protected: it refuses every message, because messages carry no access token. ` +
          'Remove the requirements or declare it @Public(), and protect the broker itself',
      );
    }
  }

  #unguardedFields(guard: unknown): ConfigProblem[] {
    const options = this.discovery.getProviders().filter(({ token }) => token === GRAPHQL_OPTIONS);
    if (options.every(({ instance }) => hasFieldGuards(instance))) return [];
    return this.#handlers(FIELD_RESOLVER_METADATA)
      .filter((handler) => this.#isProtected(handler, guard))
      .map((handler) => ({
        option: nameOf(handler),
        seen: 'a protected @ResolveField()',
        why: 'Nest runs no guards for fields, so anyone could read the field',
        write: "Set fieldResolverEnhancers: ['guards'] in the options of GraphQLModule, or declare the field @Public()",
      }));
  }

  #strays(guard: unknown): ConfigProblem[] {
    const { resources } = this.options;
    if (resources.length === 1) return [];
    return this.#handlers(PATTERN_METADATA, GATEWAY_MESSAGE_METADATA, RESOLVER_METADATA, FIELD_RESOLVER_METADATA)
      .filter((handler) => this.#declarationOf(handler).resourceId === undefined)
      .filter((handler) => this.#isProtected(handler, guard))
      .map((handler) => ({
        option: `@ProtectedResource() of ${nameOf(handler)}`,
        seen: 'nothing',
        why: 'with several resources, each protected handler must declare its resource',
        write: `Known are ${resources.map(({ id }) => `"${id}"`).join(', ')}; or declare the handler @Public()`,
      }));
  }

  /** The handlers that are neither routes nor operations, protected or not. */
  get all(): readonly DirectHandler[] {
    return this.#handlers(PATTERN_METADATA, ...OTHER_HANDLERS_METADATA);
  }

  /** Whether calls of a handler are checked, with the guard global or only bound by decorators. */
  protects(handler: DirectHandler, guard: unknown, isGlobal: boolean): boolean {
    return isGlobal ? this.#isProtected(handler, guard) : this.#isDecorated(handler, guard);
  }

  /**
   * A handler with `@AuthInfo()` also requires a caller: otherwise code that reads `auth?.subject` would run without
   * one.
   */
  #isProtected(handler: DirectHandler, guard: unknown): boolean {
    return this.#isDecorated(handler, guard) || (this.#wantsCaller(handler) && !this.#declarationOf(handler).isPublic);
  }

  #isDecorated(handler: DirectHandler, guard: unknown): boolean {
    const { isDeclared, isPublic } = this.#declarationOf(handler);
    return !isPublic && (isDeclared || isBoundTo(handler, guard));
  }

  #declarationOf({ classRef, method }: DirectHandler): HandlerDeclaration {
    return this.explorer.declarationOf(classRef, method);
  }

  #wantsCaller(handler: DirectHandler): boolean {
    let wants = this.#wantingCaller.get(handler.method);
    if (wants === undefined) this.#wantingCaller.set(handler.method, (wants = wantsCaller(handler)));
    return wants;
  }

  /** The methods that have one of these metadata keys, and serve no MCP operation. */
  #handlers(...keys: readonly string[]): DirectHandler[] {
    const wrappers = [...this.discovery.getControllers(), ...this.discovery.getProviders()];
    const classes = new Set(
      wrappers.flatMap(({ metatype, inject }) =>
        typeof metatype === 'function' && !inject ? [metatype as Type<object>] : [],
      ),
    );
    return [...classes].flatMap((classRef) => {
      const prototype = classRef.prototype as Record<string, object> | undefined;
      return this.scanner.getAllMethodNames(prototype ?? null).flatMap((methodName) => {
        const method = prototype?.[methodName];
        if (!method || !keys.some((key) => Reflect.hasMetadata(key, method))) return [];
        return this.explorer.operationOf(method) ? [] : [{ classRef, methodName, method }];
      });
    });
  }
}

/** A reference resolver of a federation gets its context in the place of the arguments. */
function argumentsOf(context: ExecutionContext): unknown {
  const args = context.getArgs<unknown[]>();
  return context.getType<string>() === 'graphql' && args.length === 3 ? undefined : args[1];
}

/**
 * Unlike MCP clients, clients of gateways do not begin without a token and then sign in: someone must change something.
 */
function explained(error: unknown, kind: OutsideKind): unknown {
  if (kind !== 'websocket' || !(error instanceof McpAuthError) || error.reason !== 'no_credentials') return error;
  const seen = { 'looked for': 'an Authorization header in the upgrade request' };
  return new McpAuthError(error.code, UNAUTHENTICATED.websocket, { scopes: error.scopes, cause: error, seen });
}

function nameOf({ classRef, methodName }: DirectHandler): string {
  return `${classRef.name}.${methodName}`;
}

function isBoundTo({ classRef, method }: DirectHandler, guard: unknown): boolean {
  return boundTo(classRef, method, GUARDS_METADATA).includes(guard);
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

/** Nest stores the metadata of parameters under the name of the method, which a decorator may have wrapped. */
function wantsCaller({ classRef, method, methodName }: DirectHandler): boolean {
  const prototype = classRef.prototype as Record<string, unknown>;
  const names = new Set([
    methodName,
    ...Object.getOwnPropertyNames(prototype).filter(
      (name) => Object.getOwnPropertyDescriptor(prototype, name)?.value === method,
    ),
  ]);
  return [...names].some((name) => callerParameters(classRef, name).length > 0);
}

function hasFieldGuards(options: unknown): boolean {
  const { fieldResolverEnhancers } = (options ?? {}) as { readonly fieldResolverEnhancers?: readonly string[] };
  return fieldResolverEnhancers?.includes('guards') === true;
}
