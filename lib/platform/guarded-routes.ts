import { Injectable, type ExecutionContext, type Type } from '@nestjs/common';
import { ApplicationConfig, DiscoveryService, MetadataScanner, ModulesContainer } from '@nestjs/core';
import { requiresNothing, type AccessConditions } from '../authorization/access-conditions.js';
import { DeclaredAccess } from '../authorization/declared-access.js';
import { TransportRules } from '../authorization/transport-rules.js';
import { THIS_COPY } from '../caller/package-copies.js';
import { HandlerExplorer } from '../handlers/handler-explorer.js';
import { hasRoute } from '../handlers/mcp-frameworks.js';
import { boundTo, GUARDS_METADATA } from '../handlers/nest-metadata.js';
import { ResolvedOptions } from '../options/options.js';
import { GuardCombinations } from './guard-combinations.js';

/** The handler of a route. */
export interface RouteHandler {
  readonly classRef: Type<object>;
  readonly methodName: string;
  readonly method: object;
}

/** Finds the routes of the application, and what each needs that `McpAuthGuard` protects. */
@Injectable()
export class GuardedRoutes {
  #combinations: GuardCombinations | undefined;

  constructor(
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
    private readonly explorer: HandlerExplorer,
    private readonly access: DeclaredAccess,
    private readonly modules: ModulesContainer,
    private readonly application: ApplicationConfig,
    private readonly transport: TransportRules,
    private readonly options: ResolvedOptions,
  ) {}

  /** The handlers of all routes. A class and its subclass may have the same method. */
  get handlers(): RouteHandler[] {
    return this.discovery.getControllers().flatMap(({ metatype }) => {
      if (typeof metatype !== 'function') return [];
      const prototype = (metatype as Type<object>).prototype as Record<string, object>;
      return this.scanner.getAllMethodNames(prototype).flatMap((methodName) => {
        const method = prototype[methodName];
        return method && hasRoute(method) ? [{ classRef: metatype as Type<object>, methodName, method }] : [];
      });
    });
  }

  /** What requests to a route need; undefined for a route that is public, or that the guard leaves alone. */
  conditionsOf(handler: Pick<RouteHandler, 'classRef' | 'method'>, path: string): AccessConditions | undefined {
    if (!this.transport.isEndpoint(path) && !this.isGuarded(handler)) return undefined;
    return this.access.conditionsOfRoute(handler.classRef, handler.method);
  }

  /** Whether the guard protects a route, wherever it is. Does NOT count those at the path of a resource. */
  isGuarded({ classRef, method }: Pick<RouteHandler, 'classRef' | 'method'>): boolean {
    if (this.explorer.declarationOf(classRef, method).isPublic) return false;
    return this.#isGlobal() || this.#isBound(classRef, method);
  }

  /** Whether the endpoint of MCP takes callers without a token, too, because of the option `allowAnonymous`. */
  isOpen({ classRef, method }: Pick<RouteHandler, 'classRef' | 'method'>, path: string): boolean {
    if (!this.options.allowAnonymous || !this.transport.isEndpoint(path)) return false;
    return requiresNothing(this.explorer.declarationOf(classRef, method));
  }

  /** Nest has `APP_GUARD` among the global guards, too. */
  #isGlobal(): boolean {
    return this.application.getGlobalGuards().some((guard) => guard instanceof this.#guardClass);
  }

  /** Whether a decorator binds the guard, or a guard of the application that asks it. */
  #isBound(classRef: object, method: object): boolean {
    if (boundTo(classRef, method, GUARDS_METADATA).includes(this.#guardClass)) return true;
    this.#combinations ??= new GuardCombinations(this.modules, this.#guardClass);
    const handler = { getClass: () => classRef, getHandler: () => method };
    return this.#combinations.isCombined(handler as Pick<ExecutionContext, 'getClass' | 'getHandler'>);
  }

  /** The class itself: a test may have overridden the provider with another object. */
  get #guardClass(): Type {
    return THIS_COPY.injectables['McpAuthGuard'] as Type;
  }
}
