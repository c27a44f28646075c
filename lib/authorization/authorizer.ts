import { Injectable, type ExecutionContext } from '@nestjs/common';
import { meetsAuthentication, strictest, type AuthenticationRequirement } from '../core/authentication.js';
import { isDpopScheme, readCredentials } from '../request/credentials.js';
import { McpAuthError } from '../core/error.js';
import type { HeaderSource } from '../request/header-fields.js';
import { isOpenMethod, readRpcBody, type Operation, type RpcBody } from '../request/rpc-body.js';
import { challengeScopes, meets, NO_REQUIREMENT, combine, combineAll, type Requirement } from '../core/requirement.js';
import { isRequestableScope } from '../core/scopes.js';
import { continueWith, type MaybePromise } from '../core/maybe-promise.js';
import { Clock } from '../core/clock.js';
import { callOfContext } from '../caller/call-registry.js';
import { nodeRequest, targetPath, type HttpRequest } from '../request/http-message.js';
import type { AuthorizedCall } from '../caller/authorized-call.js';
import { HandlerExplorer, type Declarations, type Declared } from '../handlers/handler-explorer.js';
import { authInfoOf } from '../caller/caller.js';
import type { McpAuthInfo } from '../core/auth-info.js';
import { ResolvedOptions, type ResolvedResource } from '../options/options.js';
import type { HandlerDeclaration, Policy } from '../handlers/handler-declaration.js';
import { ResourceServers, type ResourceServer } from '../resource-servers/resource-servers.js';
import { callOverStdio } from './stdio-caller.js';

/** One thing a request wants to do, about which the application decides: the route itself, or an MCP operation in its body. */
interface Use {
  readonly operation: Operation | undefined;
  readonly policies: readonly Policy[];
  /** Of a handler outside of MCP, as the framework hands them over. */
  readonly args?: unknown;
}

/** What must hold for a caller to be let through. */
interface Conditions {
  readonly server: ResourceServer;
  readonly requirement: Requirement;
  readonly authentications: readonly AuthenticationRequirement[];
  readonly uses: readonly Use[];
  /** Whether policies are asked of a caller without the scopes, so that one challenge names all of them. */
  readonly asksBeforeScopes: boolean;
  /** Why nobody is let in, whatever their token. */
  readonly refusal: 'resource_mismatch' | 'policy_not_asked' | undefined;
}

/** What a request needs. What takes time to find out is found out when it is asked for, and then once. */
export interface AccessRequest {
  readonly handler: object;
  readonly server: ResourceServer;
  readonly body: RpcBody;
  readonly conditions: Conditions;
  /** Whether it would be let through without a token. Found out in limited time, whatever the body. */
  readonly isOpen: boolean;
  /** The scopes that a challenge names. Found out in limited time, whatever the body. */
  readonly scopes: readonly string[];
}

/** Operations that are looked at before it is known who asks. Where there are more, the first are named in a challenge. */
const MAX_OPERATIONS_OF_ANYBODY = 20;

/** What the answer to a refused request is made of, besides the error. */
export interface RefusedRequest {
  readonly resource: ResolvedResource;
  /** The scopes the request needs, as far as that is known. */
  readonly scopes: readonly string[];
  readonly body: RpcBody;
}

/** How a tool may be called: without a token, or with one that has these scopes. */
export type SecurityScheme =
  | { readonly type: 'noauth' }
  | { readonly type: 'oauth2'; readonly scopes: readonly string[] };

/** Decides whether a request, and later the handler it leads to, may go on. Knows nothing of responses. */
@Injectable()
export class Authorizer {
  /** By Node's request, or the context of an RPC: an error may reach those who answer it through guards of others. */
  readonly #refused = new WeakMap<object, RefusedRequest>();
  /** Conditions that are the same for every request: by the policy of a handler, and by what is declared of what comes to it. */
  readonly #conditions = new WeakMap<HandlerDeclaration, Map<object, Conditions>>();

  constructor(
    private readonly servers: ResourceServers,
    private readonly explorer: HandlerExplorer,
    private readonly options: ResolvedOptions,
    private readonly clock: Clock,
  ) {}

