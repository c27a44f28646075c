import type { ExecutionContext } from '@nestjs/common';
import { mcpOriginOf } from '../request/mcp-origin.js';
import { rememberContext } from '../caller/call-registry.js';
import type { AuthorizedCall } from '../caller/authorized-call.js';
import type { ResolvedOptions } from '../options/options.js';
import type { ResourceServer } from '../resource-servers/resource-servers.js';
import type { Authenticator } from './authenticator.js';

/**
 * The call of a handler that was reached over stdio, where requests carry no token. The option `stdio` decides: the call is
 * refused, or the user who started the process is trusted, or a token from the environment is verified for each call, so
 * that it expires like any other. Undefined for every other handler: a missing HTTP request does not make a call stdio, and
 * nothing that a client sends does.
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
