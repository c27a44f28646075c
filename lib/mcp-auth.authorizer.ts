import { Inject, Injectable, type ExecutionContext } from '@nestjs/common';
import { readCredentials } from './core/credentials.js';
import { McpAuthError } from './core/error.js';
import { readRpcBody, type Operation, type RpcBody } from './core/operation.js';
import { challengeScopes, isMet, union, type Requirement } from './core/requirement.js';
import { callOfContext, callOfRequest, nodeRequest, type AuthorizedCall, type HttpRequest } from './mcp-auth.context.js';
import { McpAuthExplorer } from './mcp-auth.explorer.js';
import { authInfoOf, type McpAuthInfo } from './mcp-auth.info.js';
import type { ResolvedResource } from './mcp-auth.options.js';
import type { HandlerPolicy, Policy } from './mcp-auth.policy.js';
import { ResourceServers, type ResourceServer } from './mcp-auth.resource-servers.js';

/** One thing a request wants to do: the route itself, or an MCP operation in its body. */
interface Use {
  readonly operation: Operation | undefined;
  readonly policies: readonly Policy[];
}

/** What a request needs, known before its token was looked at. */
export interface Demand {
  readonly handler: object;
  readonly server: ResourceServer;
  readonly requirement: Requirement;
  readonly uses: readonly Use[];
  readonly requestId: RpcBody['requestId'];
}

/** What the answer to a refused request is made of, besides the error. */
export interface RefusalFacts {
  readonly resource: ResolvedResource;
  /** The scopes the request needs, as far as that is known. */
  readonly scopes: readonly string[];
  readonly requestId: RpcBody['requestId'];
}

/** Decides whether a request, and later the handler it leads to, may go on. Knows nothing of responses. */
@Injectable()
export class McpAuthAuthorizer {
  constructor(
    @Inject(ResourceServers) private readonly servers: ResourceServers,
    @Inject(McpAuthExplorer) private readonly explorer: McpAuthExplorer,
  ) {}

  /**
   * What a request to this route needs: the baseline of the resource, what class and method declare, and what the
   * MCP operations in its body need, all of a batch together. Undefined for a public route.
   */
  demandOf(request: HttpRequest, classRef: object, handler: object): Demand | undefined {
    const route = this.explorer.policyOf(classRef, handler);
    if (route.isPublic) return undefined;
    const server = this.servers.get(route.resourceId);
    const { operations, requestId } = readRpcBody(request.body);
    const uses: Use[] = [{ operation: undefined, policies: route.policies }];
    const requirements = [server.baseline, route.requirement];
    for (const operation of operations) {
      for (const { requirement, policies } of this.explorer.policiesOf(operation, server.resource.id)) {
        requirements.push(requirement);
        uses.push({ operation, policies });
      }
    }
    return { handler, server, requirement: union(...requirements), uses, requestId };
  }

  /** The answer to a refused request names all the scopes it needs, as if nothing had been granted yet. */
  factsOf({ requirement, server, requestId }: Demand): RefusalFacts {
    return { resource: server.resource, scopes: challengeScopes(requirement, [], server.hierarchy), requestId };
  }

  /** The same for an error raised below the guard, where the demand is not known any more. */
  factsOfCall(call: AuthorizedCall | undefined, body: unknown): RefusalFacts {
    const { resource } = call ? this.servers.get(call.resource.id) : this.servers.first;
    return { resource, scopes: [], requestId: readRpcBody(body).requestId };
  }

  /**
   * Authenticates the request and checks it against its demand: once, however many guards are bound to the route.
   *
   * @throws {McpAuthError} when it is refused.
   */
  async authorizeRequest(request: HttpRequest, demand: Demand): Promise<AuthorizedCall> {
    const { handler, server } = demand;
    const earlier = callOfRequest(request);
    if (earlier?.handler === handler) return earlier;
    const auth = await this.#authenticate(request, demand);
    await this.#decide(auth, demand, request);
    return { auth, resource: server.resource, handler };
  }

  /**
   * Checks the caller of a handler outside of HTTP routes once more, against what this very handler declares:
   * whatever the request was taken for on its way in, here it is known what runs. Without a caller who was
   * authorized on the way in, it is refused; nothing is public here.
   *
   * @throws {McpAuthError} when it is refused.
   */
  async authorizeHandler(context: ExecutionContext): Promise<void> {
    const policy = this.explorer.policyOf(context.getClass(), context.getHandler());
    const call = callOfContext(context);
    if (!call) throw new McpAuthError('authorization_required', 'handler_unauthenticated');
    if (policy.resourceId !== undefined && policy.resourceId !== call.resource.id) {
      throw new McpAuthError('access_denied', 'resource_mismatch');
    }
    await this.#decide(call.auth, this.#handlerDemand(context, policy, call), undefined);
  }

  #handlerDemand(context: ExecutionContext, policy: HandlerPolicy, { resource }: AuthorizedCall): Demand {
    const server = this.servers.get(resource.id);
    const served = this.explorer.operationOf(context.getHandler());
    const operation = served && { ...served, args: context.switchToRpc().getData<unknown>() };
    return {
      handler: context.getHandler(),
      server,
      requirement: union(server.baseline, policy.requirement),
      uses: [{ operation, policies: policy.policies }],
      requestId: undefined,
    };
  }

  async #authenticate(request: HttpRequest, { server }: Demand): Promise<McpAuthInfo> {
    const credentials = readCredentials(nodeRequest(request));
    switch (credentials.kind) {
      case 'none':
        throw new McpAuthError('authorization_required', 'no_credentials');
      case 'unsupported':
        throw new McpAuthError('authorization_required', 'unsupported_scheme');
      case 'repeated':
        throw new McpAuthError('invalid_request', 'repeated_credentials');
      case 'malformed':
        throw new McpAuthError('invalid_token', 'malformed_credentials');
      case 'bearer': {
        const verified = await server.verifier.verify(credentials.token);
        return authInfoOf(credentials.token, verified, server.resource.identifier.identifier);
      }
    }
  }

  /** Scopes first, and all of them at once, those that policies ask for included; then the policies' refusals. */
  async #decide(auth: McpAuthInfo, demand: Demand, request: HttpRequest | undefined): Promise<void> {
    const { server, uses } = demand;
    let { requirement } = demand;
    let isDenied = false;
    for (const { operation, policies } of uses) {
      for (const policy of policies) {
        const verdict = await policy({ auth, operation, args: operation?.args, request });
        if (Array.isArray(verdict)) requirement = union(requirement, { allOf: verdict, anyOf: [] });
        else if (verdict !== true) isDenied = true;
      }
    }
    if (!isMet(requirement, auth.scopes, server.hierarchy)) {
      const scopes = challengeScopes(requirement, auth.scopes, server.hierarchy);
      throw new McpAuthError('insufficient_scope', 'scope_missing', { scopes });
    }
    if (isDenied) throw new McpAuthError('access_denied', 'policy_denied');
  }
}
