import { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { ExecutionContext } from '@nestjs/common';
import { nodeRequest, type HttpRequest, type Instance } from '../caller/call-registry.js';
import { StartSocket } from './start-socket.js';

/** A request that the library makes at the start, to learn who answers at the path of a resource. No client can make one. */
export interface StartQuestion {
  /** The instance of the module that asks: the guard of another one answers as to anybody. */
  readonly instance: Instance;
  /** What the guard was asked about; undefined as long as the request has not reached it. */
  context: ExecutionContext | undefined;
}

/** What came of such a request. */
export interface StartAnswer {
  /** Set where the request reached the guard, which answers it and lets it go no further. */
  readonly context: ExecutionContext | undefined;
  /** Undefined where nobody answered in time. */
  readonly status: number | undefined;
  /** The beginning of what was written: status line, header fields and body. */
  readonly text: string;
}

/** What is used of the HTTP server of an application. */
export interface RequestEmitter {
  emit(event: 'request', request: IncomingMessage, response: ServerResponse): boolean;
}

/** A request without credentials. */
export interface StartRequest {
  readonly method: 'GET' | 'POST';
  readonly url: URL;
}

/** On Node's request: the question that is asked with it. */
const QUESTION = Symbol('question');

interface Asking {
  [QUESTION]?: StartQuestion;
}

/** How long an answer is waited for, in milliseconds. */
export const PATIENCE = 3_000;

/** What every client says first, so that a server with sessions answers it, too. */
const INITIALIZE = JSON.stringify({
  jsonrpc: '2.0',
  id: 'start',
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'nestjs-mcp-auth', version: 'start-check' } },
});

/** The question that this instance asks with a request; undefined for every request of a client. */
export function questionOf(request: HttpRequest, instance: Instance): StartQuestion | undefined {
  const question = (nodeRequest(request) as Asking)[QUESTION];
  return question?.instance === instance ? question : undefined;
}

/** Whether any instance asks a question with this request. */
export function isQuestion(request: HttpRequest): boolean {
  return (nodeRequest(request) as Asking)[QUESTION] !== undefined;
}

/**
 * Sends a request through everything that the server of the application has, without a connection. Never rejects.
 *
 * @returns as soon as the guard is reached, or the answer is complete, or has begun as a success.
 */
export function ask(server: RequestEmitter, { method, url }: StartRequest, instance: Instance): Promise<StartAnswer> {
  const question: StartQuestion = { instance, context: undefined };
  return new Promise((resolve) => {
    const socket = new StartSocket(url.protocol === 'https:', server);
    const request = requestOf(socket, method, url);
    const response = new ServerResponse(request);
    const settle = (): void => {
      clearTimeout(timer);
      resolve({ context: question.context, status: socket.status, text: socket.answer });
      // Whoever has begun a stream learns that nobody reads it.
      setImmediate(() => socket.destroy());
    };
    const timer = setTimeout(settle, PATIENCE);
    // A stream may never end. With what is written at once.
    socket.onWritten = () => (socket.status ?? 300) < 300 && setImmediate(settle);
    for (const event of ['finish', 'close']) socket.once(event, settle);
    response.once('finish', settle);
    response.once('close', settle);
    // Without a listener, an error would end the process.
    for (const stream of [request, response]) stream.on('error', () => undefined);
    response.assignSocket(socket);
    (request as Asking)[QUESTION] = question;
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
  Object.assign(request, { method, url: url.pathname, httpVersion: '1.1', httpVersionMajor: 1, httpVersionMinor: 1, complete: true });
  request.headers = headers;
  request.rawHeaders.push(...Object.entries(headers).flat());
  if (body !== '') request.push(body);
  request.push(null);
  return request;
}
