import type { ArgumentsHost } from '@nestjs/common';
import { McpAuthError } from '../core/error.js';
import type { Refusal } from './refusal.js';

/** The answer that Nest gives to an `RpcException` with a text. */
export function messageError({ description }: Refusal): object {
  return { status: 'error', message: description };
}

/** The members that are used of WebSocket clients, in both adapters of Nest. */
interface WebSocketClient {
  /** Only clients of `ws` have it. What such a client emits stays in the process. */
  readonly readyState?: unknown;
  send?(message: string): void;
  emit?(event: string, data: object): void;
}

/** Answers as Nest does for a `WsException` with a text: with the event `exception` and the message that caused it. */
export function sendException(host: ReturnType<ArgumentsHost['switchToWs']>, { description }: Refusal): void {
  const client = host.getClient<WebSocketClient>();
  const cause = { pattern: host.getPattern(), data: host.getData<unknown>() };
  const data = { status: 'error', message: description, cause };
  if (typeof client.readyState === 'number' && client.send) client.send(JSON.stringify({ event: 'exception', data }));
  else client.emit?.('exception', data);
}

/** The error codes that GraphQL servers and clients use, by status. */
const GRAPHQL_CODES: Readonly<Record<Refusal['status'], string>> = {
  // Only MCP tasks are refused with 200. GraphQL has no tasks.
  200: 'NOT_FOUND',
  400: 'BAD_REQUEST',
  401: 'UNAUTHENTICATED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  429: 'TOO_MANY_REQUESTS',
  503: 'SERVICE_UNAVAILABLE',
};

/**
 * The refusal of a handler that is neither an HTTP route nor an MCP operation, with the answer for its client. GraphQL servers
 * copy the message and `extensions`: Apollo sets the headers in `extensions.http`, and leaves that member out; Mercurius reads
 * the status from `statusCode`.
 */
export class HandlerRefusal extends McpAuthError {
  readonly #refusal: Refusal;
  /** Every GraphQL server copies these to the answer. */
  readonly extensions: Readonly<Record<string, unknown>>;
  /** The HTTP status of the refusal. */
  readonly statusCode: number;

  constructor(cause: McpAuthError, refusal: Refusal) {
    super(cause.code, cause.reason, { scopes: cause.scopes, cause });
    const { status, headers, description } = refusal;
    const challenge = headers['WWW-Authenticate'];
    const http = {
      status,
      headers: new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])),
    };
    // GraphQL servers send the message to clients, and in development the stack, too.
    this.message = description;
    this.stack = `${this.name}: ${description}`;
    this.#refusal = refusal;
    this.extensions = {
      code: GRAPHQL_CODES[status],
      error: cause.code,
      ...(challenge !== undefined && { challenge }),
      http,
    };
    this.statusCode = status;
  }

  /** The refusal in an error of this class; undefined for other errors. */
  static refusalOf(error: McpAuthError): Refusal | undefined {
    return #refusal in error ? error.#refusal : undefined;
  }
}
