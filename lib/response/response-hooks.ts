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
import { RevokedAnswers } from './revoked-answers.js';
import { endStream, isStream } from './stream-answer.js';
import { addWriteHeadHook, headerInHead, type Head, type WriteHeadHook } from './write-head-hook.js';
import { SessionOwners } from '../authorization/session-owners.js';
import { SharedSessions } from '../authorization/shared-sessions.js';
import { holdAnswer } from './held-answer.js';
import { StateWatch } from './state-watch.js';

/**
 * Does what authorization needs when an allowed request is answered: remembers who opened a session, ends streams when their
 * token expires, and turns the error of a handler into the HTTP status that clients act on. Runs when the head of the response
 * is written, by the MCP framework or by any other code.
 */
@Injectable()
export class ResponseHooks {
  constructor(
    private readonly responder: Responder,
    private readonly sessions: SessionOwners,
    private readonly shared: SharedSessions,
    private readonly state: StateWatch,
    private readonly clock: Clock,
    private readonly revoked: RevokedAnswers,
  ) {}

  /** @param call its `handlerError` is read when the answer begins. */
  attach(request: HttpRequest, platformResponse: HttpResponse, access: AccessRequest, call: AuthorizedCall): void {
    const source = nodeRequest(request);
    const response = nodeResponse(platformResponse);
    const concernsSession =
      source.method === 'DELETE' || access.body.messages.some(({ method }) => method === 'initialize');
    // Each property that is added to a response on Express takes microseconds, and most answers are not event streams. Clients
    // that resume event streams accept them in their request. For other clients, the piece written with the head is missed.
    const mayStream = access.body.messages.length > 0 || acceptsEvents(source);
    this.revoked.watch(response, access);
    if (mayStream) this.state.attach(request, response, call);
    const answer = { request, source, response, access, call, concernsSession, mayStream };
    addWriteHeadHook(response, new AnswerHead(this, answer));
    if (concernsSession && this.shared.areOn && source.method !== 'DELETE') this.#shareSession(source, response, call);
  }

  /** Lets all replicas know a new session before its client does. */
  #shareSession(source: HttpRequest, response: ServerResponse, call: AuthorizedCall): void {
    holdAnswer(response, (head) => {
      const opened = headerInHead(response, head, SESSION_FIELD);
      const isNew = typeof opened === 'string' && opened !== source.headers[SESSION_FIELD];
      return isNew ? this.shared.open(opened, call) : undefined;
    });
  }

  /** Gives the answer the status of the refusal. A stream keeps its status: the client finds the challenge in the result. */
  withHandlerError(head: Head, { request, response, access }: AllowedAnswer, error: McpAuthError): Head {
    const [status, ...rest] = head;
    if (status !== 200 || isStream(headerInHead(response, head, 'content-type'))) return head;
    if (this.responder.formFor(request) !== 'http') return head;
    const refusal = this.responder.refusalOf(error, refusedRequestOf(access));
    this.responder.putHeaders(response, refusal);
    return [refusal.status, ...rest];
  }

  /** Notes what the head says: an opened or closed session, or a stream. */
  noteHead({ request, source, response, call, concernsSession, mayStream }: AllowedAnswer): void {
    if (concernsSession) this.#noteSession(source, response, call);
    if (!isStream(response.getHeader('content-type'))) return;
    if (!mayStream) this.state.attach(request, response, call);
    this.#endWithToken(response, call);
  }

  #noteSession({ headers, method }: HttpRequest, response: ServerResponse, call: AuthorizedCall): void {
    const opened = response.getHeader(SESSION_FIELD);
    const asked = headers[SESSION_FIELD];
    if (method === 'DELETE') {
      if (typeof asked === 'string' && response.statusCode < 300) this.#closeSession(asked);
    } else if (typeof opened === 'string' && opened !== asked) {
      this.sessions.open(opened, call);
    }
  }

  #closeSession(sessionId: string): void {
    this.sessions.close(sessionId);
    if (this.shared.areOn) void this.shared.close(sessionId);
  }

  /**
   * Ends a stream at the `exp` of the token: the client must send a new token to go on.
   */
  #endWithToken(response: ServerResponse, { auth }: AuthorizedCall): void {
    if (!auth) return;
    const callOff = this.clock.schedule(auth.expiresAt * 1000, () => endStream(response));
    response.once('close', callOff);
  }
}

/** An allowed request, and its answer. */
interface AllowedAnswer {
  readonly request: HttpRequest;
  readonly source: HttpRequest;
  readonly response: ServerResponse;
  readonly access: AccessRequest;
  readonly call: AuthorizedCall;
  readonly concernsSession: boolean;
  /** Whether the body is watched from its first piece. */
  readonly mayStream: boolean;
}

/**
 * It is a class, since V8 allocates the functions of an object literal as old objects: they would keep their request alive until
 * the next collection of old objects. Each also takes 680 instructions instead of 45 (callgrind, Node 24).
 */
class AnswerHead implements WriteHeadHook {
  constructor(
    private readonly hooks: ResponseHooks,
    private readonly answer: AllowedAnswer,
  ) {}

  before(head: Head): Head {
    const { handlerError } = this.answer.call;
    return handlerError ? this.hooks.withHandlerError(head, this.answer, handlerError) : head;
  }

  after(): void {
    this.hooks.noteHead(this.answer);
  }
}
