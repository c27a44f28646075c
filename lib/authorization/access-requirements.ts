import { Injectable, type ExecutionContext } from '@nestjs/common';
import type { AuthorizedCall } from '../caller/authorized-call.js';
import type { HandlerDeclaration } from '../handlers/handler-declaration.js';
import { HandlerExplorer } from '../handlers/handler-explorer.js';
import type { AnonymousAccess } from '../options/anonymous-access.js';
import { ResolvedOptions } from '../options/options.js';
import type { PolicyOption } from '../options/policy-option.js';
import type { ResolvedResource } from '../options/resource-options.js';
import { targetPath, type HttpRequest } from '../request/http-message.js';
import {
  HANDLER_METHODS,
  openPurposeOf,
  readRpcBody,
  type Operation,
  type RpcBody,
  type RpcMessage,
} from '../request/rpc-body.js';
import { ResourceServers, type ResourceServer } from '../resource-servers/resource-servers.js';
import { AccessRequest, MAX_OPERATIONS_OF_ANYBODY, type Findings } from './access-request.js';
import {
  checksOfMessages,
  conditionsOf,
  handlersOf,
  hasPolicies,
  isPublic,
  policiesOfModule,
  refusalOf,
  requiresNothing,
  policyChecksOf,
  withoutScopes,
  type AccessConditions,
  type DeclaredOperation,
  type PolicyCheck,
} from './access-conditions.js';

/** Determines what a request, a call or an operation needs. Does not look at the caller. */
@Injectable()
export class AccessRequirements {
  /** Conditions that are the same for every request: by the declaration of the handler, then by those of the operation. */
  readonly #conditions = new WeakMap<HandlerDeclaration, Map<object, AccessConditions>>();
  readonly #ofModule: readonly PolicyOption[];

  constructor(
    private readonly servers: ResourceServers,
    private readonly explorer: HandlerExplorer,
    private readonly options: ResolvedOptions,
  ) {
    this.#ofModule = policiesOfModule(options);
  }

  /** The policies that the options name. They are asked about MCP messages, and about handlers outside HTTP. */
  get policiesOfModule(): readonly PolicyOption[] {
    return this.#ofModule;
  }

  /**
   * What a request to this route needs: the baseline of the resource, what class and method declare, and what all MCP
   * operations in its body need together. Undefined for a public route.
   */
  ofRequest(request: HttpRequest, classRef: object, handler: object): AccessRequest | undefined {
    const route = this.explorer.declarationOf(classRef, handler);
    if (route.isPublic) return undefined;
    const server = this.servers.get(route.resourceId);
    const body = readRpcBody(request.body);
    return new AccessRequest(handler, server, body, new RouteFindings(this, request, route, server, body));
  }

  /** What every request to this route needs, for documents; undefined for a public route. */
  ofRoute(classRef: object, handler: object): AccessConditions | undefined {
    const route = this.explorer.declarationOf(classRef, handler);
    return route.isPublic ? undefined : conditionsOf(this.servers.get(route.resourceId), [route], []);
  }

  /** What a handler needs that is neither an HTTP route nor an MCP operation. Anonymous callers are never allowed. */
  ofHandler(classRef: object, handler: object, args: unknown): AccessRequest {
    const declaration = this.explorer.declarationOf(classRef, handler);
    const server = this.servers.get(declaration.resourceId);
    const policyChecks = this.#checksAt(declaration, undefined).map((check) => ({ ...check, args }));
    return new AccessRequest(handler, server, readRpcBody(undefined), {
      isOpen: () => false,
      conditions: () => conditionsOf(server, [declaration], policyChecks),
    });
  }

