import type { ArgumentsHost } from '@nestjs/common';
import { McpAuthError } from '../core/error.js';
import type { Refusal } from './refusal.js';

/** As Nest answers a `RpcException` that was made from a text. */
export function messageError({ description }: Refusal): object {
  return { status: 'error', message: description };
}

/** What is used of the clients of both WebSocket adapters of Nest. */
interface WebSocketClient {
  /** Only those of `ws` have it, and what they emit stays in the process. */
  readonly readyState?: unknown;
  send?(message: string): void;
  emit?(event: string, data: object): void;
}

/** As Nest answers a `WsException` that was made from a text: as the event `exception`, with the message that led to it. */
export function sendException(host: ReturnType<ArgumentsHost['switchToWs']>, { description }: Refusal): void {
  const client = host.getClient<WebSocketClient>();
  const cause = { pattern: host.getPattern(), data: host.getData<unknown>() };
  const data = { status: 'error', message: description, cause };
  if (typeof client.readyState === 'number' && client.send) client.send(JSON.stringify({ event: 'exception', data }));
  else client.emit?.('exception', data);
}

/** Codes that GraphQL servers and their clients know, by status. */
const GRAPHQL_CODES: Readonly<Record<Refusal['status'], string>> = {
  // Only tasks are refused so, and no GraphQL operation is one.
  200: 'NOT_FOUND',
  400: 'BAD_REQUEST',
  401: 'UNAUTHENTICATED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  503: 'SERVICE_UNAVAILABLE',
};

/**
 * A refusal of a handler that is neither an HTTP route nor an MCP operation, with what its client is told. GraphQL takes
 * message and `extensions` from it: Apollo reads the headers in `extensions.http`, and leaves that member out; Mercurius takes
 * the status from `statusCode`.
 */
export class HandlerRefusal extends McpAuthError {
  readonly #refusal: Refusal;
  /** Taken over into the answer by every GraphQL server. */
  readonly extensions: Readonly<Record<string, unknown>>;
  /** The HTTP status that stands for the refusal. */
  readonly statusCode: number;

  constructor(cause: McpAuthError, refusal: Refusal) {
    super(cause.code, cause.reason, { scopes: cause.scopes, cause });
    const { status, headers, description } = refusal;
    const challenge = headers['WWW-Authenticate'];
    const http = {
      status,
      headers: new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])),
    };
    // Clients get the message, and those of a server under development the stack.
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

  /** What the client is told, in any form. */
  static refusalOf(error: McpAuthError): Refusal | undefined {
    return #refusal in error ? error.#refusal : undefined;
  }
}
