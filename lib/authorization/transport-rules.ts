import { Injectable } from '@nestjs/common';
import { McpAuthError } from '../core/error.js';
import { acceptsEvents, fieldValues, hasField } from '../request/header-fields.js';
import { headersMatchBody, isBatchAllowed } from '../request/mcp-headers.js';
import { NO_OPERATIONS, readRpcBody, type Operation } from '../request/rpc-body.js';
import { areHostsAllowed, isOriginAllowed, originRules, type OriginRules } from '../request/origin.js';
import { isBodyUnread, mayHoldMessage, type BodySource } from '../request/unread-body.js';
import { sessionsInUrl } from '../request/session-parameter.js';
import type { AccessRequest } from './access-request.js';
import { nodeRequest, targetAuthority, targetPath, type HttpRequest } from '../request/http-message.js';
import { EventOwners } from './event-owners.js';
import type { McpAuthInfo } from '../core/auth-info.js';
import { EVENT_FIELD, forgetSession, hasMcpField, SESSION_FIELD, settleMcpFields } from '../request/mcp-fields.js';
import { ResolvedOptions, type ResolvedResource } from '../options/options.js';
import { SessionOwners } from './session-owners.js';
import { isSseRoute } from '../handlers/sse-route.js';
import { TaskOwners } from './task-owners.js';

/** Where MCP is spoken to a resource, and by whose pages. */
interface Endpoint {
  readonly path: string;
  /** What all spellings of the path have in common. */
  readonly plainPath: string;
  readonly origins: OriginRules;
}

/** The rules of the MCP transport on which authorization depends, whatever MCP framework comes after. */
@Injectable()
export class TransportRules {
  readonly #endpoints = new Map<ResolvedResource, Endpoint>();

  constructor(
    private readonly options: ResolvedOptions,
    private readonly sessions: SessionOwners,
    private readonly tasks: TaskOwners,
    private readonly eventIds: EventOwners,
  ) {
    for (const resource of options.resources) {
      const { identifier } = resource;
      const origins = originRules(identifier, this.options.allowedOrigins);
      this.#endpoints.set(resource, { path: identifier.path, plainPath: plainPath(identifier.path), origins });
    }
  }

  /**
   * Refuses requests that a page of somebody else's had the browser send. Before authentication, and on MCP requests
   * only: what other routes let pages do is up to the application.
   *
   * @throws {McpAuthError} `origin_rejected`
   */
  checkOrigin(request: HttpRequest, { server, body }: AccessRequest): void {
    const endpoint = this.#endpoints.get(server.resource);
    if (!endpoint || !(body.messages.length > 0 || isMcpRequest(request, endpoint))) return;
    const origins = fieldValues(request, 'origin');
    const hostFields = fieldValues(request, 'host');
    const authority = targetAuthority(request);
    // A target in absolute form names the host itself (RFC 9112 §3.2.2); over HTTP/2, `:authority` does.
    const hosts = authority === undefined ? [...hostFields, ...fieldValues(request, ':authority')] : [authority];
    // Two `Host` fields are never right (RFC 9112 §3.2).
    const isHostAllowed = hostFields.length < 2 && areHostsAllowed(hosts, endpoint.origins);
    if (isHostAllowed && isOriginAllowed(origins, endpoint.origins)) return;
    const seen = { Origin: origins, Host: hosts.length > 1 ? hosts : (hosts[0] ?? null) };
    throw new McpAuthError('origin_rejected', 'origin_not_allowed', { seen });
  }

  /**
   * Whether a request is one of the MCP transport: by its path, its header fields, or the messages in its body; with a body
   * that nobody has parsed, by what the transport sends with it.
   */
  isMcpRequest(request: HttpRequest): boolean {
    if (this.#isAtEndpoint(request) || readRpcBody(request.body).messages.length > 0) return true;
    return isBodyUnread(request.body, nodeRequest(request)) && this.#isSentByTransport(request);
  }

  #isAtEndpoint(request: HttpRequest): boolean {
    if (hasMcpField(request)) return true;
    const path = targetPath(request);
    for (const endpoint of this.#endpoints.values()) if (isPathOf(endpoint, path)) return true;
    return false;
  }

  /** Whether a body that nobody has parsed claims to be JSON, and its client accepts event streams or names a session in the query. */
  #isSentByTransport(request: HttpRequest): boolean {
    if (!isJson(request)) return false;
    const { named, known } = this.#sessionsInUrl(request);
    return acceptsEvents(request) || named.length > 0 || known.length > 0;
  }

