import { Injectable } from '@nestjs/common';
import type { AuthorizedCall } from '../caller/authorized-call.js';
import { McpAuthError } from '../core/error.js';
import { challengeScopes } from '../core/requirement.js';
import { HandlerExplorer } from '../handlers/handler-explorer.js';
import { ResolvedOptions } from '../options/options.js';
import type { Operation } from '../request/rpc-body.js';
import { ResourceServers } from '../resource-servers/resource-servers.js';
import { Authorizer } from './authorizer.js';
import { conditionsOf, handlersOf, isPublic, usesOf, withoutScopes } from './conditions.js';

/** How a tool may be called: without a token, or with one that has these scopes. */
export type SecurityScheme =
  | { readonly type: 'noauth' }
  | { readonly type: 'oauth2'; readonly scopes: readonly string[] };

/** Says what lists may tell a caller of an operation. Protects nothing: what is called is decided when it is called. */
@Injectable()
export class OperationAccess {
  constructor(
    private readonly servers: ResourceServers,
    private readonly explorer: HandlerExplorer,
    private readonly authorizer: Authorizer,
    private readonly options: ResolvedOptions,
  ) {}

  /** What clients are told that a tool needs, as ChatGPT spells it; undefined where nothing is declared. */
  securitySchemes(tool: string, resourceId: string): SecurityScheme[] | undefined {
    const operation: Operation = { kind: 'tool', name: tool, args: undefined, reachesHandler: true };
    const declarations = this.explorer.declarationsOf(operation, resourceId);
    if (declarations.all.length === 0) return undefined;
    if (this.options.allowAnonymous && isPublic(declarations)) return [{ type: 'noauth' }];
    const server = this.servers.get(resourceId);
    const { requirement } = conditionsOf(server, handlersOf(declarations), []);
    return [{ type: 'oauth2', scopes: challengeScopes(requirement, [], server.hierarchy) }];
  }

  /** Whether a caller may use an operation as things are, and whether another token of theirs could change that. */
  async outlook(call: AuthorizedCall, operation: Operation): Promise<'allowed' | 'obtainable' | 'denied'> {
    const declarations = this.explorer.declarationsOf(operation, call.resource.id);
    if (declarations.isElsewhere) return 'denied';
    const isOpen = this.options.allowAnonymous && isPublic(declarations);
    if (!call.auth) return isOpen ? 'allowed' : 'obtainable';
    const server = this.servers.get(call.resource.id);
    const conditions = conditionsOf(server, handlersOf(declarations), usesOf([{ operation, declarations }]));
    const needed = isOpen ? withoutScopes(conditions) : conditions;
    try {
      // How the user signed in is none of what lists depend on.
      await this.authorizer.decide(call.auth, { ...needed, authentications: [] }, undefined);
      return 'allowed';
    } catch (error) {
      return error instanceof McpAuthError && error.code === 'access_denied' ? 'denied' : 'obtainable';
    }
  }
}
