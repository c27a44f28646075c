import { Injectable, type ExecutionContext } from '@nestjs/common';
import type { AuthorizedCall } from '../caller/authorized-call.js';
import type { HandlerDeclaration } from '../handlers/handler-declaration.js';
import { HandlerExplorer } from '../handlers/handler-explorer.js';
import { OperationDeclarations } from '../handlers/operation-declarations.js';
import { ResolvedOptions } from '../options/options.js';
import type { PolicyOption } from '../options/policy-option.js';
import { continueWith, type MaybePromise } from '../core/maybe-promise.js';
import type { HttpRequest } from '../request/http-message.js';
import { HANDLER_METHODS, readRpcBody, type Operation, type RpcBody, type RpcMessage } from '../request/rpc-body.js';
import { ResourceServers, type ResourceServer } from '../resource-servers/resource-servers.js';
import { isAt, isOpenRequest } from './open-requests.js';
import type { RefusedRequest } from './refused-requests.js';
import { RequestedResource } from './requested-resource.js';
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

type ConditionsByHandler = WeakMap<HandlerDeclaration, Map<object, AccessConditions>>;

/** Determines what a request, a call or an operation needs. Does not look at the caller. */
@Injectable()
export class AccessRequirements {
  /** Conditions that are the same for every request: by the declaration of the handler, then by those of the operation. */
  readonly #conditions: ConditionsByHandler = new WeakMap();
  readonly #conditionsOfTenants = new WeakMap<ResourceServer, ConditionsByHandler>();
  readonly #ofModule: readonly PolicyOption[];

  constructor(
    private readonly servers: ResourceServers,
    private readonly requested: RequestedResource,
    private readonly explorer: HandlerExplorer,
    private readonly operations: OperationDeclarations,
    private readonly options: ResolvedOptions,
  ) {
    this.#ofModule = policiesOfModule(options);
  }

  /** The policies that the options name. They are asked about MCP messages, and about handlers outside HTTP. */
  get policiesOfModule(): readonly PolicyOption[] {
    return this.#ofModule;
  }

  /** What a route declares; undefined for a public route. */
  routeOf(classRef: object, handler: object): HandlerDeclaration | undefined {
    const route = this.explorer.declarationOf(classRef, handler);
    return route.isPublic ? undefined : route;
  }

  /**
   * What a request to this route needs: the baseline of the resource, what class and method declare, and what all MCP
   * operations in its body need together. Synchronous, unless the application is asked about a tenant.
   *
   * @throws {McpAuthError} if the request is for no resource, see {@link RequestedResource}.
   */
  ofRequest(request: HttpRequest, route: HandlerDeclaration, handler: object): MaybePromise<AccessRequest> {
    const server = this.requested.serverFor(request, route.resourceId);
    return continueWith(server, (found) => this.#ofRequestTo(found, request, route, handler));
  }

  /** What the answer is built from if the resource of the request is not known. */
  refusedAt(request: HttpRequest, route: HandlerDeclaration): RefusedRequest {
    const resource = this.requested.declaredAs(route.resourceId);
    return { resource, scopes: [], body: readRpcBody(request.body), caller: undefined, scheme: 'Bearer' };
  }

  #ofRequestTo(
    server: ResourceServer,
    request: HttpRequest,
    route: HandlerDeclaration,
    handler: object,
  ): AccessRequest {
    const body = readRpcBody(request.body);
    return new AccessRequest(handler, server, body, new RouteFindings(this, request, route, server, body));
  }

  /**
   * What a handler needs that is neither an HTTP route nor an MCP operation. Anonymous callers are never allowed.
   *
   * @param request the HTTP request behind the call; undefined if there is none
   * @throws as {@link ofRequest}
   */
  ofHandler(
    classRef: object,
    handler: object,
    args: unknown,
    request: HttpRequest | undefined,
  ): MaybePromise<AccessRequest> {
    const declaration = this.explorer.declarationOf(classRef, handler);
    const { resourceId } = declaration;
    const policyChecks = this.#checksAt(declaration, undefined).map((check) => ({ ...check, args }));
    const found = request ? this.requested.serverFor(request, resourceId) : this.servers.get(resourceId);
    return continueWith(
      found,
      (server) =>
        new AccessRequest(handler, server, readRpcBody(undefined), {
          isOpen: () => false,
          conditions: () => conditionsOf(server, [declaration], policyChecks),
        }),
    );
  }

  /** What an MCP handler needs that is about to run. */
  ofMcpHandler(
    context: ExecutionContext,
    declaration: HandlerDeclaration,
    { resource }: AuthorizedCall,
    isOpen: boolean,
  ): AccessConditions {
    const server = this.servers.of(resource);
    const handler = context.getHandler();
    const ofAnnotations = this.operations.ofAnnotations(handler, resource.id);
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
    const { all } = this.operations.of(operation, resourceId);
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
    return this.operations.of(operation, resourceId).all.some((one) => one.kind === kind && one.name === name);
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
    return operations.every((operation) => isPublic(this.operations.of(operation, resource.id)));
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
      const declarations = operation && this.operations.of(operation, server.resource.id);
      const known = this.#conditionsAt(server)
        .get(route)
        ?.get(declarations ?? server);
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
      declarations: this.operations.of(operation, resource.id),
    }));
  }

  /** The cached conditions of a handler together with the others. Only for declarations without policies. */
  #sameConditions(
    declaration: HandlerDeclaration,
    key: object,
    server: ResourceServer,
    others: readonly HandlerDeclaration[],
  ): AccessConditions {
    const atServer = this.#conditionsAt(server);
    const ofHandler = atServer.get(declaration);
    const known = ofHandler?.get(key);
    if (known) return known;
    const conditions = conditionsOf(server, [declaration, ...others], []);
    atServer.set(declaration, (ofHandler ?? new Map<object, AccessConditions>()).set(key, conditions));
    return conditions;
  }

  /** Tenants share the declarations of their resource, but not its scopes. */
  #conditionsAt(server: ResourceServer): ConditionsByHandler {
    if (server.resource.tenant === undefined) return this.#conditions;
    const known = this.#conditionsOfTenants.get(server) ?? new WeakMap();
    this.#conditionsOfTenants.set(server, known);
    return known;
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
