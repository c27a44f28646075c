import { ConfigurableModuleBuilder, type Provider } from '@nestjs/common';
import { APP_FILTER, ModuleRef, ModulesContainer } from '@nestjs/core';
import { AccessRequirements } from './authorization/access-requirements.js';
import { Authenticator } from './authorization/authenticator.js';
import { Authorizer } from './authorization/authorizer.js';
import { OperationAccess } from './authorization/operation-access.js';
import { Policies } from './authorization/policies.js';
import { RefusedRequests } from './authorization/refused-requests.js';
import { ResourceRoutes } from './authorization/resource-routes.js';
import { RequestedResource } from './authorization/requested-resource.js';
import { BackChannelLogoutEndpoint } from './back-channel-logout.endpoint.js';
import { Clock, SystemClock } from './core/clock.js';
import { CertificateRequest } from './platform/certificate-request.js';
import { CopiesCheck } from './platform/copies-check.js';
import { DeclaredAccess } from './authorization/declared-access.js';
import { DownstreamTokens } from './downstream/downstream-tokens.js';
import { McpAuthDownstream } from './downstream/mcp-auth-downstream.js';
import { DirectCalls } from './platform/direct-calls.js';
import { EveryHandler } from './platform/every-handler.js';
import { EndpointGuard } from './platform/endpoint-guard.js';
import { GuardReach } from './platform/guard-reach.js';
import { GUARD_START_PROVIDERS } from './platform/guard-start.js';
import { HandlerExplorer } from './handlers/handler-explorer.js';
import { OperationDeclarations } from './handlers/operation-declarations.js';
import { DecisionRecorder } from './observability/decision-recorder.js';
import { EventOwners } from './authorization/event-owners.js';
import { AuthEventEmitter } from './observability/event-emitter.js';
import { FailureLog } from './observability/failure-log.js';
import { ErrorAnswers, McpAuthFilter } from './mcp-auth.filter.js';
import { CallerTracking } from './platform/caller-tracking.js';
import { AccessControl, McpAuthGuard } from './mcp-auth.guard.js';
import { HandlerFilter, HandlerGuard } from './platform/handler-enhancers.js';
import { ConnectionEnd } from './platform/connection-end.js';
import { HandlerAccess } from './platform/handler-access.js';
import { OpenApiSecurity } from './openapi/openapi-security.js';
import { McpAuthHealthIndicator } from './mcp-auth.health.js';
import { checkImports } from './platform/module-imports.js';
import { IssuerMonitor } from './observability/issuer-monitor.js';
import { logger } from './observability/logger.js';
import { RevocationMonitor } from './observability/revocation-monitor.js';
import { StoreMonitor } from './observability/store-monitor.js';
import { StoreReports } from './shared-state/store-reports.js';
import { Listing } from './response/listing.js';
import { UnguardedMounts } from './platform/unguarded-mounts.js';
import { readOptions } from './options/read-options.js';
import { downstreamProductOf } from './products/known-products.js';
import { type McpAuthModuleOptions, ResolvedOptions } from './options/options.js';
import { DEFAULT_REFUSAL_LOG_LIMITS, RefusalLog, REFUSAL_LOG_LIMITS } from './observability/refusal-log.js';
import { isAccessPolicy } from './options/policy-option.js';
import { isVerifier } from './options/verifier-option.js';
import { ResourceServers } from './resource-servers/resource-servers.js';
import { ChallengeScopes } from './response/challenge-scopes.js';
import { Responder } from './response/responder.js';
import { RevokedAnswers } from './response/revoked-answers.js';
import { ResponseHooks } from './response/response-hooks.js';
import { McpAuthConsents } from './consent/mcp-auth-consents.js';
import { McpAuthRevocations } from './mcp-auth.revocations.js';
import { McpAuthService } from './mcp-auth.service.js';
import { SessionOwners } from './authorization/session-owners.js';
import { SharedSessions } from './authorization/shared-sessions.js';
import { OutsideCheck } from './platform/outside-check.js';
import { OutsideHandlers } from './platform/outside-handlers.js';
import { SharedCaches } from './platform/shared-caches.js';
import { StateWatch } from './response/state-watch.js';
import { TaskOwners } from './authorization/task-owners.js';
import { TransportRules } from './authorization/transport-rules.js';
import { findProvider } from './resource-servers/application-providers.js';
import { CertificateBinding } from './proof/certificate-binding.js';
import { ProofOfPossession } from './proof/proof-of-possession.js';
import { Revocations } from './revocation/revocations.js';
import { WellKnownEndpoint } from './well-known.endpoint.js';
import type { GlobalGuard } from './options/global-guard-option.js';

/** Settings that Nest needs before any factory runs; see `McpAuthModule.forRoot`. */
export interface McpAuthModuleExtras {
  /**
   * Which routes the guard protects by itself:
   * - `true`: every route of the application;
   * - `'mcp'`: MCP, which is every route of a controller at the path of a resource, and every request of the MCP transport.
   *   Declare a route there `@Public()` if it needs no token;
   * - `false`: none. Bind `McpAuthGuard` to the controller of MCP, or make a guard of your own call it. The application does
   *   not start if a resource answers a request without a token.
   *
   * With each of them, it also protects handlers with a decorator of this library, and with `@UseGuards(McpAuthGuard)`.
   * @default true
   */
  globalGuard?: GlobalGuard;
}

/** The token of the value of `globalGuard` among the providers of the module. */
export const GLOBAL_GUARD = Symbol('globalGuard');

