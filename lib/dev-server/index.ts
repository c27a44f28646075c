/**
 * A development authorization server, with sign-in and consent pages. Protects nothing. Begin at
 * {@link startDevAuthorizationServer}.
 *
 * @module nestjs-mcp-auth/dev-server
 */
export { startDevAuthorizationServer } from './dev-authorization-server.js';
export type { DevAuthorizationServer } from './dev-authorization-server.js';
export type {
  DevAuthorizationServerOptions,
  DevIntrospectionClient,
  DevResource,
  DevUser,
} from './dev-server.options.js';
