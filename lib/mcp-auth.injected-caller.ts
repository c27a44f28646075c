import type { ExecutionContext } from '@nestjs/common';
import { callWithInstance } from './mcp-auth.context.js';
import type { McpAuthInfo } from './mcp-auth.info.js';

/** What `@AuthInfo()` injects; by itself for handlers that Nest does not call. */
export function injectedCaller(key: keyof McpAuthInfo | undefined, context: ExecutionContext): unknown {
  const auth = callWithInstance(context)?.call.auth;
  return key === undefined ? auth : auth?.[key];
}
