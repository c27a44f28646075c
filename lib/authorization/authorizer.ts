import { Injectable, type ExecutionContext } from '@nestjs/common';
import type { AuthorizedCall } from '../caller/authorized-call.js';
import { callOfContext } from '../caller/call-registry.js';
import type { McpAuthInfo } from '../core/auth-info.js';
import { meetsAuthentication, strictest, type AuthenticationRequirement } from '../core/authentication.js';
import { Clock } from '../core/clock.js';
import { McpAuthError } from '../core/error.js';
import type { MaybePromise } from '../core/maybe-promise.js';
import { challengeScopes, combine, isEmptyRequirement, meets, type Requirement } from '../core/requirement.js';
import type { Denial } from '../core/denial.js';
import type { HandlerDeclaration } from '../handlers/handler-declaration.js';
import { HandlerExplorer } from '../handlers/handler-explorer.js';
import { OperationDeclarations } from '../handlers/operation-declarations.js';
import { allowsAnonymousCalls } from '../options/anonymous-access.js';
import { ResolvedOptions } from '../options/options.js';
import type { HttpRequest } from '../request/http-message.js';
import type { Operation } from '../request/rpc-body.js';
import { ResourceServers, type ResourceServer } from '../resource-servers/resource-servers.js';
import type { AccessRequest } from './access-request.js';
import { AccessRequirements } from './access-requirements.js';
import { Authenticator } from './authenticator.js';
import { requiresNothing, type AccessConditions } from './access-conditions.js';
import { Policies, type Verdict } from './policies.js';
import { RefusedRequests } from './refused-requests.js';
import { callOverStdio } from './stdio-caller.js';

/** Decides whether a caller may go on, before dispatch and again at the handler. Does not answer requests. */
@Injectable()
export class Authorizer {
  constructor(
    private readonly servers: ResourceServers,
    private readonly explorer: HandlerExplorer,
    private readonly operations: OperationDeclarations,
    private readonly requirements: AccessRequirements,
    private readonly authenticator: Authenticator,
    private readonly refusedRequests: RefusedRequests,
    private readonly policies: Policies,
    private readonly options: ResolvedOptions,
    private readonly clock: Clock,
  ) {}

  /**
   * Checks an authenticated request against what it needs. Does nothing for an anonymous caller: the request needs no token.
   *
   * @throws {McpAuthError} when the request is refused.
   */
  authorize(access: AccessRequest, request: HttpRequest): MaybePromise<void> {
    if (access.caller) return this.decide(access.caller, access.conditions, request);
  }

  /**
   * Checks a caller who uses a task against what the operations need that created it.
   *
   * @throws {McpAuthError} when the request is refused.
   */
  authorizeCreated(operations: readonly Operation[], access: AccessRequest, request: HttpRequest): MaybePromise<void> {
    if (!access.caller || operations.length === 0) return;
    return this.decide(access.caller, this.requirements.ofCreators(operations, access.server), request);
  }

  /**
   * Checks the caller of an MCP handler again, against what this handler declares: only here it is certain which handler
   * runs. Refuses a call whose caller was not let in before.
   *
   * @throws {McpAuthError} when the call is refused.
   */
  authorizeHandler(context: ExecutionContext): MaybePromise<void> {
    const declaration = this.explorer.declarationOf(context.getClass(), context.getHandler());
    const call = callOfContext(context, this.options);
    return call ? this.#authorizeCall(context, declaration, call) : this.#authorizeOverStdio(context, declaration);
  }

  async #authorizeOverStdio(context: ExecutionContext, declaration: HandlerDeclaration): Promise<void> {
    // Over stdio, `deny` refuses handlers with requirements. Whoever started the process may call the others.
    const { resourceId } = declaration;
    // A handler that names no resource can be reached through each of them.
    const servers = resourceId === undefined ? this.servers.all : [this.servers.get(resourceId)];
    const needsNothing =
      this.options.authorize === undefined &&
      requiresNothing(declaration) &&
      servers.every((server) => isEmptyRequirement(this.#scopesAt(server, context, declaration)));
    const stdio = this.options.stdio === 'deny' && needsNothing ? 'trust' : this.options.stdio;
    const call = await callOverStdio(context, stdio, this.servers.first, this.authenticator);
    if (!call)
      throw this.#unauthenticated(
        context,
        declaration,
        resourceId === undefined ? this.servers.first : this.servers.get(resourceId),
      );
    if (call !== 'trusted') await this.#authorizeCall(context, declaration, call);
  }

