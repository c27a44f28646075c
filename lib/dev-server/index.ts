export { startDevAuthorizationServer } from './dev-authorization-server.js';
export type { DevAuthorizationServer } from './dev-authorization-server.js';
export type { DevAuthorizationServerOptions, DevIntrospectionClient, DevResource, DevUser } from './dev-server.options.js';
