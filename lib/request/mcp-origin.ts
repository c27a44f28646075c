import type { ArgumentsHost } from '@nestjs/common';
import { methodOfClass } from '../core/class-methods.js';

/** How a call came to an MCP framework. */
export interface McpOrigin {
  readonly isStdio: boolean;
}

/** Of the calls that this library makes by itself: by their execution context, or by their RPC context. */
const origins = new WeakMap<object, McpOrigin>();

/** To be called where the context of an MCP call is made. */
export function noteMcpContext(context: object, origin: McpOrigin): void {
  origins.set(context, origin);
}

/**
 * How a call came, if an MCP framework made it. That is known of contexts which this library makes; and of those of
 * `@rekog/mcp-nest` 2 by the methods of their class. Members of its own do not make an object such a context: messages of
 * clients have those too.
 */
export function mcpOriginOf(host: ArgumentsHost): McpOrigin | undefined {
  if (host.getType() !== 'rpc') return undefined;
  const rpcContext: unknown = host.switchToRpc().getContext();
  const noted = origins.get(host);
  if (noted || typeof rpcContext !== 'object' || rpcContext === null) return noted;
  return origins.get(rpcContext) ?? originByClass(rpcContext);
}

function originByClass(rpcContext: object): McpOrigin | undefined {
  const getSession = methodOfClass(rpcContext, 'getSession');
  if (!getSession || !methodOfClass(rpcContext, 'getRawRequest')) return undefined;
  const session = Reflect.apply(getSession, rpcContext, []) as { readonly transport?: unknown } | undefined;
  return { isStdio: session?.transport === 'stdio' };
}
