import { Inject, Injectable } from '@nestjs/common';
import { currentCall } from './mcp-auth.context.js';
import { authInfoOf, type McpAuthInfo } from './mcp-auth.info.js';
import { ResourceServers } from './mcp-auth.resource-servers.js';

/** The caller, wherever there is no parameter to inject it into; and verification for transports of your own. */
@Injectable()
export class McpAuthService {
  constructor(@Inject(ResourceServers) private readonly servers: ResourceServers) {}

  /**
   * The caller of the request under way, from anywhere below its handler, asynchronous parts included. Undefined on
   * public routes and outside of requests.
   */
  get authInfo(): McpAuthInfo | undefined {
    return currentCall()?.auth;
  }

  /**
   * Verifies an access token as the guard does. Does NOT check scopes.
   *
   * @param resourceId which resource it must be for; may be left out where there is only one.
   * @throws {McpAuthError} `invalid_token` or `temporarily_unavailable`.
   */
  async verify(token: string, resourceId?: string): Promise<McpAuthInfo> {
    const { verifier, resource } = this.servers.get(resourceId);
    return authInfoOf(token, await verifier.verify(token), resource.identifier.identifier);
  }
}