export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN, OPTIONS_TYPE, ASYNC_OPTIONS_TYPE } =
  new ConfigurableModuleBuilder<McpAuthModuleOptions>({ moduleName: 'McpAuth' })
    .setClassMethodName('forRoot')
    .setFactoryMethodName('createMcpAuthOptions')
    .setExtras<McpAuthModuleExtras>({ globalGuard: true }, (definition) => ({ ...definition, global: true }))
    .build();

/** Everything that Nest creates for the module, besides its options and the global guard. */
export const PROVIDERS: Provider[] = [
  {
    provide: ResolvedOptions,
    useFactory: (modules: ModulesContainer, options?: McpAuthModuleOptions, extras?: McpAuthModuleExtras) => {
      checkImports(modules, MODULE_OPTIONS_TOKEN);
      return readOptions(options as McpAuthModuleOptions, extras?.globalGuard, downstreamProductOf);
    },
    inject: [
      ModulesContainer,
      { token: MODULE_OPTIONS_TOKEN, optional: true },
      { token: GLOBAL_GUARD, optional: true },
    ],
  },
  { provide: Clock, useClass: SystemClock },
  AuthEventEmitter,
  { provide: REFUSAL_LOG_LIMITS, useValue: DEFAULT_REFUSAL_LOG_LIMITS },
  RefusalLog,
  DecisionRecorder,
  {
    provide: IssuerMonitor,
    useFactory: (options: ResolvedOptions, events: AuthEventEmitter, clock: Clock) => {
      const now = (): number => clock.now();
      const issuers = options.resources.flatMap(({ authorizationServers }) =>
        authorizationServers.map(({ issuer }) => issuer),
      );
      return new IssuerMonitor(issuers, new FailureLog(logger, now), events, now);
    },
    inject: [ResolvedOptions, AuthEventEmitter, Clock],
  },
  {
    provide: StoreMonitor,
    useFactory: (events: AuthEventEmitter, clock: Clock) => {
      const now = (): number => clock.now();
      return new StoreMonitor(new FailureLog(logger, now), events, now);
    },
    inject: [AuthEventEmitter, Clock],
  },
  { provide: StoreReports, useExisting: StoreMonitor },
  {
    provide: ResourceServers,
    useFactory: (options: ResolvedOptions, clock: Clock, failures: IssuerMonitor, modules: ModuleRef) =>
      new ResourceServers(options, {
        now: () => clock.now(),
        failures,
        findVerifier: (type) =>
          findProvider(modules, type, { option: 'verifier', isUsable: isVerifier, method: 'verify' }),
      }),
    inject: [ResolvedOptions, Clock, IssuerMonitor, ModuleRef],
  },
  {
    provide: Revocations,
    useFactory: (options: ResolvedOptions, events: AuthEventEmitter, clock: Clock) =>
      new Revocations(options, clock, new RevocationMonitor(logger, events, () => clock.now())),
    inject: [ResolvedOptions, AuthEventEmitter, Clock],
  },
  CopiesCheck,
  HandlerExplorer,
  OperationDeclarations,
  ResourceRoutes,
  RequestedResource,
  AccessRequirements,
  ProofOfPossession,
  CertificateBinding,
  DeclaredAccess,
  Authenticator,
  RefusedRequests,
  {
    provide: Policies,
    useFactory: (modules: ModuleRef) =>
      new Policies((type, option) =>
        findProvider(modules, type, { option, isUsable: isAccessPolicy, method: 'decide' }),
      ),
    inject: [ModuleRef],
  },
  Authorizer,
  OperationAccess,
  SessionOwners,
  SharedSessions,
  TaskOwners,
  EventOwners,
  StateWatch,
  TransportRules,
  {
    provide: ChallengeScopes,
    useFactory: (operations: OperationDeclarations, clock: Clock) => {
      const log = new FailureLog(logger, () => clock.now());
      return new ChallengeScopes(
        (resource) => operations.supportedScopes(resource),
        (resource, error) => log.challengeScopesFailed(resource, error),
      );
    },
    inject: [OperationDeclarations, Clock],
  },
  Responder,
  RevokedAnswers,
  ResponseHooks,
  Listing,
  UnguardedMounts,
  {
    provide: GuardReach,
    useFactory: (...dependencies: [ModulesContainer, ModuleRef, TransportRules, ResolvedOptions]) =>
      new GuardReach(McpAuthGuard, ...dependencies),
    inject: [ModulesContainer, ModuleRef, TransportRules, ResolvedOptions],
  },
  ...GUARD_START_PROVIDERS,
  AccessControl,
  McpAuthGuard,
  EndpointGuard,
  ErrorAnswers,
  McpAuthFilter,
  { provide: HandlerGuard, useExisting: McpAuthGuard },
  { provide: HandlerFilter, useExisting: McpAuthFilter },
  OutsideHandlers,
  OutsideCheck,
  ConnectionEnd,
  HandlerAccess,
  DirectCalls,
  EveryHandler,
  CallerTracking,
  DownstreamTokens,
  McpAuthDownstream,
  McpAuthService,
  McpAuthRevocations,
  McpAuthConsents,
  McpAuthHealthIndicator,
  WellKnownEndpoint,
  BackChannelLogoutEndpoint,
  SharedCaches,
  CertificateRequest,
  OpenApiSecurity,
  { provide: APP_FILTER, useExisting: McpAuthFilter },
];
