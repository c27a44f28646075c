import {
  Module,
  type ClassProvider,
  type DynamicModule,
  type NestModule,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleInit,
  type Provider,
} from '@nestjs/common';
import { APP_FILTER, APP_GUARD, DiscoveryModule, ModuleRef, ModulesContainer } from '@nestjs/core';
import { AccessRequirements } from './authorization/access-requirements.js';
import { Authenticator } from './authorization/authenticator.js';
import { Authorizer } from './authorization/authorizer.js';
import { OperationAccess } from './authorization/operation-access.js';
import { Policies } from './authorization/policies.js';
import { RefusedRequests } from './authorization/refused-requests.js';
import { RequestedResource } from './authorization/requested-resource.js';
import { Clock, SystemClock } from './core/clock.js';
import { CopiesCheck } from './platform/copies-check.js';
import { MODULE_MARK, providersOfOtherCopies, THIS_COPY } from './caller/package-copies.js';
import { DeclaredAccess } from './authorization/declared-access.js';
import { DirectCalls } from './platform/direct-calls.js';
import { EveryHandler } from './platform/every-handler.js';
import { EndpointGuard } from './platform/endpoint-guard.js';
import { GuardReach } from './platform/guard-reach.js';
import { GUARD_START_PROVIDERS, GuardStart } from './platform/guard-start.js';
import { HandlerExplorer } from './handlers/handler-explorer.js';
import { DecisionRecorder } from './observability/decision-recorder.js';
import { EventOwners } from './authorization/event-owners.js';
import { AuthEventEmitter } from './observability/event-emitter.js';
import { FailureLog } from './observability/failure-log.js';
import { ErrorAnswers, McpAuthFilter } from './mcp-auth.filter.js';
import { CallerTracking } from './platform/caller-tracking.js';
import { AccessControl, McpAuthGuard } from './mcp-auth.guard.js';
import { HandlerFilter, HandlerGuard } from './platform/handler-enhancers.js';
import { warnOfUnlisted } from './platform/unlisted-warning.js';
import { HandlerAccess } from './platform/handler-access.js';
import { GuardedRoutes } from './platform/guarded-routes.js';
import { OpenApiSecurity } from './openapi/openapi-security.js';
import { McpAuthHealthIndicator } from './mcp-auth.health.js';
import { checkImports } from './platform/module-imports.js';
import { addInstance, removeInstance } from './caller/module-instances.js';
import { IssuerMonitor } from './observability/issuer-monitor.js';
import { logger } from './observability/logger.js';
import { Listing } from './response/listing.js';
import {
  ConfigurableModuleClass,
  GLOBAL_GUARD,
  MODULE_OPTIONS_TOKEN,
  type ASYNC_OPTIONS_TYPE,
  type McpAuthModuleExtras,
  type OPTIONS_TYPE,
} from './mcp-auth.module-definition.js';
import { UnguardedMounts } from './platform/unguarded-mounts.js';
import { readOptions } from './options/read-options.js';
import { type McpAuthModuleOptions, ResolvedOptions } from './options/options.js';
import { DEFAULT_REFUSAL_LOG_LIMITS, RefusalLog, REFUSAL_LOG_LIMITS } from './observability/refusal-log.js';
import { isAccessPolicy } from './options/policy-option.js';
import { isVerifier } from './options/verifier-option.js';
import { ResourceServers } from './resource-servers/resource-servers.js';
import { ChallengeScopes } from './response/challenge-scopes.js';
import { Responder } from './response/responder.js';
import { ResponseHooks } from './response/response-hooks.js';
import { McpAuthService } from './mcp-auth.service.js';
import { SessionOwners } from './authorization/session-owners.js';
import { OutsideCheck } from './platform/outside-check.js';
import { OutsideHandlers } from './platform/outside-handlers.js';
import { SharedCaches } from './platform/shared-caches.js';
import { StateWatch } from './response/state-watch.js';
import { TaskOwners } from './authorization/task-owners.js';
import { TransportRules } from './authorization/transport-rules.js';
import { findProvider } from './resource-servers/application-providers.js';
import { ProofOfPossession } from './proof/proof-of-possession.js';
import { WellKnownEndpoint } from './well-known.endpoint.js';

THIS_COPY.injectables = { McpAuthGuard, McpAuthService, McpAuthHealthIndicator };

