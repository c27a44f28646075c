import type { ArgumentsHost } from '@nestjs/common';
import { methodOfClass } from '../core/class-methods.js';

/** The transport by which a call reached an MCP framework. */
export interface McpOrigin {
  readonly isStdio: boolean;
}

/** The origins of calls that this library dispatches, by execution context or by RPC context. */
const origins = new WeakMap<object, McpOrigin>();

/** Marks a context as that of an MCP call. Call it where the context is created. */
export function noteMcpContext(context: object, origin: McpOrigin): void {
  origins.set(context, origin);
}

/**
 * The origin of a call; undefined if it does not come from an MCP framework. Recognises the contexts that this library
 * creates, and those of `@rekog/mcp-nest` 2 by the methods of their class. Does NOT trust own members of an object: a message
 * from a client can have the same.
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
