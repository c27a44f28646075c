export { startDevAuthorizationServer } from './dev-authorization-server.js';
export type { DevAuthorizationServer } from './dev-authorization-server.js';
export type { DevAuthorizationServerOptions, DevResource, DevUser } from './dev-server.options.js';
