import type { ServerResponse } from 'node:http';
import { Readable, pipeline } from 'node:stream';

/**
 * How a {@link TestIssuer} fails:
 *
 * - `down`: the connection is closed without an answer
 * - `hang`: the connection stays open without an answer
 * - `{ slow }`: the right answer, this many milliseconds late by the global `setTimeout`, so that fake timers apply
 * - `error`: status 500
 * - `flapping`: every second request to an endpoint is answered with 500, beginning with the second one
 * - `not-found`: status 404
 * - `redirect`: status 302 to a URL on the same server that has the right answer and counts as `canary`
 * - `html`: status 200 and a web page
 * - `invalid-json`: status 200 and JSON cut off in the middle
 * - `huge`: the right answer as valid JSON, with 50 MiB of padding and without `Content-Length`
 * - `wrong-issuer`: metadata that names another issuer; does NOT affect the keys
 *
 * A well-known form that is not served still answers 404, except with the faults that affect every answer (`down`, `hang`,
 * `slow`, `error`, `flapping`).
 */
export type TestFault =
  | 'down'
  | 'hang'
  | {
      /** Milliseconds. */
      readonly slow: number;
    }
  | 'error'
  | 'flapping'
  | 'not-found'
  | 'redirect'
  | 'html'
  | 'invalid-json'
  | 'huge'
  | 'wrong-issuer';

/** One request to a faulty endpoint. */
export interface Exchange {
  readonly response: ServerResponse;
  /** The right answer; `undefined` if there is none. */
  readonly document: object | undefined;
  readonly fault: TestFault | undefined;
  /** Number of this request since the fault began, starting at 1. */
  readonly turn: number;
  /** The target of `redirect`. */
  readonly canaryUrl: string;
  /** Sends the right answer, if that is more than `document` with status 200. */
  readonly sendRight?: (() => void) | undefined;
}

const HUGE_BYTES = 50 * 1024 * 1024;

/** Answers a request as its fault says. */
export function answer(exchange: Exchange): void {
  const { response, fault } = exchange;
  if (typeof fault === 'object') return answerLate(exchange, fault.slow);
  switch (fault) {
    case 'down':
      response.socket?.destroy();
      return;
    case 'hang':
      return;
    case 'error':
      return answerError(response);
    case 'flapping':
      return exchange.turn % 2 === 0 ? answerError(response) : answerDocument(exchange);
    default:
      return answerDocument(exchange);
  }
}

/** Answers with a JSON document, or with 404 if there is none. */
export function answerJson(response: ServerResponse, document: object | undefined): void {
  if (document === undefined) return send(response, 404, 'application/json', '{"error":"not_found"}');
  send(response, 200, 'application/json', JSON.stringify(document));
}

function answerLate(exchange: Exchange, milliseconds: number): void {
  const timer = setTimeout(() => answerDocument({ ...exchange, fault: undefined }), milliseconds);
  exchange.response.once('close', () => clearTimeout(timer));
}

function answerDocument({ response, document, fault, canaryUrl, sendRight }: Exchange): void {
  if (document === undefined) return answerJson(response, undefined);
  switch (fault) {
    case 'not-found':
      return answerJson(response, undefined);
    case 'redirect':
      response.writeHead(302, { location: canaryUrl }).end();
      return;
    case 'html':
      return send(
        response,
        200,
        'text/html; charset=utf-8',
        '<!doctype html><title>Welcome</title><p>Not what you came for.',
      );
    case 'invalid-json':
      return send(response, 200, 'application/json', JSON.stringify(document).slice(0, -1));
    case 'huge':
      return streamPadded(response, document);
    case 'wrong-issuer':
      return answerJson(
        response,
        'issuer' in document ? { ...document, issuer: 'https://wrong-issuer.invalid' } : document,
      );
    default:
      return sendRight ? sendRight() : answerJson(response, document);
  }
}

function answerError(response: ServerResponse): void {
  send(response, 500, 'application/json', '{"error":"server_error"}');
}

function streamPadded(response: ServerResponse, document: object): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  // A client may close the connection before the end, which is not an error here.
  pipeline(Readable.from(paddedJson(document), { objectMode: false }), response, () => undefined);
}

function* paddedJson(document: object): Generator<Buffer> {
  const chunk = Buffer.alloc(64 * 1024, ' ');
  yield Buffer.from('{');
  for (let sent = 0; sent < HUGE_BYTES; sent += chunk.length) yield chunk;
  yield Buffer.from(JSON.stringify(document).slice(1));
}

function send(response: ServerResponse, status: number, contentType: string, body: string): void {
  response.writeHead(status, { 'content-type': contentType, 'content-length': Buffer.byteLength(body) }).end(body);
}
