import { Injectable } from '@nestjs/common';
import type { AuthorizedCall } from '../caller/authorized-call.js';
import { McpAuthError } from '../core/error.js';
import { challengeScopes } from '../core/requirement.js';
import { OperationDeclarations } from '../handlers/operation-declarations.js';
import { allowsAnonymousCalls } from '../options/anonymous-access.js';
import { ResolvedOptions } from '../options/options.js';
import type { ResolvedResource } from '../options/resource-options.js';
import { HANDLER_METHODS, type Operation } from '../request/rpc-body.js';
import { ResourceServers } from '../resource-servers/resource-servers.js';
import { Authorizer } from './authorizer.js';
import {
  conditionsOf,
  handlersOf,
  isPublic,
  policiesOfModule,
  policyChecksOf,
  withoutScopes,
} from './access-conditions.js';

/** How a client may call a tool: without a token, or with a token that has these scopes. */
export type SecurityScheme =
  | { readonly type: 'noauth' }
  | { readonly type: 'oauth2'; readonly scopes: readonly string[] };

/** Decides what lists show of an operation. Does NOT protect it: each call is decided when it comes. */
@Injectable()
export class OperationAccess {
  constructor(
    private readonly servers: ResourceServers,
    private readonly operations: OperationDeclarations,
    private readonly authorizer: Authorizer,
    private readonly options: ResolvedOptions,
  ) {}

  /** What a tool needs, in the form that ChatGPT reads; undefined if nothing is declared. */
  securitySchemes(tool: string, resource: ResolvedResource): SecurityScheme[] | undefined {
    const declarations = this.operations.of(callOf(tool), resource.id);
    const handlers = handlersOf(declarations);
    if (handlers.length === 0) return undefined;
    if (allowsAnonymousCalls(this.options) && isPublic(declarations)) return [{ type: 'noauth' }];
    const server = this.servers.of(resource);
    const { requirement } = conditionsOf(server, handlers, []);
    return [{ type: 'oauth2', scopes: challengeScopes(requirement, [], server.hierarchy) }];
  }

  /** Whether a caller may use an operation with this token, could with another token, or never. */
  async accessTo(call: AuthorizedCall, operation: Operation): Promise<'allowed' | 'obtainable' | 'denied'> {
    const declarations = this.operations.of(operation, call.resource.id);
    if (declarations.isElsewhere) return 'denied';
    const isOpen = allowsAnonymousCalls(this.options) && isPublic(declarations);
    if (!call.auth) return isOpen ? 'allowed' : 'obtainable';
    const server = this.servers.of(call.resource);
    const policyChecks = policyChecksOf([{ operation, declarations }], policiesOfModule(this.options));
    const conditions = conditionsOf(server, handlersOf(declarations), policyChecks);
    const needed = isOpen ? withoutScopes(conditions) : conditions;
    try {
      // Lists do not depend on how the user signed in.
      await this.authorizer.decide(call.auth, { ...needed, authentications: [] }, undefined);
      return 'allowed';
    } catch (error) {
      return error instanceof McpAuthError && error.code === 'access_denied' ? 'denied' : 'obtainable';
    }
  }
}

function callOf(tool: string): Operation {
  return { kind: 'tool', method: HANDLER_METHODS.tool, name: tool, args: undefined, reachesHandler: true };
}