  /**
   * Checks what an authenticated caller sent: that its body was seen, that headers and body agree, that a batch may be one
   * and asks for no more than is read, and that sessions and events are theirs.
   *
   * @throws {McpAuthError} `body_not_parsed`, `header_mismatch`, `batch_rejected` or `session_not_found`
   */
  checkMessage(request: HttpRequest, { body, handler, caller }: AccessRequest): void {
    const source = nodeRequest(request);
    settleMcpFields(request);
    if (body.messages.length === 0) {
      this.#checkBodyWasRead(request, source);
      return this.#checkState(source, handler, caller);
    }
    if (!headersMatchBody(source.headers, body)) throw new McpAuthError('header_mismatch', 'headers_contradict_body');
    if (body.isBatch && !isBatchAllowed(source.headers)) throw new McpAuthError('batch_rejected', 'batch_not_allowed');
    if (body.excess) throw new McpAuthError('batch_rejected', `too_many_${body.excess}`);
    this.#checkSessionInUrl(source, request.body, caller);
    if (body.messages.some(({ isSessionless }) => isSessionless)) forgetSession(request);
    else this.#checkState(source, handler, caller);
  }

  /**
   * The operations that have created the tasks a message is about. It is for callers who have what every request needs: to
   * others nothing is said of tasks.
   *
   * @throws {McpAuthError} `task_not_found`, also for the tasks of others
   */
  creatorsOf(request: HttpRequest, { body, caller }: AccessRequest): readonly Operation[] {
    return body.messages.length === 0 ? NO_OPERATIONS : this.tasks.operationsOf(request.body, caller);
  }

  /** Most requests have neither field. */
  #checkState(source: HttpRequest, handler: object, caller: McpAuthInfo | undefined): void {
    if (hasField(source, SESSION_FIELD)) this.sessions.check(fieldOf(source, SESSION_FIELD), caller);
    if (!hasField(source, EVENT_FIELD) || isSseRoute(handler)) return;
    this.eventIds.check(fieldOf(source, EVENT_FIELD), caller);
  }

  /**
   * Of the transport HTTP+SSE (MCP 2024-11-05), where the URL of a message says into whose stream the answer is written.
   * What the message says of its protocol version does not matter there.
   */
  #checkSessionInUrl(request: HttpRequest, body: unknown, caller: McpAuthInfo | undefined): void {
    const { named, known } = this.#sessionsInUrl(request);
    for (const session of [...named, ...known]) this.sessions.check(session, caller);
    if (named.length > 0 || known.length > 0) this.tasks.checkListable(body);
  }

  /** Those of a parameter that is called as sessions are, and those that are known, whatever their parameter is called. */
  #sessionsInUrl({ url }: HttpRequest): { readonly named: readonly string[]; readonly known: readonly string[] } {
    const { named, others } = sessionsInUrl(url ?? '');
    return { named, known: others.filter((value) => this.sessions.has(value)) };
  }

  /**
   * Refuses a body that no parser has read, wherever an MCP framework may read it: what it asks for was not judged. Other
   * routes may take such bodies, as for uploads.
   */
  #checkBodyWasRead(request: HttpRequest, source: HttpRequest & BodySource): void {
    if (!isBodyUnread(request.body, source) || !this.#mayBeMcp(request, source)) return;
    const seen = { 'Content-Type': source.headers['content-type'] ?? null, body: kindOf(request.body) };
    throw new McpAuthError('body_not_parsed', 'body_unseen', { seen });
  }

  /**
   * Whether an MCP framework may take the request for its own: at the path of a resource, or with a header field of MCP; or
   * elsewhere, if the body claims to be JSON, and the client accepts event streams, as the transport wants it, or names a
   * session in the query, as HTTP+SSE does. Where the options name operations, JSON is enough: those have no other check.
   */
  #mayBeMcp(request: HttpRequest, source: BodySource): boolean {
    if (this.#isAtEndpoint(request)) return true;
    if (!mayHoldMessage(request.body, source) || !isJson(request)) return false;
    return (
      this.#isSentByTransport(request) ||
      this.options.resources.some(({ operationScopes }) => operationScopes.length > 0)
    );
  }
}

function isJson(request: HttpRequest): boolean {
  return /json/i.test(fieldValues(request, 'content-type').join());
}

/** What the platform shows as the body, for the log: never the body itself. */
function kindOf(body: unknown): string {
  return body instanceof Uint8Array ? 'bytes' : typeof body;
}

/** As the MCP framework sees it, which is what Node makes of a field that was sent several times. */
function fieldOf({ headers }: HttpRequest, name: string): string {
  return [headers[name] ?? ''].flat().join(',');
}

/** Generous: what may be a spelling of the path of the resource counts as one, and so does what only MCP sends. */
function isMcpRequest(request: HttpRequest, endpoint: Endpoint): boolean {
  return hasMcpField(request) || isPathOf(endpoint, targetPath(request));
}

function isPathOf(endpoint: Endpoint, path: string): boolean {
  return path === endpoint.path || plainPath(path) === endpoint.plainPath;
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
  return decoded(path)
    .toLowerCase()
    .replace(/\/{2,}/g, '/')
    .replace(/^\/|\/$/g, '');
}