  /**
   * What a request to this route needs: the baseline of the resource, what class and method declare, and what the
   * MCP operations in its body need, all of a batch together. Undefined for a public route.
   */
  accessRequestOf(request: HttpRequest, classRef: object, handler: object): AccessRequest | undefined {
    const route = this.explorer.declarationOf(classRef, handler);
    if (route.isPublic) return undefined;
    const server = this.servers.get(route.resourceId);
    const body = readRpcBody(request.body);
    return new LazyAccessRequest(handler, server, body, {
      isOpen: () => this.options.allowAnonymous && this.#isOpen(request, route, server, body),
      conditions: (operations) => this.#conditionsOf(route, server, operations),
    });
  }

  /** The same for a handler that is neither an HTTP route nor an MCP operation. It is never open to anonymous callers. */
  accessRequestOfHandler(classRef: object, handler: object, args: unknown): AccessRequest {
    const policy = this.explorer.declarationOf(classRef, handler);
    const server = this.servers.get(policy.resourceId);
    const uses = asks(policy) ? [{ operation: undefined, policies: policy.policies, args }] : [];
    return new LazyAccessRequest(handler, server, readRpcBody(undefined), {
      isOpen: () => false,
      conditions: () => conditionsOf(server, [policy], uses),
    });
  }

  #isOpen(request: HttpRequest, route: HandlerDeclaration, { resource }: ResourceServer, body: RpcBody): boolean {
    if (!isAt(resource, request) || !requiresNothing(route)) return false;
    if (body.excess || body.operations.length > MAX_OPERATIONS_OF_ANYBODY || !isOpenRequest(request, body))
      return false;
    return body.operations.every((operation) => isPublic(this.explorer.declarationsOf(operation, resource.id)));
  }

  #conditionsOf(route: HandlerDeclaration, server: ResourceServer, operations: readonly Operation[]): Conditions {
    const { id } = server.resource;
    const [operation] = operations;
    if (operations.length < 2 && operation?.kind !== 'resource') {
      const declarations = operation && this.explorer.declarationsOf(operation, id);
      const asksNobody =
        !asks(route) && !declarations?.isElsewhere && !declarations?.all.some(({ policy }) => asks(policy));
      if (asksNobody) return this.#sameConditions(route, declarations ?? server, server, policiesOf(declarations));
    }
    const found = operations.map((one) => ({ operation: one, declarations: this.explorer.declarationsOf(one, id) }));
    const policies = new Set([route, ...found.flatMap(({ declarations }) => policiesOf(declarations))]);
    const ofRoute = asks(route) ? [{ operation: undefined, policies: route.policies }] : [];
    const uses = found.flatMap((one) => one.declarations.all.flatMap((declared) => usesOf(one.operation, declared)));
    return {
      ...conditionsOf(server, [...policies], [...ofRoute, ...uses]),
      asksBeforeScopes: operations.length < 2,
      refusal: refusalOf(found),
    };
  }

  /** Of a handler together with the others, for a request that nobody has to be asked about. */
  #sameConditions(
    policy: HandlerDeclaration,
    key: object,
    server: ResourceServer,
    others: readonly HandlerDeclaration[],
  ): Conditions {
    const ofPolicy = this.#conditions.get(policy);
    const known = ofPolicy?.get(key);
    if (known) return known;
    const conditions = conditionsOf(server, [policy, ...others], []);
    this.#conditions.set(policy, (ofPolicy ?? new Map<object, Conditions>()).set(key, conditions));
    return conditions;
  }

  /** The answer to a refused request names all the scopes it needs, as if nothing had been granted yet. */
  refusedRequest({ scopes, server, body }: AccessRequest): RefusedRequest {
    return { resource: server.resource, scopes, body };
  }

  /** The same for an error that comes from elsewhere, and to whoever has only the request, or context, it came with. */
  findRefusedRequest(source: unknown, call: AuthorizedCall | undefined, body: unknown): RefusedRequest {
    const noted = typeof source === 'object' && source !== null ? this.#refused.get(source) : undefined;
    if (noted) return noted;
    const { resource } = call ? this.servers.get(call.resource.id) : this.servers.first;
    return { resource, scopes: [], body: readRpcBody(body) };
  }

  /** Keeps what a refusal would be made of with the request, for a refusal that somebody else answers. */
  rememberRefusedRequest(request: HttpRequest, access: AccessRequest): void {
    this.#refused.set(nodeRequest(request), this.refusedRequest(access));
  }

  /**
   * Authenticates the request, unless it needs no caller and brings none; at once, where the token is known.
   *
   * @throws {McpAuthError} when it is refused.
   */
  authenticate(request: HeaderSource, access: AccessRequest): MaybePromise<McpAuthInfo | undefined> {
    const { server } = access;
    const credentials = readCredentials(request);
    switch (credentials.kind) {
      case 'none':
        if (access.isOpen) return undefined;
        throw new McpAuthError('authorization_required', 'no_credentials');
      case 'unsupported':
        // RFC 6750 §3.1: no error code, as if there were no credentials.
        throw new McpAuthError('authorization_required', isDpopScheme(request) ? 'dpop_scheme' : 'unsupported_scheme');
      case 'repeated':
        throw new McpAuthError('invalid_request', 'repeated_credentials');
      case 'malformed':
        throw new McpAuthError('invalid_token', 'malformed_credentials');
      case 'bearer': {
        const { token } = credentials;
        const { identifier } = server.resource.identifier;
        return continueWith(server.verifier.verify(token), (verified) => authInfoOf(token, verified, identifier));
      }
    }
  }

  /**
   * Checks an authenticated request against what it needs. An anonymous caller was let in because there is nothing to
   * check.
   *
   * @throws {McpAuthError} when it is refused.
   */
  authorize(auth: McpAuthInfo | undefined, access: AccessRequest, request: HttpRequest): MaybePromise<void> {
    if (auth) return this.#decide(auth, access.conditions, request);
  }

  /**
   * Checks a caller who asks for what operations have created, such as a task, against what those need.
   *
   * @throws {McpAuthError} when it is refused.
   */
  authorizeCreated(
    auth: McpAuthInfo | undefined,
    operations: readonly Operation[],
    { server }: AccessRequest,
    request: HttpRequest,
  ): MaybePromise<void> {
    if (!auth || operations.length === 0) return;
    // The handler is not called again, so that all has to be asked here.
    const found = operations.map((operation) => ({
      operation: { ...operation, reachesHandler: false },
      declarations: this.explorer.declarationsOf(operation, server.resource.id),
    }));
    const policies = found.flatMap(({ declarations }) => policiesOf(declarations));
    const uses = found.flatMap(({ operation, declarations }) =>
      declarations.all.flatMap((declared) => usesOf(operation, declared)),
    );
    return this.#decide(auth, { ...conditionsOf(server, policies, uses), refusal: refusalOf(found) }, request);
  }

  /** The operation as it is to be remembered: its arguments only if a policy will want to see them. */
  memorable(operation: Operation, resourceId: string): Operation {
    const { all } = this.explorer.declarationsOf(operation, resourceId);
    return all.some(({ policy }) => asks(policy)) ? operation : { ...operation, args: undefined };
  }

  /**
   * Checks the caller of a handler outside of HTTP routes once more, against what this very handler declares:
   * whatever the request was taken for on its way in, here it is known what runs. Without a caller who was let in on
   * the way, it is refused.
   *
   * @throws {McpAuthError} when it is refused.
   */
  authorizeHandler(context: ExecutionContext): MaybePromise<void> {
    const policy = this.explorer.declarationOf(context.getClass(), context.getHandler());
    const call = callOfContext(context, this.options);
    return call ? this.#authorizeCall(context, policy, call) : this.#authorizeOverStdio(context, policy);
  }

  async #authorizeOverStdio(context: ExecutionContext, policy: HandlerDeclaration): Promise<void> {
    // Refused over stdio is what has requirements; the rest is for whoever started the process.
    const { resourceId } = policy;
    // One that belongs to no resource in particular is reached by way of any.
    const servers = resourceId === undefined ? this.servers.all : [this.servers.get(resourceId)];
    const needsNothing = requiresNothing(policy) && servers.every(({ baseline }) => baseline.allOf.length === 0);
    const stdio = this.options.stdio === 'deny' && needsNothing ? 'trust' : this.options.stdio;
    const call = await callOverStdio(context, stdio, this.servers);
    if (!call) throw this.#unauthenticated(context, policy, policy.resourceId);
    if (call !== 'trusted') await this.#authorizeCall(context, policy, call);
  }

  #authorizeCall(context: ExecutionContext, policy: HandlerDeclaration, call: AuthorizedCall): MaybePromise<void> {
    if (policy.resourceId !== undefined && policy.resourceId !== call.resource.id) {
      throw new McpAuthError('access_denied', 'resource_mismatch');
    }
    const isOpen = this.options.allowAnonymous && policy.isPublic;
    if (call.auth) return this.#decide(call.auth, this.#conditionsAt(context, policy, call, isOpen), undefined);
    if (!isOpen) throw this.#unauthenticated(context, policy, call.resource.id);
  }

  /** Names what the handler needs; where neither it nor a call says of which resource, of the first. */
  #unauthenticated(
    context: ExecutionContext,
    { requirement }: HandlerDeclaration,
    resourceId: string | undefined,
  ): McpAuthError {
    const server = resourceId === undefined ? this.servers.first : this.servers.get(resourceId);
    const scopes = challengeScopes(combine(server.baseline, requirement), [], server.hierarchy);
    const source: unknown = context.switchToRpc().getContext();
    if (typeof source === 'object' && source !== null) {
      this.#refused.set(source, { resource: server.resource, scopes, body: readRpcBody(undefined) });
    }
    return new McpAuthError('authorization_required', 'handler_unauthenticated', { scopes });
  }

  /** What clients are told that a tool needs, as ChatGPT spells it; undefined where nothing is declared. */
  securitySchemes(tool: string, resourceId: string): SecurityScheme[] | undefined {
    const declarations = this.explorer.declarationsOf(
      { kind: 'tool', name: tool, args: undefined, reachesHandler: true },
      resourceId,
    );
    if (declarations.all.length === 0) return undefined;
    if (this.options.allowAnonymous && isPublic(declarations)) return [{ type: 'noauth' }];
    const { baseline, hierarchy } = this.servers.get(resourceId);
    const requirement = combineAll([baseline, ...policiesOf(declarations).map((policy) => policy.requirement)]);
    return [{ type: 'oauth2', scopes: challengeScopes(requirement, [], hierarchy) }];
  }

  /** Whether a caller may use an operation as things are, and whether another token of theirs could change that. */
  async operationAccess(call: AuthorizedCall, operation: Operation): Promise<'allowed' | 'obtainable' | 'denied'> {
    const declarations = this.explorer.declarationsOf(operation, call.resource.id);
    if (declarations.isElsewhere) return 'denied';
    const isOpen = this.options.allowAnonymous && isPublic(declarations);
    if (!call.auth) return isOpen ? 'allowed' : 'obtainable';
    const uses = declarations.all.flatMap((declared) => usesOf(operation, declared));
    const conditions = conditionsOf(this.servers.get(call.resource.id), policiesOf(declarations), uses);
    try {
      // How the user signed in is none of what lists depend on.
      await this.#decide(
        call.auth,
        { ...(isOpen ? withoutScopes(conditions) : conditions), authentications: [] },
        undefined,
      );
      return 'allowed';
    } catch (error) {
      return error instanceof McpAuthError && error.code === 'access_denied' ? 'denied' : 'obtainable';
    }
  }

  #conditionsAt(
    context: ExecutionContext,
    policy: HandlerDeclaration,
    { resource }: AuthorizedCall,
    isOpen: boolean,
  ): Conditions {
    const server = this.servers.get(resource.id);
    if (!isOpen && !asks(policy)) return this.#sameConditions(policy, server, server, []);
    const served = this.explorer.operationOf(context.getHandler());
    const args: unknown = context.switchToRpc().getData();
    const operation = served && { kind: served.kind, name: served.name, args, reachesHandler: true };
    const uses = asks(policy) ? [{ operation, policies: policy.policies }] : [];
    const conditions = { ...conditionsOf(server, [policy], uses), asksBeforeScopes: true };
    return isOpen ? withoutScopes(conditions) : conditions;
  }

  /**
   * How the user signed in, then scopes, all of them at once with those that policies ask for, then the policies'
   * refusals.
   */
  #decide(auth: McpAuthInfo, conditions: Conditions, request: HttpRequest | undefined): MaybePromise<void> {
    if (conditions.refusal) throw new McpAuthError('access_denied', conditions.refusal);
    if (conditions.uses.length > 0) return this.#decideWithPolicies(auth, conditions, request);
    this.#check(auth, conditions);
  }

  async #decideWithPolicies(
    auth: McpAuthInfo,
    conditions: Conditions,
    request: HttpRequest | undefined,
  ): Promise<void> {
    const missing = this.#missing(auth, conditions);
    if (missing && !conditions.asksBeforeScopes) throw missing;
    let verdict: Verdict;
    try {
      verdict = await askPolicies(auth, conditions.uses, request);
    } catch (error) {
      // Of a caller who is refused anyway, a policy may be asked what it does not expect.
      throw missing ?? error;
    }
    const requirement = combine(conditions.requirement, { allOf: verdict.scopes, anyOf: [] });
    this.#check(auth, { ...conditions, requirement });
    if (verdict.isDenied) throw new McpAuthError('access_denied', 'policy_denied');
  }

  /** The refusal of a caller who lacks what is needed whatever the policies say. */
  #missing(auth: McpAuthInfo, conditions: Conditions): McpAuthError | undefined {
    try {
      this.#check(auth, conditions);
      return undefined;
    } catch (error) {
      if (error instanceof McpAuthError) return error;
      throw error;
    }
  }

  #check(auth: McpAuthInfo, { server, requirement, authentications }: Conditions): void {
    const needed = (): string[] => challengeScopes(requirement, auth.scopes, server.hierarchy);
    this.#checkAuthentication(auth, authentications, needed);
    if (!meets(requirement, auth.scopes, server.hierarchy)) {
      const scopes = needed();
      const missingScopes = scopes.filter((scope) => !server.hierarchy.holds(auth.scopes, scope));
      throw new McpAuthError('insufficient_scope', 'scope_missing', { scopes, missingScopes });
    }
  }

  #checkAuthentication(
    { claims }: McpAuthInfo,
    authentications: readonly AuthenticationRequirement[],
    needed: () => readonly string[],
  ): void {
    if (authentications.length === 0) return;
    const now = this.clock.now() / 1000;
    const isMetBy = (one: AuthenticationRequirement): boolean =>
      meetsAuthentication(one, claims, now, this.options.clockToleranceSeconds);
    if (authentications.every(isMetBy)) return;
    throw new McpAuthError('insufficient_user_authentication', 'authentication_insufficient', {
      scopes: needed(),
      authentication: strictest(authentications),
    });
  }
}

