import { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { ExecutionContext } from '@nestjs/common';
import { askWith, type StartQuestion } from '../request/start-question.js';
import { StartSocket } from './start-socket.js';

/** The result of a request that the library sends at the start. */
export interface StartAnswer {
  /** Set if the request reached the guard, which answers it. */
  readonly context: ExecutionContext | undefined;
  /** Undefined if there was no answer in time. */
  readonly status: number | undefined;
  /** The beginning of the answer: status line, header fields and body. */
  readonly text: string;
}

/** The used members of the HTTP server of an application. */
export interface RequestEmitter {
  emit(event: 'request', request: IncomingMessage, response: ServerResponse): boolean;
}

/** A request without credentials. */
export interface StartRequest {
  readonly method: 'GET' | 'POST';
  readonly url: URL;
}

/** Timeout of an answer, in milliseconds. */
export const PATIENCE = 3_000;

/** The first message of every client, which servers with sessions answer, too. */
const INITIALIZE = JSON.stringify({
  jsonrpc: '2.0',
  id: 'start',
  method: 'initialize',
  params: {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'nestjs-mcp-auth', version: 'start-check' },
  },
});

/**
 * Sends a request through the server of the application, with all its middleware, without a connection. Never rejects.
 *
 * @returns as soon as the request reaches the guard, or the answer is complete or begins as a success.
 */
export function ask(server: RequestEmitter, { method, url }: StartRequest, instance: object): Promise<StartAnswer> {
  const question: StartQuestion = { instance, context: undefined };
  return new Promise((resolve) => {
    const socket = new StartSocket(url.protocol === 'https:', server);
    const request = requestOf(socket, method, url);
    const response = new ServerResponse(request);
    const settle = (): void => {
      clearTimeout(timer);
      resolve({ context: question.context, status: socket.status, text: socket.answer });
      // Lets code that began a stream notice that the connection is closed.
      setImmediate(() => socket.destroy());
    };
    const timer = setTimeout(settle, PATIENCE);
    // A stream may never end, so its beginning is enough, with everything that is written synchronously.
    socket.onWritten = () => (socket.status ?? 300) < 300 && setImmediate(settle);
    for (const event of ['finish', 'close']) socket.once(event, settle);
    response.once('finish', settle);
    response.once('close', settle);
    // Without a listener, an error would end the process.
    for (const stream of [request, response]) stream.on('error', () => undefined);
    response.assignSocket(socket);
    askWith(request, question);
    try {
      server.emit('request', request, response);
    } catch {
      settle();
    }
  });
}

function requestOf(socket: Socket, method: 'GET' | 'POST', url: URL): IncomingMessage {
  const body = method === 'POST' ? INITIALIZE : '';
  const headers: Record<string, string> = {
    host: url.host,
    'user-agent': 'nestjs-mcp-auth/start-check',
    accept: method === 'POST' ? 'application/json, text/event-stream' : 'text/event-stream',
    'x-forwarded-proto': url.protocol.slice(0, -1),
    ...(body !== '' && { 'content-type': 'application/json', 'content-length': String(body.length) }),
  };
  const request = new IncomingMessage(socket);
  Object.assign(request, {
    method,
    url: url.pathname,
    httpVersion: '1.1',
    httpVersionMajor: 1,
    httpVersionMinor: 1,
    complete: true,
  });
  request.headers = headers;
  request.rawHeaders.push(...Object.entries(headers).flat());
  if (body !== '') request.push(body);
  request.push(null);
  return request;
}