  #authorizeCall(context: ExecutionContext, declaration: HandlerDeclaration, call: AuthorizedCall): MaybePromise<void> {
    if (declaration.resourceId !== undefined && declaration.resourceId !== call.resource.id) {
      throw new McpAuthError('access_denied', 'resource_mismatch');
    }
    const isOpen = allowsAnonymousCalls(this.options) && declaration.isPublic;
    if (call.auth)
      return this.decide(call.auth, this.requirements.ofMcpHandler(context, declaration, call, isOpen), undefined);
    if (!isOpen) throw this.#unauthenticated(context, declaration, this.servers.of(call.resource));
  }

  /** Names what the handler needs at this resource. */
  #unauthenticated(context: ExecutionContext, declaration: HandlerDeclaration, server: ResourceServer): McpAuthError {
    const scopes = challengeScopes(this.#scopesAt(server, context, declaration), [], server.hierarchy);
    this.refusedRequests.noteCall(context.switchToRpc().getContext(), server.resource, scopes);
    return new McpAuthError('authorization_required', 'handler_unauthenticated', { scopes });
  }

  #scopesAt(server: ResourceServer, context: ExecutionContext, { requirement }: HandlerDeclaration): Requirement {
    const ofAnnotations = this.operations.ofAnnotations(context.getHandler(), server.resource.id);
    return combine(server.baseline, requirement, ...ofAnnotations.map((rule) => rule.requirement));
  }

  /**
   * Checks whether the caller has proven to hold the key of the token, then how the user signed in, then all scopes together
   * with those that policies ask for, then whether a policy denies.
   *
   * @throws {McpAuthError} when the caller is refused.
   */
  decide(auth: McpAuthInfo, conditions: AccessConditions, request: HttpRequest | undefined): MaybePromise<void> {
    if (conditions.refusal) throw new McpAuthError('access_denied', conditions.refusal);
    if (conditions.needsProof && auth.proof === undefined) throw proofRequired(auth);
    if (conditions.policyChecks.length > 0) return this.#decideWithPolicies(auth, conditions, request);
    this.#check(auth, conditions);
  }

  async #decideWithPolicies(
    auth: McpAuthInfo,
    conditions: AccessConditions,
    request: HttpRequest | undefined,
  ): Promise<void> {
    const missing = this.#missing(auth, conditions);
    if (missing && !conditions.asksBeforeScopes) throw missing;
    let verdict: Verdict;
    try {
      verdict = await this.policies.ask(auth, conditions.server.resource.id, conditions.policyChecks, request);
    } catch (error) {
      // The caller lacks scopes anyway, and the policy may not expect such callers.
      throw missing ?? error;
    }
    const requirement = combine(conditions.requirement, { allOf: verdict.scopes, anyOf: [] });
    this.#check(auth, { ...conditions, requirement });
    if (verdict.denial) throw denied(verdict.denial);
  }

  /** The refusal of a caller who lacks what the declarations need, whatever the policies say. */
  #missing(auth: McpAuthInfo, conditions: AccessConditions): McpAuthError | undefined {
    try {
      this.#check(auth, conditions);
      return undefined;
    } catch (error) {
      if (error instanceof McpAuthError) return error;
      throw error;
    }
  }

  #check(auth: McpAuthInfo, { server, requirement, authentications }: AccessConditions): void {
    const { hierarchy } = server;
    const isSignedInSo = authentications.length === 0 || this.#meetsAuthentications(auth, authentications);
    if (isSignedInSo && meets(requirement, auth.scopes, hierarchy)) return;
    const scopes = challengeScopes(requirement, auth.scopes, hierarchy);
    if (!isSignedInSo) {
      const authentication = strictest(authentications);
      const reason = 'authentication_insufficient';
      throw new McpAuthError('insufficient_user_authentication', reason, { scopes, authentication });
    }
    const missingScopes = scopes.filter((scope) => !hierarchy.holds(auth.scopes, scope));
    throw new McpAuthError('insufficient_scope', 'scope_missing', { scopes, missingScopes });
  }

  #meetsAuthentications({ claims }: McpAuthInfo, authentications: readonly AuthenticationRequirement[]): boolean {
    const now = this.clock.now() / 1000;
    const tolerance = this.options.clockToleranceSeconds;
    return authentications.every((one) => meetsAuthentication(one, claims, now, tolerance));
  }
}

/**
 * The refusal of a caller whose token works for whoever has it. A credential that is no token has no error code: the client has
 * no token that it could renew (RFC 6750 §3.1).
 */
function proofRequired({ credential }: McpAuthInfo): McpAuthError {
  return new McpAuthError(credential === undefined ? 'invalid_token' : 'authorization_required', 'proof_required');
}

/** The refusal of a caller whom a policy denies. Another token would not help. */
function denied({ reason, message }: Denial): McpAuthError {
  const seen = reason === undefined ? {} : { reason };
  return new McpAuthError('access_denied', 'policy_denied', { seen, clientMessage: message });
}