/** What several policies need together of a caller at this server. */
function conditionsOf(
  server: ResourceServer,
  policies: readonly HandlerDeclaration[],
  uses: readonly Use[],
): Conditions {
  return {
    server,
    requirement: combineAll([server.baseline, ...policies.map(({ requirement }) => requirement)]),
    authentications: policies.flatMap(({ authentications }) => authentications),
    uses,
    asksBeforeScopes: false,
    refusal: undefined,
  };
}

/** What policies said together. */
interface Verdict {
  readonly scopes: readonly string[];
  readonly isDenied: boolean;
}

async function askPolicies(
  auth: McpAuthInfo,
  uses: readonly Use[],
  request: HttpRequest | undefined,
): Promise<Verdict> {
  const scopes = new Set<string>();
  let isDenied = false;
  for (const { operation, policies, args = operation?.args } of uses) {
    const context = { auth, operation: operation && { kind: operation.kind, name: operation.name }, args, request };
    for (const policy of policies) {
      const verdict = await policy(context);
      // What a policy takes from arguments may be anything; only a scope can be asked for.
      if (Array.isArray(verdict) && verdict.every(isRequestableScope)) for (const scope of verdict) scopes.add(scope);
      else if (verdict !== true) isDenied = true;
    }
  }
  return { scopes: [...scopes], isDenied };
}

