import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { text as textOf } from 'node:stream/consumers';
import { LoopbackServer } from '../support/loopback-server.js';

/** One request to a decision point. */
export interface Evaluated {
  readonly method: string | undefined;
  readonly path: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly body: Record<string, unknown>;
}

/** A decision point of AuthZEN whose answers a test writes. */
export interface DecisionPoint {
  /** The URL of its evaluation endpoint. */
  readonly url: string;
  readonly asked: Evaluated[];
  /** Writes the answer; the default answers `{ "decision": true }`. */
  answer: (response: ServerResponse, request: Evaluated) => void;
  close(): Promise<void>;
}

/** An answer with this text. */
export function answering(
  text: string | Buffer,
  status = 200,
  headers: Record<string, string> = {},
): DecisionPoint['answer'] {
  return (response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(text);
  };
}

export const PERMIT = answering('{"decision":true}');

export async function startDecisionPoint(): Promise<DecisionPoint> {
  const asked: Evaluated[] = [];
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const text = await textOf(request);
    const { method, url: path, headers } = request;
    const evaluated = { method, path, headers, text, body: JSON.parse(text) as Record<string, unknown> };
    asked.push(evaluated);
    point.answer(response, evaluated);
  };
  const server = await LoopbackServer.start((request, response) => void handle(request, response));
  const point: DecisionPoint = {
    url: `${server.origin}/access/v1/evaluation`,
    asked,
    answer: PERMIT,
    close: () => server.close(),
  };
  return point;
}
