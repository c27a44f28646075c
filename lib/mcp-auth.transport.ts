import { Inject, Injectable } from '@nestjs/common';
import { McpAuthError } from './core/error.js';
import { fieldValues } from './core/header-fields.js';
import { headersMatchBody, isBatchAllowed } from './core/mcp-request.js';
import { isHostAllowed, isOriginAllowed, originRules, type OriginRules } from './core/origin.js';
import type { Demand } from './mcp-auth.authorizer.js';
import { nodeRequest, targetPath, type HttpRequest } from './mcp-auth.context.js';
import type { McpAuthInfo } from './mcp-auth.info.js';
import { RESOLVED_OPTIONS } from './mcp-auth.module-definition.js';
import type { ResolvedOptions, ResolvedResource } from './mcp-auth.options.js';
import { McpAuthSessions } from './mcp-auth.sessions.js';

/** The rules of the MCP transport on which authorization depends, whatever MCP framework comes after. */
@Injectable()
export class McpAuthTransportRules {
  readonly #rules = new Map<ResolvedResource, OriginRules>();

  constructor(
    @Inject(RESOLVED_OPTIONS) private readonly options: ResolvedOptions,
    @Inject(McpAuthSessions) private readonly sessions: McpAuthSessions,
  ) {
    for (const resource of options.resources) {
      this.#rules.set(resource, originRules(resource.identifier, this.options.allowedOrigins));
    }
  }

  /**
   * Refuses requests that a page of somebody else's had the browser send. Before authentication, and on MCP requests
   * only: what other routes let pages do is up to the application.
   *
   * @throws {McpAuthError} `origin_rejected`
   */
  checkOrigin(request: HttpRequest, { server, body }: Demand): void {
    const rules = this.#rules.get(server.resource);
    if (!rules || !(body.messages.length > 0 || isMcpRequest(request, server.resource))) return;
    const source = nodeRequest(request);
    const origins = fieldValues(source, 'origin');
    const { host } = source.headers;
    const isAllowed = isOriginAllowed(origins, rules) && isHostAllowed(typeof host === 'string' ? host : undefined, rules);
    if (!isAllowed) throw new McpAuthError('origin_rejected', 'origin_not_allowed', { seen: { Origin: origins, Host: host } });
  }

  /**
   * Checks what an authenticated caller sent: that headers and body agree, that a batch may be one, and that a session
   * is theirs.
   *
   * @throws {McpAuthError} `header_mismatch`, `batch_rejected` or `session_not_found`
   */
  checkMessage(request: HttpRequest, { body }: Demand, caller: McpAuthInfo | undefined): void {
    const { headers } = nodeRequest(request);
    if (body.messages.length > 0) {
      if (!headersMatchBody(headers, body)) throw new McpAuthError('header_mismatch', 'headers_contradict_body');
      if (body.isBatch && !isBatchAllowed(headers)) throw new McpAuthError('batch_rejected', 'batch_not_allowed');
    }
    if (body.messages.some(({ isSessionless }) => isSessionless)) {
      forgetSession(request);
      return;
    }
    const session = headers['mcp-session-id'];
    if (session !== undefined) this.sessions.check([session].flat().join(','), caller);
  }
}

/**
 * From 2026-07-28 there are no sessions, and what their headers say must be ignored: by whatever comes after, too, so
 * that no request can claim to have no session here and be given one there.
 */
function forgetSession(request: HttpRequest): void {
  const names = ['mcp-session-id', 'last-event-id'];
  const { headers, rawHeaders } = nodeRequest(request);
  for (const name of names) delete (headers as Record<string, unknown>)[name];
  const kept = (rawHeaders ?? []).filter((_value, index, all) => {
    return !names.includes((all[index - (index % 2)] ?? '').toLowerCase());
  });
  (rawHeaders as string[] | undefined)?.splice(0, Infinity, ...kept);
}

/** Generous: what may be a spelling of the path of the resource counts as one, and so does what only MCP sends. */
function isMcpRequest(request: HttpRequest, { identifier }: ResolvedResource): boolean {
  const { headers } = nodeRequest(request);
  if (headers['mcp-session-id'] !== undefined || headers['mcp-protocol-version'] !== undefined) return true;
  const path = targetPath(request);
  return path === identifier.path || plainPath(path) === plainPath(identifier.path);
}

function decoded(path: string): string {
  if (!path.includes('%')) return path;
  try {
    return decodeURIComponent(path);
  } catch {
    // Not decodable, so no spelling of a path that is.
    return path;
  }
}

function plainPath(path: string): string {
  return decoded(path).toLowerCase().replace(/\/{2,}/g, '/').replace(/^\/|\/$/g, '');
}
