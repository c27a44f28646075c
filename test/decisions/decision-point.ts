import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

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
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString();
      const { method, url: path, headers } = request;
      const evaluated = { method, path, headers, text, body: JSON.parse(text) as Record<string, unknown> };
      asked.push(evaluated);
      point.answer(response, evaluated);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = (): Promise<void> => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(() => resolve()));
  };
  const point: DecisionPoint = {
    url: `http://127.0.0.1:${port}/access/v1/evaluation`,
    asked,
    answer: PERMIT,
    close,
  };
  return point;
}
