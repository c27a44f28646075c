import type { ExecutionContext } from '@nestjs/common';
import { mcpOriginOf } from '../request/mcp-origin.js';
import type { HandlerExplorer } from './handler-explorer.js';
import { PATTERN_HANDLER_METADATA } from './nest-metadata.js';

/** What calls a handler of Nest other than an HTTP route. */
export type HandlerKind = 'mcp' | OutsideKind;

/** What calls a handler that is neither an HTTP route nor an MCP operation. `unknown` is any other library. */
export type OutsideKind = 'graphql' | 'websocket' | 'message' | 'event' | 'unknown';

/** The value of Nest's key for handlers that receive events. */
const EVENT_HANDLER = 2;

/**
 * What calls a handler other than an HTTP route: by the context type that Nest set, and by the metadata of the handler; never
 * by what a client sent.
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

/** Whether a value is an HTTP response. Nest uses the context type `http` for handlers that other libraries call, too. */
export function isHttpResponse(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { raw = value } = value as { readonly raw?: object };
  return typeof (raw as { readonly setHeader?: unknown }).setHeader === 'function';
}
