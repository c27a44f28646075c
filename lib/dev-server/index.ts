/**
 * A development authorization server, with sign-in and consent pages. It protects nothing. Start with
 * {@link startDevAuthorizationServer}.
 *
 * @module nestjs-mcp-auth/dev-server
 */
export { startDevAuthorizationServer } from './dev-authorization-server.js';
export type { DevAuthorizationServer } from './dev-authorization-server.js';
export type { DevApi, DevClient } from './dev-client.options.js';
export type {
  DevAuthorizationServerOptions,
  DevIntrospectionClient,
  DevResource,
  DevUser,
} from './dev-server.options.js';
