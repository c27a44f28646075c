import type { ServerResponse } from 'node:http';
import { Injectable } from '@nestjs/common';
import type { McpAuthError } from '../core/error.js';
import { acceptsEvents } from '../request/header-fields.js';
import type { AccessRequest } from '../authorization/access-request.js';
import { refusedRequestOf } from '../authorization/refused-requests.js';
import { Clock } from '../core/clock.js';
import { nodeRequest, nodeResponse, type HttpRequest, type HttpResponse } from '../request/http-message.js';
import { SESSION_FIELD } from '../request/mcp-fields.js';
import type { AuthorizedCall } from '../caller/authorized-call.js';
import { Responder } from './responder.js';
import { mediaTypeOf } from '../core/media-type.js';
import { headerInHead, addWriteHeadHook, type Head } from './write-head-hook.js';
import { SessionOwners } from '../authorization/session-owners.js';
import { StateWatch } from './state-watch.js';

/**
 * Sees to what authorization still has to do once the MCP framework answers a request that was let through: to
 * remember who opened a session, to end streams with the token that opened them, and to turn an error that a handler
 * raised into the HTTP status on which clients act. It does so when the head of the response is written, by whomever.
 */
@Injectable()
export class ResponseHooks {
  constructor(
    private readonly responder: Responder,
    private readonly sessions: SessionOwners,
    private readonly state: StateWatch,
    private readonly clock: Clock,
  ) {}

  /** @param call whose `handlerError` is read when the answer begins. */
  attach(request: HttpRequest, platformResponse: HttpResponse, access: AccessRequest, call: AuthorizedCall): void {
    const source = nodeRequest(request);
    const response = nodeResponse(platformResponse);
    const concernsSession =
      source.method === 'DELETE' || access.body.messages.some(({ method }) => method === 'initialize');
    // Each property that is added to a response of Express takes microseconds: most answers on other routes are no streams.
    // Clients that resume event streams say that they accept them. For others, what is written with the head is not seen.
    const mayStream = access.body.messages.length > 0 || acceptsEvents(source);
    if (mayStream) this.state.attach(request, response, call);
    addWriteHeadHook(response, {
      before: (head) =>
        call.handlerError ? this.#withRaisedError(head, request, response, access, call.handlerError) : head,
      after: () => {
        if (concernsSession) this.#noteSession(source, response, call);
        if (!isStream(response.getHeader('content-type'))) return;
        if (!mayStream) this.state.attach(request, response, call);
        this.#endWithToken(response, call);
      },
    });
  }

  /** An answer that has begun as a stream keeps its status: the client finds the challenge in the result. */
  #withRaisedError(
    head: Head,
    request: HttpRequest,
    response: ServerResponse,
    access: AccessRequest,
    raised: McpAuthError,
  ): Head {
    const [status, ...rest] = head;
    if (status !== 200 || isStream(headerInHead(response, head, 'content-type'))) return head;
    if (this.responder.formFor(request) !== 'http') return head;
    const refusal = this.responder.refusalOf(raised, refusedRequestOf(access));
    this.responder.putHeaders(response, refusal);
    return [refusal.status, ...rest];
  }

  #noteSession({ headers, method }: HttpRequest, response: ServerResponse, { auth }: AuthorizedCall): void {
    const opened = response.getHeader(SESSION_FIELD);
    const asked = headers[SESSION_FIELD];
    if (method === 'DELETE') {
      if (typeof asked === 'string' && response.statusCode < 300) this.sessions.close(asked);
    } else if (typeof opened === 'string' && opened !== asked) {
      this.sessions.open(opened, auth);
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

/**
 * Media types of answers that go on for as long as there are messages. Any other answer is one thing, of a size that was
 * settled when it began, such as a file: it may take longer than its token lives.
 */
const STREAM_TYPES: ReadonlySet<string> = new Set([
  'text/event-stream',
  'application/x-ndjson',
  'application/ndjson',
  'application/jsonl',
  'application/json-seq',
  'application/stream+json',
  'multipart/x-mixed-replace',
]);

function isStream(contentType: unknown): boolean {
  return STREAM_TYPES.has(mediaTypeOf(contentType));
}
