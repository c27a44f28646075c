import type { ExecutionContext } from '@nestjs/common';
import { mcpOriginOf } from '../request/mcp-origin.js';
import type { HandlerExplorer } from './handler-explorer.js';

/** What calls a handler of Nest that is no HTTP route. */
export type HandlerKind = 'mcp' | OutsideKind;

/** What calls a handler that is neither an HTTP route nor an MCP operation. `unknown` are libraries that Nest does not know. */
export type OutsideKind = 'graphql' | 'websocket' | 'message' | 'event' | 'unknown';

/** Nest's own key for whether a handler is called for messages or for events, and its value for events. */
const PATTERN_HANDLER_METADATA = 'microservices:handler_type';
const EVENT_HANDLER = 2;

/**
 * What calls a handler that is no HTTP route: by the type that Nest gave the context, and by what the handler declares;
 * never by what a client sent.
 */
export function kindOfHandler(context: ExecutionContext, explorer: HandlerExplorer): HandlerKind {
  switch (context.getType<string>()) {
    case 'rpc': {
      const handler = context.getHandler();
      if (explorer.operationOf(handler) || mcpOriginOf(context)) return 'mcp';
      return Reflect.getMetadata(PATTERN_HANDLER_METADATA, handler) === EVENT_HANDLER ? 'event' : 'message';
    }
    case 'ws':
      return 'websocket';
    case 'graphql':
      return 'graphql';
    default:
      return 'unknown';
  }
}

/** Whether a handler serves an HTTP request: Nest says `http` of handlers that other libraries call, too. */
export function isHttpResponse(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { raw = value } = value as { readonly raw?: object };
  return typeof (raw as { readonly setHeader?: unknown }).setHeader === 'function';
}
