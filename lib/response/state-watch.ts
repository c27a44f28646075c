import type { ServerResponse } from 'node:http';
import { Injectable } from '@nestjs/common';
import { readRpcBody } from '../request/rpc-body.js';
import { EventStreamReader } from './server-sent-events.js';
import { sessionsInUrl } from '../request/session-parameter.js';
import { taskRequestsIn, tasksCreatedIn, type TaskRequests } from '../request/task-messages.js';
import { AccessRequirements } from '../authorization/access-requirements.js';
import type { AuthorizedCall } from '../caller/authorized-call.js';
import type { HttpRequest } from '../request/http-message.js';
import { decoderOf, type Decode } from './content-coding.js';
import { EventOwners } from '../authorization/event-owners.js';
import { isEventStream, watchBody, type BodyListener } from './response-body.js';
import { SessionOwners } from '../authorization/session-owners.js';
import { isSseRoute } from '../handlers/sse-route.js';
import { TaskOwners } from '../authorization/task-owners.js';

/**
 * Notes to whom belongs what the body of an answer names: tasks that were created, events that were sent, and sessions of
 * the transport HTTP+SSE. What was not noted belongs to nobody, and is refused to everybody.
 *
 * A task is noted where the answer to the very request names it, not where a client is told of it on another stream.
 */
@Injectable()
export class StateWatch {
  constructor(
    private readonly requirements: AccessRequirements,
    private readonly sessions: SessionOwners,
    private readonly tasks: TaskOwners,
    private readonly eventIds: EventOwners,
  ) {}

  /** Looks at the answer to a request that may create tasks, and at every event stream. To be called before it is answered. */
  attach(request: HttpRequest, response: ServerResponse, call: AuthorizedCall): void {
    const requests = this.tasks.areBoundHere ? taskRequestsIn(request.body) : undefined;
    const note = requests && ((answer: unknown) => this.#noteTasks(answer, requests, call));
    watchBody(response, () => {
      if (isEventStream(response)) return this.#streamReader(response, call, note);
      return note && new JsonReader(note, codingOf(response));
    });
  }

  #streamReader(
    response: ServerResponse,
    call: AuthorizedCall,
    message: ((answer: unknown) => void) | undefined,
  ): BodyListener {
    // The ids of events of an `@Sse()` route mean what the application has them mean.
    const hasOwnIds = isSseRoute(call.handler);
    let last: string | undefined;
    // With it the client resumes the stream, however much its owner was sent on others since.
    if (!hasOwnIds) response.once('close', () => last !== undefined && this.eventIds.note(last, call.auth));
    const reader = new EventStreamReader({
      id: (id) => {
        last = id;
        if (!hasOwnIds) this.eventIds.note(id, call.auth);
      },
      event: ({ type, data }) => {
        if (type === 'endpoint') this.#noteEndpoint(data, response, call);
        else if (message) parse(data, message);
      },
    });
    return { piece: (piece) => reader.read(piece), end: () => undefined };
  }

  /**
   * HTTP+SSE (MCP 2024-11-05): the stream names the URL to which its client sends messages, and ends with the session. Where
   * no parameter is called as sessions are, each long value counts as one. A session stays with whom it was opened for.
   */
  #noteEndpoint(url: string, response: ServerResponse, { auth }: AuthorizedCall): void {
    const { named, others } = sessionsInUrl(url);
    const ids = named.length > 0 ? named : others.filter(({ length }) => length >= MIN_SESSION_LENGTH);
    for (const session of ids.filter((id) => !this.sessions.has(id))) {
      this.sessions.open(session, auth);
      response.once('close', () => this.sessions.close(session));
    }
  }

  #noteTasks(answer: unknown, requests: TaskRequests, { auth, resource }: AuthorizedCall): void {
    for (const { taskId, requestId } of tasksCreatedIn(answer)) {
      const messages = requests.get(requestId);
      if (!messages) continue;
      const operations = messages.flatMap((message) => readRpcBody(message).operations);
      this.tasks.note(
        taskId,
        operations.map((operation) => this.requirements.memorable(operation, resource.id)),
        auth,
      );
    }
  }
}

/** In characters: shorter values are too easily guessed, and too often something else, such as the name of a transport. */
const MIN_SESSION_LENGTH = 16;

/** In bytes, as they are sent. A longer answer is not looked at: one that says that a task was created is short. */
const MAX_ANSWER_LENGTH = 262_144;

/**
 * A body that is one JSON text, in a content coding or in none. What middleware of Express compresses comes here as it was
 * before, under the head that it has afterwards. A coding that is not known here is not read.
 */
class JsonReader implements BodyListener {
  #pieces: Uint8Array[] = [];
  #length = 0;

  constructor(
    private readonly message: (answer: unknown) => void,
    private readonly decode: Decode | undefined,
  ) {}

  piece(piece: string | Uint8Array): void {
    const bytes = typeof piece === 'string' ? Buffer.from(piece) : piece;
    this.#length += bytes.length;
    if (this.#length > MAX_ANSWER_LENGTH) this.#pieces = [];
    else this.#pieces.push(bytes);
  }

  end(): void {
    if (this.#length > MAX_ANSWER_LENGTH) return;
    const bytes = Buffer.concat(this.#pieces);
    if (!parse(bytes.toString('utf8'), this.message)) parse(decoded(bytes, this.decode), this.message);
  }
}

/** Undefined where the body has none, or one that is not known here. */
function codingOf(response: ServerResponse): Decode | undefined {
  const coding = response.getHeader('content-encoding');
  return coding === undefined ? undefined : decoderOf(coding);
}

/** Empty where it cannot be had. */
function decoded(bytes: Uint8Array, decode: Decode | undefined): string {
  try {
    return decode?.(bytes).toString('utf8') ?? '';
  } catch {
    return '';
  }
}

/**
 * Most answers create no task: to look for the word is cheaper than to parse them.
 *
 * @returns whether it is a JSON text that has the word.
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
