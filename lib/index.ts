export { McpAuthConfigError, McpAuthError, type ConfigProblem, type McpAuthErrorCode, type McpAuthReason } from './core/error.js';
export { mcpAuthConfig } from './mcp-auth.config.js';
export {
  AuthInfo,
  Authorize,
  ProtectedResource,
  Public,
  RequireAnyScope,
  RequireScopes,
} from './mcp-auth.decorators.js';
export { McpAuthGuard } from './mcp-auth.guard.js';
export type { McpAuthInfo } from './mcp-auth.info.js';
export { McpAuthModule } from './mcp-auth.module.js';
export type { McpAuthModuleExtras } from './mcp-auth.module-definition.js';
export type {
  AuthorizationServerOptions,
  CommonOptions,
  McpAuthModuleOptions,
  ProtectedResourceOptions,
  ResourceMetadataOptions,
  ScopeOptions,
} from './mcp-auth.options.js';
export type { Policy, PolicyContext } from './mcp-auth.policy.js';
export { McpAuthService } from './mcp-auth.service.js';
