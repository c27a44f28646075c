import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { Inject, Injectable } from '@nestjs/common';
import { hasField } from './core/header-fields.js';
import { McpAuthAuthorizer, type Demand } from './mcp-auth.authorizer.js';
import { Clock } from './mcp-auth.clock.js';
import { nodeRequest, type AuthorizedCall, type HttpRequest } from './mcp-auth.context.js';
import { McpAuthResponder, type HttpResponse } from './mcp-auth.responder.js';
import { McpAuthSessions } from './mcp-auth.sessions.js';

const SESSION_HEADER = 'mcp-session-id';

/**
 * Sees to what authorization still has to do once the MCP framework answers a request that was let through: to
 * remember who opened a session, to end streams with the token that opened them, and to turn an error that a handler
 * raised into the HTTP status on which clients act. It does so when the head of the response is written, by whomever.
 */
@Injectable()
export class McpAuthResponseWatch {
  constructor(
    @Inject(McpAuthAuthorizer) private readonly authorizer: McpAuthAuthorizer,
    @Inject(McpAuthResponder) private readonly responder: McpAuthResponder,
    @Inject(McpAuthSessions) private readonly sessions: McpAuthSessions,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /** @param call whose `raised` is read when the answer begins. */
  follow(request: HttpRequest, platformResponse: HttpResponse, demand: Demand, call: AuthorizedCall): void {
    if (demand.body.messages.length === 0 && !hasField(nodeRequest(request), SESSION_HEADER)) return;
    const response = platformResponse.raw ?? platformResponse;
    const writeHead = response.writeHead.bind(response) as (...head: Head) => ServerResponse;
    const watched = (...head: Head): ServerResponse => {
      const result = writeHead(...this.#withRaisedError(head, request, response, demand, call));
      this.#noteSession(request, response, demand, call);
      if (isEventStream(response, head.at(-1))) this.#endWithToken(response, call);
      return result;
    };
    response.writeHead = watched as ServerResponse['writeHead'];
  }

  /** An answer that has begun as a stream keeps its status: the client finds the challenge in the result. */
  #withRaisedError(
    head: Head,
    request: HttpRequest,
    response: ServerResponse,
    demand: Demand,
    { raised }: AuthorizedCall,
  ): Head {
    const [status, ...rest] = head;
    if (!raised || status !== 200 || isEventStream(response, rest.at(-1))) return head;
    if (this.responder.formFor(request) !== 'http') return head;
    const refusal = this.responder.refusalOf(raised, this.authorizer.factsOf(demand));
    this.responder.putHeaders(response, refusal);
    return [refusal.status, ...rest];
  }

  #noteSession(request: HttpRequest, response: ServerResponse, { body }: Demand, { auth }: AuthorizedCall): void {
    const { headers, method } = nodeRequest(request);
    const opened = response.getHeader(SESSION_HEADER);
    const asked = headers[SESSION_HEADER];
    if (typeof opened === 'string' && opened !== asked && body.messages.some((message) => message.method === 'initialize')) {
      this.sessions.open(opened, auth);
    } else if (method === 'DELETE' && typeof asked === 'string' && response.statusCode < 300) {
      this.sessions.close(asked);
    }
  }

  /**
   * At the `exp` of the token the stream ends: whoever reads it has to show that they still may. What the MCP framework
   * writes until it has noticed goes nowhere.
   */
  #endWithToken(response: ServerResponse, { auth }: AuthorizedCall): void {
    if (!auth) return;
    const callOff = this.clock.schedule(auth.expiresAt * 1000, () => {
      response.end();
      response.write = () => true;
      response.end = () => response;
    });
    response.once('close', callOff);
  }
}

/** The arguments of `writeHead`: status, perhaps a reason, perhaps headers. */
type Head = [status: number, ...rest: unknown[]];

function isEventStream(response: ServerResponse, headers?: unknown): boolean {
  const given = typeof headers === 'object' && headers !== null ? (headers as OutgoingHttpHeaders) : {};
  const type = Object.entries(given).find(([name]) => name.toLowerCase() === 'content-type')?.[1];
  return String(type ?? response.getHeader('content-type') ?? '').startsWith('text/event-stream');
}