/** For a caller who is let in whatever their token, unless a policy objects. */
function withoutScopes(conditions: Conditions): Conditions {
  return { ...conditions, requirement: NO_REQUIREMENT };
}

/** What the policies of one declaration are asked about. */
function usesOf(operation: Operation, { kind, name, policy, given }: Declared): Use[] {
  if (!asks(policy) || given === 'unknown') return [];
  const { policies } = policy;
  if (given === 'as-sent') return [{ operation, policies }];
  return given.map((args) => ({ operation: { ...operation, kind, name, args }, policies }));
}

function refusalOf(
  found: readonly { readonly operation: Operation; readonly declarations: Declarations }[],
): Conditions['refusal'] {
  if (found.some(({ declarations }) => declarations.isElsewhere)) return 'resource_mismatch';
  // Where a handler is called, the policies are asked there.
  const isNotAsked = found.some(
    ({ operation, declarations }) =>
      !operation.reachesHandler && declarations.all.some(({ policy, given }) => asks(policy) && given === 'unknown'),
  );
  return isNotAsked ? 'policy_not_asked' : undefined;
}

function policiesOf(declarations: Declarations | undefined): HandlerDeclaration[] {
  return declarations ? declarations.all.map(({ policy }) => policy) : [];
}

/** Whether something is declared, and all of it public. */
function isPublic({ all, isElsewhere }: Declarations): boolean {
  return !isElsewhere && all.length > 0 && all.every(({ policy }) => policy.isPublic);
}

