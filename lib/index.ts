/**
 * The module, the decorators, and what handlers get of their caller. Begin at {@link McpAuthModule},
 * {@link RequireScopes} and {@link AuthInfo}.
 *
 * @module nestjs-mcp-auth
 */
export { McpAuthConfigError, McpAuthError, type ConfigProblem, type McpAuthErrorCode, type McpAuthReason } from './core/error.js';
export { auth0 } from './issuer/presets/auth0.js';
export { cognito } from './issuer/presets/cognito.js';
export { descope } from './issuer/presets/descope.js';
export { entraId } from './issuer/presets/entra-id.js';
export { google } from './issuer/presets/google.js';
export { keycloak } from './issuer/presets/keycloak.js';
export { logto } from './issuer/presets/logto.js';
export { okta } from './issuer/presets/okta.js';
export type { IssuerPreset } from './issuer/presets/preset.js';
export { scalekit } from './issuer/presets/scalekit.js';
export { stytch } from './issuer/presets/stytch.js';
export { supabase } from './issuer/presets/supabase.js';
export { workos } from './issuer/presets/workos.js';
export { mcpAuthConfig } from './mcp-auth.config.js';
export {
  AuthInfo,
  Authorize,
  ProtectedResource,
  Public,
  RequireAnyScope,
  RequireAuthentication,
  RequireScopes,
} from './mcp-auth.decorators.js';
export type {
  AnonymousEvent,
  AuthenticatedEvent,
  IssuerPart,
  IssuerRecoveredEvent,
  IssuerUnreachableEvent,
  KeysRefreshedEvent,
  McpAuthEvent,
  RefusedEvent,
  SessionRefusedEvent,
  StepUpEvent,
} from './mcp-auth.event.js';
export { McpAuthGuard } from './mcp-auth.guard.js';
export { McpAuthHealthIndicator, type IssuerHealth, type IssuerHealthState, type McpAuthHealth } from './mcp-auth.health.js';
export type { AuthorizationDetail } from './core/authorization-details.js';
export { authorizationDetails, type McpAuthInfo } from './mcp-auth.info.js';
export type { IntrospectionAuth, IntrospectionOptions } from './mcp-auth.introspection-options.js';
export { McpAuthModule } from './mcp-auth.module.js';
export type { McpAuthModuleExtras } from './mcp-auth.module-definition.js';
export type {
  AuthorizationServerOptions,
  CacheOptions,
  ChallengeForm,
  CommonOptions,
  ListingPolicy,
  McpAuthModuleOptions,
  ProtectedResourceOptions,
  ResourceMetadataOptions,
  ScopeOptions,
  TrustedIssuerOption,
} from './mcp-auth.options.js';
export type { Policy, PolicyContext } from './mcp-auth.policy.js';
export { McpAuthService } from './mcp-auth.service.js';
export type { VerifierOption } from './mcp-auth.verifier-option.js';
export type { KindOf, PrincipalKind } from './token/principal-kind.js';
export { TokenVerifier, type VerifiedToken } from './token/verifier.js';
