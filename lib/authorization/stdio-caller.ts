import type { ExecutionContext } from '@nestjs/common';
import { mcpOriginOf } from '../request/mcp-origin.js';
import { rememberContext } from '../caller/call-registry.js';
import type { AuthorizedCall } from '../caller/authorized-call.js';
import type { ResolvedOptions } from '../options/options.js';
import type { ResourceServer } from '../resource-servers/resource-servers.js';
import type { Authenticator } from './authenticator.js';

/**
 * The call of a handler that was reached over stdio, where no request carries a token: by the option `stdio` there is
 * none, or whoever started the process is trusted, or a token from its environment is verified, anew for each call, so
 * that it expires as others do. Undefined for every other handler: neither that something came without an HTTP request nor
 * anything that a client sent makes it stdio.
 *
 * @throws {McpAuthError} when the token of the environment is refused.
 * @see MCP, Authorization: stdio transports retrieve credentials from the environment
 */
export async function callOverStdio(
  context: ExecutionContext,
  stdio: ResolvedOptions['stdio'],
  server: ResourceServer,
  authenticator: Authenticator,
): Promise<AuthorizedCall | 'trusted' | undefined> {
  if (stdio === 'deny' || mcpOriginOf(context)?.isStdio !== true) return undefined;
  if (stdio === 'trust') return 'trusted';
  const token = process.env[stdio.tokenEnv];
  if (token === undefined || token === '') return undefined;
  const auth = await authenticator.verify(token, server);
  const call: AuthorizedCall = { auth, resource: server.resource, handler: context.getHandler() };
  const rpcContext: unknown = context.switchToRpc().getContext();
  if (typeof rpcContext === 'object' && rpcContext !== null) rememberContext(rpcContext, call);
  return call;
}
