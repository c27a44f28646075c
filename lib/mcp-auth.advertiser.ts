import { Inject, Injectable } from '@nestjs/common';
import { challengeScopes, union } from './core/requirement.js';
import { McpAuthExplorer } from './mcp-auth.explorer.js';
import { RESOLVED_OPTIONS } from './mcp-auth.module-definition.js';
import type { ResolvedOptions } from './mcp-auth.options.js';
import type { HandlerPolicy } from './mcp-auth.policy.js';
import { ResourceServers } from './mcp-auth.resource-servers.js';

type SecurityScheme = { type: 'noauth' } | { type: 'oauth2'; scopes: string[] };

/**
 * Tells clients what a tool needs before they call it: in `_meta.securitySchemes` of its entry in the list of tools,
 * where ChatGPT and others look. Written into what the decorator of the MCP framework was given, which is where the
 * framework takes it from. What the application has put there itself stays.
 */
@Injectable()
export class McpAuthAdvertiser {
  constructor(
    @Inject(McpAuthExplorer) private readonly explorer: McpAuthExplorer,
    @Inject(ResourceServers) private readonly servers: ResourceServers,
    @Inject(RESOLVED_OPTIONS) private readonly options: ResolvedOptions,
  ) {}

  advertise(): void {
    for (const { operation, policy } of this.explorer.operations) {
      if (operation.kind !== 'tool') continue;
      const { advertised } = operation;
      const meta = (advertised['_meta'] ?? {}) as Record<string, unknown>;
      if (ours.has(meta) || !('securitySchemes' in meta)) advertised['_meta'] = this.#withSchemes(meta, policy);
    }
  }

  #withSchemes(meta: Record<string, unknown>, policy: HandlerPolicy): Record<string, unknown> {
    const written = { ...meta, securitySchemes: this.#schemesOf(policy) };
    ours.add(written);
    return written;
  }

  #schemesOf({ isPublic, requirement, resourceId }: HandlerPolicy): SecurityScheme[] {
    if (isPublic && this.options.allowAnonymous) return [{ type: 'noauth' }];
    const { baseline, hierarchy } =
      this.servers.all.find(({ resource }) => resource.id === resourceId) ?? this.servers.first;
    return [{ type: 'oauth2', scopes: challengeScopes(union(baseline, requirement), [], hierarchy) }];
  }
}

/** What was written here, for it to be written anew where a class serves in several applications of one process. */
const ours = new WeakSet<object>();