/** What a {@link LazyAccessRequest} is found out by. */
interface Findings {
  isOpen(): boolean;
  conditions(operations: readonly Operation[]): Conditions;
}

class LazyAccessRequest implements AccessRequest {
  #isOpen: boolean | undefined;
  #conditions: Conditions | undefined;

  constructor(
    readonly handler: object,
    readonly server: ResourceServer,
    readonly body: RpcBody,
    private readonly findings: Findings,
  ) {}

  get isOpen(): boolean {
    return (this.#isOpen ??= this.findings.isOpen());
  }

  get conditions(): Conditions {
    return (this.#conditions ??= this.#conditionsOf(this.body.operations));
  }

  get scopes(): readonly string[] {
    const { operations } = this.body;
    const isShort = operations.length <= MAX_OPERATIONS_OF_ANYBODY;
    const { requirement } = isShort
      ? this.conditions
      : this.#conditionsOf(operations.slice(0, MAX_OPERATIONS_OF_ANYBODY));
    return challengeScopes(requirement, [], this.server.hierarchy);
  }

  #conditionsOf(operations: readonly Operation[]): Conditions {
    const conditions = this.findings.conditions(operations);
    return this.isOpen ? withoutScopes(conditions) : conditions;
  }
}

/** Whether the application decides, too. */
function asks({ policies }: HandlerDeclaration): boolean {
  return policies.length > 0;
}

/** Whether neither class nor method say anything that a caller would have to meet. */
function requiresNothing({ requirement, authentications, policies }: HandlerDeclaration): boolean {
  return [requirement.allOf, requirement.anyOf, authentications, policies].every((list) => list.length === 0);
}

/**
 * Whether an anonymous caller may send this to an MCP endpoint if all operations in it are public: a body in which every
 * message is understood; or no body, for the stream and the end of a session.
 */
function isOpenRequest({ method }: HttpRequest, { messages }: RpcBody): boolean {
  if (method === 'GET' || method === 'DELETE') return true;
  return messages.length > 0 && messages.every((message) => message.operations.length > 0 || isOpenMethod(message));
}

function isAt({ identifier }: ResolvedResource, request: HttpRequest): boolean {
  return withoutSlash(targetPath(request)) === withoutSlash(identifier.path);
}

function withoutSlash(path: string): string {
  return path.replace(/\/$/, '');
}
