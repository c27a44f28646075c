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
import { APP_GUARD, DiscoveryModule } from '@nestjs/core';
import { BackChannelLogoutEndpoint } from './back-channel-logout.endpoint.js';
import { Policies } from './authorization/policies.js';
import { CertificateRequest } from './platform/certificate-request.js';
import { CopiesCheck } from './platform/copies-check.js';
import { MODULE_MARK, providersOfOtherCopies, THIS_COPY } from './caller/package-copies.js';
import { McpAuthDownstream } from './downstream/mcp-auth-downstream.js';
import { DirectCalls } from './platform/direct-calls.js';
import { EveryHandler } from './platform/every-handler.js';
import { EndpointGuard } from './platform/endpoint-guard.js';
import { GuardStart } from './platform/guard-start.js';
import { HandlerExplorer } from './handlers/handler-explorer.js';
import { AuthEventEmitter } from './observability/event-emitter.js';
import { ErrorAnswers } from './mcp-auth.filter.js';
import { CallerTracking } from './platform/caller-tracking.js';
import { AccessControl, McpAuthGuard } from './mcp-auth.guard.js';
import { warnOfUnlisted } from './platform/unlisted-warning.js';
import { HandlerAccess } from './platform/handler-access.js';
import { McpAuthHealthIndicator } from './mcp-auth.health.js';
import { addInstance, removeInstance } from './caller/module-instances.js';
import { logger } from './observability/logger.js';
import {
  ConfigurableModuleClass,
  GLOBAL_GUARD,
  type ASYNC_OPTIONS_TYPE,
  type McpAuthModuleExtras,
  type OPTIONS_TYPE,
  PROVIDERS,
} from './mcp-auth.module-definition.js';
import { ProofOfPossession } from './proof/proof-of-possession.js';
import { UnguardedMounts } from './platform/unguarded-mounts.js';
import { ResolvedOptions } from './options/options.js';
import { ResourceServers } from './resource-servers/resource-servers.js';
import { McpAuthConsents } from './consent/mcp-auth-consents.js';
import { McpAuthRevocations } from './mcp-auth.revocations.js';
import { McpAuthService } from './mcp-auth.service.js';
import { Revocations } from './revocation/revocations.js';
import { OutsideCheck } from './platform/outside-check.js';
import { SharedCaches } from './platform/shared-caches.js';
import { WellKnownEndpoint } from './well-known.endpoint.js';

THIS_COPY.injectables = {
  McpAuthDownstream,
  McpAuthGuard,
  McpAuthService,
  McpAuthRevocations,
  McpAuthConsents,
  McpAuthHealthIndicator,
};

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
  // Nest builds the guard and filter of a decorator in the module of the handler, from AccessControl and ErrorAnswers.
  // `nestjs-mcp-auth/opentelemetry` injects AuthEventEmitter, since injecting McpAuthService would turn caller tracking on.
  exports: [
    McpAuthGuard,
    McpAuthService,
    McpAuthRevocations,
    McpAuthDownstream,
    McpAuthConsents,
    McpAuthHealthIndicator,
    AccessControl,
    ErrorAnswers,
    AuthEventEmitter,
  ],
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
    private readonly logout: BackChannelLogoutEndpoint,
    private readonly servers: ResourceServers,
    private readonly policies: Policies,
    private readonly directCalls: DirectCalls,
    private readonly tracking: CallerTracking,
    private readonly handlers: HandlerAccess,
    private readonly outside: OutsideCheck,
    private readonly caches: SharedCaches,
    private readonly revocations: Revocations,
    private readonly proofs: ProofOfPossession,
    private readonly certificates: CertificateRequest,
    private readonly consents: McpAuthConsents,
    everyHandler: EveryHandler,
  ) {
    super();
    addInstance(options, explorer.classes);
    tracking.prepare([McpAuthService, McpAuthDownstream]);
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
    this.certificates.check();
    this.wellKnown.mount();
    this.logout.mount();
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
    await this.revocations.start();
    await this.policies.ready(this.options.authorize, this.explorer.policies);
  }

  /** Nest calls this after it has registered the routes, before the application listens. */
  async onApplicationBootstrap(): Promise<void> {
    await this.guardStart.run();
    warnOfUnlisted(this.explorer.unlisted);
    // In the background: an authorization server that is slow or down must not delay or stop the start.
    void this.proofs.checkStores();
    void this.consents.checkStore();
    void this.logout.checkStore();
    if (this.options.checkAuthorizationServers) void this.servers.checkAuthorizationServers();
  }

  /** Nest calls this when the application shuts down. Aborts pending requests to authorization servers. */
  onApplicationShutdown(): void {
    this.servers.close();
    this.revocations.close();
    removeInstance(this.options);
  }
}

/** Adds the global guard, if any. `readOptions` refuses an unknown value. */
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
