import { Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { TransportRules } from '../authorization/transport-rules.js';
import { HandlerExplorer } from '../handlers/handler-explorer.js';
import { logger } from '../observability/logger.js';
import { ResolvedOptions } from '../options/options.js';
import { GuardReach } from './guard-reach.js';
import { OutsideHandlers } from './outside-handlers.js';
import { httpAdapterOf } from './http-adapter.js';
import { NestRoutes, type NestRoute } from './nest-routes.js';

/** Says at the start, in one line, what the guard protects, and how many routes it does not. */
@Injectable()
export class StartSummary {
  constructor(
    private readonly host: HttpAdapterHost,
    private readonly routes: NestRoutes,
    private readonly reach: GuardReach,
    private readonly explorer: HandlerExplorer,
    private readonly others: OutsideHandlers,
    private readonly transport: TransportRules,
    private readonly options: ResolvedOptions,
  ) {}

  /** Logs nothing in an application without HTTP. */
  log(): void {
    if (httpAdapterOf(this.host)) logger.log(`McpAuthGuard guards ${this.#summary()}`);
  }

  #summary(): string {
    const { all } = this.routes;
    const { globalGuard } = this.options;
    if (this.reach.isGlobal) return everyRoute(all.length, all.filter((route) => this.#isPublic(route)).length);
    const open = all.filter((route) => !this.#isGuarded(route)).length;
    const others = `${counted(open, 'route')} of this application ${open === 1 ? 'is' : 'are'} not guarded`;
    return globalGuard === 'mcp'
      ? `${this.#endpoints()} and ${this.#decorated(this.#routesElsewhere)}; ${others} (globalGuard: 'mcp')`
      : `${this.#decorated(all)}; ${others} (globalGuard: ${globalGuard})`;
  }

  #endpoints(): string {
    const { resources } = this.options;
    const urls = resources.map(({ identifier }) => identifier.value).join(', ');
    return `the MCP ${resources.length === 1 ? 'endpoint' : 'endpoints'} ${urls}`;
  }

  /** The routes at other paths than those of the resources. */
  get #routesElsewhere(): readonly NestRoute[] {
    return this.routes.all.filter(({ path }) => !this.transport.isEndpoint(path));
  }

  /** The number of handlers with the guard: of these routes, and of every other kind. */
  #decorated(routes: readonly NestRoute[]): string {
    const guarded = routes.filter((route) => this.#isGuarded(route));
    const routeMethods = new Set(this.routes.all.map(({ method }) => method));
    const others = [...this.explorer.handlers, ...this.others.all].filter(
      (handler) =>
        !routeMethods.has(handler.method) &&
        this.reach.isBoundTo(handler.classRef, handler.method) &&
        !this.#isPublic(handler),
    );
    const names = new Set([...guarded, ...others].map(({ classRef, methodName }) => `${classRef.name}.${methodName}`));
    return counted(names.size, 'decorated handler');
  }

  #isGuarded(route: NestRoute): boolean {
    return !this.#isPublic(route) && this.reach.guardsOf(route).length > 0;
  }

  #isPublic({ classRef, method }: Pick<NestRoute, 'classRef' | 'method'>): boolean {
    return this.explorer.declarationOf(classRef, method).isPublic;
  }
}

function everyRoute(routes: number, open: number): string {
  const all = routes === 1 ? 'the only route' : `all ${routes} routes`;
  return `${all}; ${open === 0 ? 'none' : open} ${open < 2 ? 'is' : 'are'} @Public()`;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
