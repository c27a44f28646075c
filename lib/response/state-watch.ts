import type { ServerResponse } from 'node:http';
import { Injectable } from '@nestjs/common';
import { readRpcBody } from '../request/rpc-body.js';
import { EventStreamReader } from './server-sent-events.js';
import { sessionsInUrl } from '../request/session-parameter.js';
import { taskRequestsIn, tasksCreatedIn, type TaskRequests } from '../request/task-messages.js';
import { AccessRequirements } from '../authorization/access-requirements.js';
import type { AuthorizedCall } from '../caller/authorized-call.js';
import type { HttpRequest } from '../request/http-message.js';
import { EventOwners } from '../authorization/event-owners.js';
import { JsonBodyReader } from './json-body-reader.js';
import { isEventStream, watchBody, type BodyListener } from './response-body.js';
import { SessionOwners } from '../authorization/session-owners.js';
import { isSseRoute } from '../handlers/sse-route.js';
import { TaskOwners } from '../authorization/task-owners.js';

/**
 * Remembers the owner of each id in the body of an answer: created tasks, sent events, and sessions of the transport HTTP+SSE.
 * An id that is not remembered has no owner, and is refused to every caller.
 *
 * A task is remembered if the answer to its own request names it, not if a message on another stream does.
 */
@Injectable()
export class StateWatch {
  constructor(
    private readonly requirements: AccessRequirements,
    private readonly sessions: SessionOwners,
    private readonly tasks: TaskOwners,
    private readonly eventIds: EventOwners,
  ) {}

  /** Reads the answer to a request that may create tasks, and every event stream. Call it before the request is answered. */
  attach(request: HttpRequest, response: ServerResponse, call: AuthorizedCall): void {
    const requests = this.tasks.areBoundHere ? taskRequestsIn(request.body) : undefined;
    const note = requests && ((answer: unknown) => this.#noteTasks(answer, requests, call));
    watchBody(response, () => {
      if (isEventStream(response)) return this.#streamReader(response, call, note);
      return note && new JsonBodyReader(response, (text) => parse(text, note));
    });
  }

  #streamReader(
    response: ServerResponse,
    call: AuthorizedCall,
    message: ((answer: unknown) => void) | undefined,
  ): BodyListener {
    // The application defines the event ids of an `@Sse()` route.
    const hasOwnIds = isSseRoute(call.handler);
    let last: string | undefined;
    // The client resumes the stream after this event, even if its owner has received many events on other streams.
    if (!hasOwnIds) response.once('close', () => last !== undefined && this.eventIds.note(last, call));
    const reader = new EventStreamReader({
      id: (id) => {
        last = id;
        if (!hasOwnIds) this.eventIds.note(id, call);
      },
      event: ({ type, data }) => {
        if (type === 'endpoint') this.#noteEndpoint(data, response, call);
        else if (message) parse(data, message);
      },
    });
    return { piece: (piece) => reader.read(piece), end: () => undefined };
  }

  /**
   * Remembers the session of the transport HTTP+SSE (MCP 2024-11-05): the stream names the URL for the messages of its client,
   * and the session ends with the stream. If no parameter has the name of a session parameter, each long value counts as a
   * session. A known session keeps its owner.
   */
  #noteEndpoint(url: string, response: ServerResponse, call: AuthorizedCall): void {
    const { named, others } = sessionsInUrl(url);
    const ids = named.length > 0 ? named : others.filter(({ length }) => length >= MIN_SESSION_LENGTH);
    for (const session of ids.filter((id) => !this.sessions.has(id))) {
      this.sessions.open(session, call);
      response.once('close', () => this.sessions.close(session));
    }
  }

  #noteTasks(answer: unknown, requests: TaskRequests, call: AuthorizedCall): void {
    for (const { taskId, requestId } of tasksCreatedIn(answer)) {
      const messages = requests.get(requestId);
      if (!messages) continue;
      const operations = messages.flatMap((message) => readRpcBody(message).operations);
      this.tasks.note(
        taskId,
        operations.map((operation) => this.requirements.memorable(operation, call.resource.id)),
        call,
      );
    }
  }
}

/** In characters. Shorter values are easily guessed, and often something else, such as the name of a transport. */
const MIN_SESSION_LENGTH = 16;

/**
 * Parses a JSON text that contains the word `taskId`. Most answers create no task, and a search is cheaper than parsing.
 *
 * @returns whether the text contains the word and is JSON
 */
function parse(json: string, message: (answer: unknown) => void): boolean {
  if (!json.includes('"taskId"')) return false;
  let answer: unknown;
  try {
    answer = JSON.parse(json);
  } catch {
    return false;
  }
  message(answer);
  return true;
}