const PROVIDERS: Provider[] = [
  {
    provide: ResolvedOptions,
    useFactory: (modules: ModulesContainer, options?: McpAuthModuleOptions, extras?: McpAuthModuleExtras) => {
      checkImports(modules, MODULE_OPTIONS_TOKEN);
      return readOptions(options as McpAuthModuleOptions, extras?.globalGuard);
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
  CopiesCheck,
  HandlerExplorer,
  RequestedResource,
  AccessRequirements,
  ProofOfPossession,
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
  TaskOwners,
  EventOwners,
  StateWatch,
  TransportRules,
  {
    provide: ChallengeScopes,
    useFactory: (explorer: HandlerExplorer, clock: Clock) => {
      const log = new FailureLog(logger, () => clock.now());
      return new ChallengeScopes(
        (resource) => explorer.supportedScopes(resource),
        (resource, error) => log.challengeScopesFailed(resource, error),
      );
    },
    inject: [HandlerExplorer, Clock],
  },
  Responder,
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
  HandlerAccess,
  DirectCalls,
  EveryHandler,
  CallerTracking,
  McpAuthService,
  McpAuthHealthIndicator,
  WellKnownEndpoint,
  GuardedRoutes,
  SharedCaches,
  OpenApiSecurity,
  { provide: APP_FILTER, useExisting: McpAuthFilter },
];

/**
 * Makes the application an OAuth 2.1 protected resource: metadata for clients, a guard on every route, and the
 * caller for handlers. Import it once, with `forRoot(options)` or `forRootAsync({ useFactory | useClass |
 * useExisting, imports, inject })`; its providers are global. List several protected resources in the option `resources`: an
 * application that imports the module twice does not start.
 *
 * Does NOT issue tokens or manage users: the authorization servers that you trust do that. They need not be reachable when
 * the application starts.
 *
 * @throws {McpAuthConfigError} at start, if options or decorators cannot be used.
 */
@Module({
  imports: [DiscoveryModule],
  providers: PROVIDERS,
  // Nest builds the guard and filter of a decorator in the module of the handler, from the last two.
  // `nestjs-mcp-auth/opentelemetry` injects the emitter: a user of McpAuthService would turn the tracking of callers on.
  exports: [McpAuthGuard, McpAuthService, McpAuthHealthIndicator, AccessControl, ErrorAnswers, AuthEventEmitter],
})
export class McpAuthModule
  extends ConfigurableModuleClass
  implements NestModule, OnModuleInit, OnApplicationBootstrap, OnApplicationShutdown
{
  /** @internal */
  static readonly [MODULE_MARK] = true;

  constructor(
    private readonly options: ResolvedOptions,
    private readonly copies: CopiesCheck,
    private readonly explorer: HandlerExplorer,
    private readonly mounts: UnguardedMounts,
    private readonly guardStart: GuardStart,
    private readonly wellKnown: WellKnownEndpoint,
    private readonly servers: ResourceServers,
    private readonly policies: Policies,
    private readonly directCalls: DirectCalls,
    private readonly tracking: CallerTracking,
    private readonly handlers: HandlerAccess,
    private readonly outside: OutsideCheck,
    private readonly caches: SharedCaches,
    everyHandler: EveryHandler,
  ) {
    super();
    addInstance(options, explorer.classes);
    tracking.prepare(McpAuthService);
    handlers.prepare();
    everyHandler.prepare();
    directCalls.protectClasses();
  }

  /**
   * Configures the module with options that are known when it is loaded.
   *
   * @throws {McpAuthConfigError} at start, not here: `NestFactory.create` or `compile()` rejects with it.
   */
  static override forRoot(options: typeof OPTIONS_TYPE): DynamicModule {
    return withGuard(super.forRoot(options), options);
  }

  /**
   * Configures the module with options from a factory: `useFactory` with `inject` and `imports`; or `useClass` or
   * `useExisting`, whose class has a method `createMcpAuthOptions`. `globalGuard` stands beside these, since Nest needs it
   * before the factory runs.
   *
   * @throws {McpAuthConfigError} at start, not here: `NestFactory.create` or `compile()` rejects with it.
   */
  static override forRootAsync(options: typeof ASYNC_OPTIONS_TYPE): DynamicModule {
    return withGuard(super.forRootAsync(options), options);
  }

  /** Nest calls this after it has instantiated every module, and before it registers the routes of the application. */
  configure(): void {
    this.copies.check();
    this.explorer.check();
    this.outside.check(McpAuthGuard);
    this.caches.check();
    this.directCalls.protect();
    this.mounts.check();
    this.guardStart.prepare(McpAuthGuard);
    for (const warning of this.options.warnings) logger.warn(warning);
    this.wellKnown.mount();
    this.handlers.mount(McpAuthGuard);
    this.tracking.mount();
  }

  /**
   * Nest calls this after it has created all providers, before the application listens. Applications without HTTP need the
   * same checks here, since Nest does not call `configure` there.
   */
  async onModuleInit(): Promise<void> {
    this.explorer.check();
    this.guardStart.settle();
    this.directCalls.protect();
    this.outside.checkCallers(McpAuthGuard);
    await this.servers.ready();
    await this.policies.ready(this.options.authorize, this.explorer.policies);
  }

  /** Nest calls this after it has registered the routes, before the application listens. */
  async onApplicationBootstrap(): Promise<void> {
    await this.guardStart.run();
    warnOfUnlisted(this.explorer.unlisted);
    // In the background: an authorization server that is slow or down must not delay or stop the start.
    if (this.options.checkAuthorizationServers) void this.servers.checkAuthorizationServers();
  }

  /** Nest calls this when the application shuts down. Aborts pending requests to authorization servers. */
  onApplicationShutdown(): void {
    this.servers.close();
    removeInstance(this.options);
  }
}

/** Adds the global guard, if any. A value that is not known stops the start, when the options are read. */
function withGuard(definition: DynamicModule, { globalGuard }: McpAuthModuleExtras): DynamicModule {
  const guards: Provider[] =
    globalGuard === false
      ? []
      : [{ provide: APP_GUARD, useExisting: globalGuard === 'mcp' ? EndpointGuard : McpAuthGuard }];
  const extras: Provider = { provide: GLOBAL_GUARD, useValue: { globalGuard } };
  const foreign = providersOfOtherCopies();
  return {
    ...definition,
    providers: [...(definition.providers ?? []), extras, ...guards, ...foreign],
    exports: [...(definition.exports ?? []), ...foreign.map((provider) => (provider as ClassProvider).provide)],
  };
}
