/**
 * The module, the decorators, and the caller for handlers. Begin at {@link McpAuthModule},
 * {@link RequireScopes} and {@link AuthInfo}.
 *
 * @module nestjs-mcp-auth
 */
export {
  McpAuthConfigError,
  McpAuthError,
  type ConfigProblem,
  type McpAuthErrorCode,
  type McpAuthReason,
} from './core/error.js';
export { authzen } from './policies/authzen.js';
export type { AuthzenOptions, AuthzenSubject } from './policies/authzen-options.js';
export { formatAccessMap, type AccessMapRow } from './core/access-map.js';
export { McpAuthDownstreamError } from './downstream/downstream-error.js';
export type { DownstreamHeaders, DownstreamRequest } from './downstream/api-headers.js';
export { McpAuthDownstream } from './downstream/mcp-auth-downstream.js';
export { auth0 } from './products/auth0.js';
export { cognito } from './products/cognito.js';
export { descope } from './products/descope.js';
export { entraId } from './products/entra-id.js';
export { google } from './products/google.js';
export { keycloak } from './products/keycloak.js';
export { logto } from './products/logto.js';
export { okta } from './products/okta.js';
export type { IssuerPreset } from './products/preset.js';
export { scalekit } from './products/scalekit.js';
export { stytch } from './products/stytch.js';
export { supabase } from './products/supabase.js';
export { workos } from './products/workos.js';
export { mcpAuthConfig } from './mcp-auth.config.js';
export {
  AuthInfo,
  Authorize,
  DownstreamToken,
  ProtectedResource,
  Public,
  RequireAnyScope,
  RequireAuthentication,
  RequireProof,
  RequireScopes,
} from './mcp-auth.decorators.js';
export type { CallEnd, CallOutcome } from './core/call-outcome.js';
export type {
  AnonymousEvent,
  AuthenticatedEvent,
  CompletedEvent,
  IssuerPart,
  IssuerRecoveredEvent,
  IssuerUnreachableEvent,
  KeysRefreshedEvent,
  McpAuthEvent,
  McpMessageFacts,
  RefusedEvent,
  RevokedEvent,
  SessionRefusedEvent,
  StepUpEvent,
  TokenRequestedEvent,
  StoreRecoveredEvent,
  StoreUnreachableEvent,
  TraceFacts,
} from './observability/event-types.js';
export { McpAuthGuard } from './mcp-auth.guard.js';
export {
  McpAuthHealthIndicator,
  type IssuerHealth,
  type IssuerHealthState,
  type McpAuthHealth,
  type RevocationHealth,
  type StoreHealth,
} from './mcp-auth.health.js';
export type { AuthorizationDetail } from './caller/authorization-details.js';
export { authorizationDetails } from './caller/caller.js';
export type { CallerProof, DpopCallerProof, McpAuthInfo, MutualTlsCallerProof } from './core/auth-info.js';
export type { SessionOwnerStore } from './shared-state/session-owner-store.js';
export type { SessionOptions } from './options/session-options.js';
export type { SharedStoreOption } from './shared-state/store-reports.js';
export type { ResourceVariables } from './core/resource-template.js';
export type { ClientKeyPair } from './issuer/client-certificate.js';
export type { ClientSecret, IntrospectionAuth, IntrospectionOptions } from './options/introspection-options.js';
export { McpAuthModule } from './mcp-auth.module.js';
export type { McpAuthModuleExtras } from './mcp-auth.module-definition.js';
export type { AuthorizationServerOptions } from './options/authorization-server-options.js';
export type { CertificateFormat, CertificateHeaderOptions, MutualTlsOptions } from './options/mutual-tls-options.js';
export type { DpopNonceOptions, DpopOptions } from './options/dpop-options.js';
export type { DownstreamGrant, DownstreamOptions } from './options/downstream-options.js';
export type { SharedCacheOptions } from './options/shared-cache-option.js';
export type { DownstreamTokenStore, KeptDownstreamToken } from './shared-state/downstream-token-store.js';
export type { IdentityProviderOptions, SubjectToken } from './options/identity-provider-options.js';
export type { ReplayStore } from './shared-state/replay-store.js';
export type { RevocationChanges, RevocationStore, StoredRevocation } from './shared-state/revocation-store.js';
export type { ClaimValues } from './options/claim-value-options.js';
export type { CacheOptions } from './options/cache-options.js';
export type { AnonymousAccessOptions } from './options/anonymous-access.js';
export type {
  CredentialCaller,
  CredentialContext,
  CredentialOptions,
  VerifyCredential,
} from './options/credential-options.js';
export type { ChallengeForm, CommonOptions } from './options/common-options.js';
export type { EventArgumentsContext, RedactArguments } from './options/event-arguments-option.js';
export type { ArgumentsOmitted } from './observability/redacted-arguments.js';
export type { McpFramework, McpFrameworkCall, McpFrameworkOperation } from './options/framework-options.js';
export type { McpAuthModuleOptions } from './options/options.js';
export type { ResourceMetadataOptions } from './options/resource-metadata-options.js';
export type { ProtectedResourceOptions } from './options/resource-options.js';
export type { TrustedIssuerOption } from './options/trusted-issuer-option.js';
export type { ResolveTenantOption, TenantSettings, TenantsOptions } from './options/template-options.js';
export type {
  AnnotationScopes,
  ChallengeScopesContext,
  ChallengeScopesOption,
  ListingPolicy,
  ScopeOptions,
} from './options/scope-options.js';
export {
  AccessPolicy,
  type AccessPolicyClass,
  type Policy,
  type PolicyAnswer,
  type PolicyContext,
  type PolicyOption,
} from './options/policy-option.js';
export { deny, type Denial, type DenialDetails } from './core/denial.js';
export { withOpenApiSecurity, type OpenApiSecurityOptions } from './openapi/openapi-security.js';
export {
  McpAuthConsents,
  type ConsentTarget,
  type ConsentUser,
  type FinishedConsent,
  type OpenedConsent,
} from './consent/mcp-auth-consents.js';
export { McpAuthConsentError, type ConsentRefusal } from './consent/consent-error.js';
export { McpAuthConsentRequiredError, type ConsentRequest } from './core/consent-required-error.js';
export type { ConsentOptions } from './options/consent-options.js';
export type { ConsentedTokenStore } from './shared-state/consented-token-store.js';
export { McpAuthRevocations, type RevokeOptions } from './mcp-auth.revocations.js';
export { McpAuthService } from './mcp-auth.service.js';
export type { BackChannelLogoutOptions, LogoutClientIds, RevocationOptions } from './options/revocation-options.js';
export type {
  NamedPrincipal,
  RevocationTarget,
  RevokedClient,
  RevokedPrincipal,
  RevokedSession,
  RevokedToken,
} from './revocation/revocation-target.js';
export type { VerifierOption } from './options/verifier-option.js';
export type { KindOf, PrincipalKind } from './core/principal-kind.js';
export type { ScopesOf } from './core/token-format.js';
export { TokenVerifier, type VerifiedToken } from './core/token-verifier.js';