  /** What an MCP handler needs that is about to run. */
  ofMcpHandler(
    context: ExecutionContext,
    declaration: HandlerDeclaration,
    { resource }: AuthorizedCall,
    isOpen: boolean,
  ): AccessConditions {
    const server = this.servers.get(resource.id);
    const handler = context.getHandler();
    const ofAnnotations = this.explorer.annotationRulesOf(handler, resource.id);
    if (!isOpen && !this.#asksAt(declaration)) return this.#sameConditions(declaration, server, server, ofAnnotations);
    const served = this.explorer.operationOf(handler);
    const args: unknown = context.switchToRpc().getData();
    const operation = served && {
      kind: served.kind,
      method: HANDLER_METHODS[served.kind],
      name: served.name,
      args,
      reachesHandler: true,
    };
    const policyChecks = this.#checksAt(declaration, operation);
    const conditions = {
      ...conditionsOf(server, [declaration, ...ofAnnotations], policyChecks),
      asksBeforeScopes: true,
    };
    return isOpen ? withoutScopes(conditions) : conditions;
  }

  /** What the operations needed that created a task. Their handlers do not run again, so the policies are asked now. */
  ofCreators(operations: readonly Operation[], server: ResourceServer): AccessConditions {
    const declared = this.#declared(operations, server).map(({ operation, declarations }) => ({
      operation: { ...operation, reachesHandler: false },
      declarations,
    }));
    const handlers = declared.flatMap(({ declarations }) => handlersOf(declarations));
    const policyChecks = policyChecksOf(declared, this.#ofModule);
    return { ...conditionsOf(server, handlers, policyChecks), refusal: refusalOf(declared, this.#ofModule) };
  }

  /** The operation to remember: with its arguments only if a policy needs them. */
  memorable(operation: Operation, resourceId: string): Operation {
    const { all } = this.explorer.declarationsOf(operation, resourceId);
    const isAsked = this.#ofModule.length > 0 || all.some(({ declaration }) => hasPolicies(declaration));
    return isAsked ? operation : { ...operation, args: undefined };
  }

  /**
   * Whether a handler or the options declare a tool, prompt or template with exactly this name. False for a URI, since clients
   * can spell one in many ways.
   */
  isDeclared(operation: Operation, resourceId: string): boolean {
    const { kind, name } = operation;
    if (kind === 'resource') return false;
    return this.explorer
      .declarationsOf(operation, resourceId)
      .all.some((one) => one.kind === kind && one.name === name);
  }

  /** Whether an anonymous caller may send this request to this route. */
  isOpen(request: HttpRequest, route: HandlerDeclaration, server: ResourceServer, body: RpcBody): boolean {
    const { allowAnonymous } = this.options;
    if (!allowAnonymous) return false;
    if (!isAt(server.resource, request)) return false;
    if (body.excess || body.operations.length > MAX_OPERATIONS_OF_ANYBODY) return false;
    if (!isOpenRequest(request, body, allowAnonymous)) return false;
    return this.isOpenTo(route, server, body.operations);
  }

  /** Whether these operations at this route are public, so that anonymous callers whom the options allow may use them. */
  isOpenTo(route: HandlerDeclaration, { resource }: ResourceServer, operations: readonly Operation[]): boolean {
    const { allowAnonymous } = this.options;
    if (!allowAnonymous || !requiresNothing(route)) return false;
    if (operations.length > 0 && !allowAnonymous.call) return false;
    return operations.every((operation) => isPublic(this.explorer.declarationsOf(operation, resource.id)));
  }

  /** What these operations and the route they are sent to need together. */
  ofOperations(
    route: HandlerDeclaration,
    server: ResourceServer,
    operations: readonly Operation[],
    messages: readonly RpcMessage[],
  ): AccessConditions {
    const [operation] = operations;
    if (operations.length < 2 && operation?.kind !== 'resource') {
      const declarations = operation && this.explorer.declarationsOf(operation, server.resource.id);
      const known = this.#conditions.get(route)?.get(declarations ?? server);
      if (known) return known;
      const handlers = handlersOf(declarations);
      const asksNobody = !this.#asksAt(route) && !declarations?.isElsewhere && !handlers.some(hasPolicies);
      if (asksNobody) return this.#sameConditions(route, declarations ?? server, server, handlers);
    }
    const declared = this.#declared(operations, server);
    const handlers = new Set([route, ...declared.flatMap(({ declarations }) => handlersOf(declarations))]);
    const ofRoute = hasPolicies(route) ? [{ operation: undefined, policies: route.policies }] : [];
    const ofMessages = checksOfMessages(messages, this.#ofModule);
    const policyChecks = [...ofMessages, ...ofRoute, ...policyChecksOf(declared, this.#ofModule)];
    return {
      ...conditionsOf(server, [...handlers], policyChecks),
      asksBeforeScopes: operations.length < 2,
      refusal: refusalOf(declared, this.#ofModule),
    };
  }

  /** Whether a policy is asked about a call of the handler: one of its own, or that of the module. */
  #asksAt(declaration: HandlerDeclaration): boolean {
    return this.#ofModule.length > 0 || hasPolicies(declaration);
  }

  #checksAt(declaration: HandlerDeclaration, operation: Operation | undefined): PolicyCheck[] {
    return this.#asksAt(declaration) ? [{ operation, policies: [...this.#ofModule, ...declaration.policies] }] : [];
  }

  #declared(operations: readonly Operation[], { resource }: ResourceServer): DeclaredOperation[] {
    return operations.map((operation) => ({
      operation,
      declarations: this.explorer.declarationsOf(operation, resource.id),
    }));
  }

  /** The cached conditions of a handler together with the others. Only for declarations without policies. */
  #sameConditions(
    declaration: HandlerDeclaration,
    key: object,
    server: ResourceServer,
    others: readonly HandlerDeclaration[],
  ): AccessConditions {
    const ofHandler = this.#conditions.get(declaration);
    const known = ofHandler?.get(key);
    if (known) return known;
    const conditions = conditionsOf(server, [declaration, ...others], []);
    this.#conditions.set(declaration, (ofHandler ?? new Map<object, AccessConditions>()).set(key, conditions));
    return conditions;
  }
}

/** Determines what a request to a route needs. */
class RouteFindings implements Findings {
  constructor(
    private readonly requirements: AccessRequirements,
    private readonly request: HttpRequest,
    private readonly route: HandlerDeclaration,
    private readonly server: ResourceServer,
    private readonly body: RpcBody,
  ) {}

  isOpen(): boolean {
    return this.requirements.isOpen(this.request, this.route, this.server, this.body);
  }

  conditions(operations: readonly Operation[]): AccessConditions {
    return this.requirements.ofOperations(this.route, this.server, operations, this.body.messages);
  }
}

/**
 * Whether an anonymous caller may send this to an MCP endpoint, provided that all operations in it are public: a body whose
 * messages are all known and allowed; or no body, to open a stream or to end a session.
 */
function isOpenRequest(
  { method }: HttpRequest,
  { messages, operations }: RpcBody,
  allowed: Exclude<AnonymousAccess, false>,
): boolean {
  if (method === 'GET' || method === 'DELETE') return allowed.connect && (allowed.call || operations.length === 0);
  return messages.length > 0 && messages.every((message) => isOpenMessage(message, allowed));
}

function isOpenMessage(message: RpcMessage, allowed: Exclude<AnonymousAccess, false>): boolean {
  if (message.operations.length > 0) return allowed.call;
  const purpose = openPurposeOf(message);
  return purpose !== undefined && allowed[purpose];
}

function isAt({ identifier }: ResolvedResource, request: HttpRequest): boolean {
  return withoutSlash(targetPath(request)) === withoutSlash(identifier.path);
}

function withoutSlash(path: string): string {
  return path.replace(/\/$/, '');
}
