import { AsyncResource } from 'node:async_hooks';
import type { ServerResponse } from 'node:http';
import type { CallEnd, CallOutcome } from '../core/call-outcome.js';
import { isRecord } from '../core/record.js';
import { requestIdsIn } from '../request/rpc-body.js';
import { JsonBodyReader } from './json-body-reader.js';
import { isEventStream, watchBody, type BodyListener } from './response-body.js';
import { EventStreamReader } from './server-sent-events.js';

/** In characters. A longer event of a stream is not read. */
const MAX_EVENT_LENGTH = 262_144;

/**
 * Calls the function once, when the response has been sent or its connection is closed. Reads the answer only if the body of
 * the request has JSON-RPC requests, and does not change it. Call it before the request is answered.
 *
 * The function runs in the asynchronous context of this call, and before other listeners of the response, which may end the
 * span of the request.
 */
export function watchAnswer(response: ServerResponse, body: unknown, ended: (end: CallEnd) => void): void {
  const answer = new RpcAnswer(requestIdsIn(body));
  if (!answer.isComplete) watchBody(response, () => readerOf(response, answer));
  const endOnce = AsyncResource.bind((isSent: boolean) => {
    response.off('finish', finished);
    response.off('close', closed);
    ended(endOf(response, answer, isSent));
  });
  // With HTTP/2, Node emits `finish` for a connection that was closed, too.
  const finished = (): void => endOnce(response.writableEnded);
  const closed = (): void => endOnce(false);
  // An adapter for a serverless platform may emit only one of them.
  response.prependListener('finish', finished);
  response.prependListener('close', closed);
}

function endOf({ headersSent, statusCode }: ServerResponse, answer: RpcAnswer, isSent: boolean): CallEnd {
  const status = headersSent ? statusCode : undefined;
  return { outcome: outcomeOf(answer, status, isSent), status, errorCode: answer.errorCode };
}

function outcomeOf(answer: RpcAnswer, status: number | undefined, isSent: boolean): CallOutcome {
  // A client may close a stream as soon as it has all responses.
  if (status === undefined || !(isSent || answer.isReadToEnd)) return 'aborted';
  return status >= 400 ? 'http-error' : answer.outcome;
}

function readerOf(response: ServerResponse, answer: RpcAnswer): BodyListener {
  const read = (text: string): boolean => readJson(text, answer);
  if (!isEventStream(response)) return new JsonBodyReader(response, read);
  const events = new EventStreamReader({
    id: () => undefined,
    event: ({ data }) => void (data.length <= MAX_EVENT_LENGTH && read(data)),
  });
  return { piece: (piece) => events.read(piece), end: () => undefined };
}

/** @returns whether the text is JSON */
function readJson(text: string, answer: RpcAnswer): boolean {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return false;
  }
  for (const message of Array.isArray(value) ? (value as unknown[]) : [value]) answer.read(message);
  return true;
}

/** The responses to the JSON-RPC requests of one HTTP request. */
class RpcAnswer {
  /** The ids of the requests that have no response yet. */
  readonly #open: Set<unknown>;
  #hasResponses = false;
  #hasError = false;
  #hasToolError = false;
  /** The code of the first error. */
  errorCode: number | undefined;

  constructor(ids: readonly unknown[]) {
    this.#open = new Set(ids);
  }

  /** Whether each request has its response. */
  get isComplete(): boolean {
    return this.#open.size === 0;
  }

  /** Whether there were requests, and each has its response. */
  get isReadToEnd(): boolean {
    return this.#hasResponses && this.isComplete;
  }

  get outcome(): CallOutcome {
    if (this.#hasError) return 'rpc-error';
    if (this.#hasToolError) return 'tool-error';
    return this.isComplete ? 'ok' : 'unknown';
  }

  /** Reads a message. Ignores messages that are not responses to one of the requests. */
  read(message: unknown): void {
    if (!isRecord(message)) return;
    const { id, result, error } = message;
    if (isRecord(error)) this.#readError(id, error);
    else if (result !== undefined && this.#open.delete(id)) {
      this.#hasResponses = true;
      if (isRecord(result) && result['isError'] === true) this.#hasToolError = true;
    }
  }

  #readError(id: unknown, { code }: Readonly<Record<string, unknown>>): void {
    // An error without an id means that no request could be read (JSON-RPC 2.0 §5).
    if (id === null || id === undefined) this.#open.clear();
    else if (!this.#open.delete(id)) return;
    this.#hasResponses = true;
    this.#hasError = true;
    if (typeof code === 'number' && Number.isInteger(code)) this.errorCode ??= code;
  }
}
