import { Inject, Injectable } from '@nestjs/common';
import { McpAuthError } from './core/error.js';
import { fieldValues, hasField } from './core/header-fields.js';
import { headersMatchBody, isBatchAllowed } from './core/mcp-request.js';
import { isHostAllowed, isOriginAllowed, originRules, type OriginRules } from './core/origin.js';
import type { Demand } from './mcp-auth.authorizer.js';
import { nodeRequest, targetPath, type HttpRequest } from './mcp-auth.context.js';
import type { McpAuthInfo } from './mcp-auth.info.js';
import { RESOLVED_OPTIONS } from './mcp-auth.module-definition.js';
import type { ResolvedOptions, ResolvedResource } from './mcp-auth.options.js';
import { McpAuthSessions } from './mcp-auth.sessions.js';

/** Where MCP is spoken to a resource, and by whose pages. */
interface Endpoint {
  readonly path: string;
  /** What all spellings of the path have in common. */
  readonly plainPath: string;
  readonly origins: OriginRules;
  /** The `Host` that was accepted last: nearly always that of the next request, and it takes a URL parser to tell. */
  lastHost: string | undefined;
}

/** The rules of the MCP transport on which authorization depends, whatever MCP framework comes after. */
@Injectable()
export class McpAuthTransportRules {
  readonly #endpoints = new Map<ResolvedResource, Endpoint>();

  constructor(
    @Inject(RESOLVED_OPTIONS) private readonly options: ResolvedOptions,
    @Inject(McpAuthSessions) private readonly sessions: McpAuthSessions,
  ) {
    for (const resource of options.resources) {
      const { identifier } = resource;
      const origins = originRules(identifier, this.options.allowedOrigins);
      this.#endpoints.set(resource, { path: identifier.path, plainPath: plainPath(identifier.path), origins, lastHost: undefined });
    }
  }

  /**
   * Refuses requests that a page of somebody else's had the browser send. Before authentication, and on MCP requests
   * only: what other routes let pages do is up to the application.
   *
   * @throws {McpAuthError} `origin_rejected`
   */
  checkOrigin(request: HttpRequest, { server, body }: Demand): void {
    const endpoint = this.#endpoints.get(server.resource);
    if (!endpoint || !(body.messages.length > 0 || isMcpRequest(request, endpoint))) return;
    const source = nodeRequest(request);
    const origins = fieldValues(source, 'origin');
    const { host } = source.headers;
    const isAllowed = isOriginAllowed(origins, endpoint.origins) && isHostOf(endpoint, typeof host === 'string' ? host : undefined);
    if (!isAllowed) throw new McpAuthError('origin_rejected', 'origin_not_allowed', { seen: { Origin: origins, Host: host } });
  }

  /**
   * Checks what an authenticated caller sent: that headers and body agree, that a batch may be one and asks for no
   * more than is read, and that a session is theirs.
   *
   * @throws {McpAuthError} `header_mismatch`, `batch_rejected` or `session_not_found`
   */
  checkMessage(request: HttpRequest, { body }: Demand, caller: McpAuthInfo | undefined): void {
    const source = nodeRequest(request);
    if (body.messages.length > 0) {
      if (!headersMatchBody(source.headers, body)) throw new McpAuthError('header_mismatch', 'headers_contradict_body');
      if (body.isBatch && !isBatchAllowed(source.headers)) throw new McpAuthError('batch_rejected', 'batch_not_allowed');
      if (body.excess) throw new McpAuthError('batch_rejected', `too_many_${body.excess}`);
    }
    // Of what is no message, by the fields as sent: a plain route is spared the rest.
    if (body.messages.length === 0 && !hasField(source, 'mcp-session-id')) return;
    if (body.messages.some(({ isSessionless }) => isSessionless)) {
      forgetSession(request);
      return;
    }
    const session = source.headers['mcp-session-id'];
    if (session !== undefined) this.sessions.check([session].flat().join(','), caller);
  }
}

function isHostOf(endpoint: Endpoint, host: string | undefined): boolean {
  if (host !== undefined && host === endpoint.lastHost) return true;
  if (!isHostAllowed(host, endpoint.origins)) return false;
  endpoint.lastHost = host;
  return true;
}

/** What says to which session a request belongs. */
const SESSION_FIELDS = ['mcp-session-id', 'last-event-id'];

/**
 * From 2026-07-28 there are no sessions, and what their headers say must be ignored: by whatever comes after, too, so
 * that no request can claim to have no session here and be given one there.
 */
function forgetSession(request: HttpRequest): void {
  const { headers, rawHeaders } = nodeRequest(request);
  for (const name of SESSION_FIELDS) delete (headers as Record<string, unknown>)[name];
  const kept = (rawHeaders ?? []).filter((_value, index, all) => {
    return !SESSION_FIELDS.includes((all[index - (index % 2)] ?? '').toLowerCase());
  });
  if (!rawHeaders) return;
  const fields = rawHeaders as string[];
  fields.length = 0;
  for (const field of kept) fields.push(field);
}

/** Generous: what may be a spelling of the path of the resource counts as one, and so does what only MCP sends. */
function isMcpRequest(request: HttpRequest, endpoint: Endpoint): boolean {
  const source = nodeRequest(request);
  if (hasField(source, 'mcp-session-id') || hasField(source, 'mcp-protocol-version')) return true;
  const path = targetPath(request);
  return path === endpoint.path || isSpelling(path, endpoint.plainPath);
}

function isSpelling(path: string, plain: string): boolean {
  // What is no longer than that, but for one slash at either end, has to be looked at; and what can be written shorter.
  const isLonger = path.length > plain.length + 2 && !path.includes('%') && !path.includes('//');
  return !isLonger && plainPath(path) === plain;
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
