import { Injectable, type CanActivate, type ExecutionContext, type Type } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import type { MaybePromise } from '../core/maybe-promise.js';
import type { HttpRequest } from '../request/http-message.js';
import { GuardCombinations } from './guard-combinations.js';
import { HandlerGuard } from './handler-enhancers.js';
import { ResourceRoutes } from '../authorization/resource-routes.js';
import { TransportRules } from '../authorization/transport-rules.js';

/**
 * Global in place of `McpAuthGuard` if the option `globalGuard` is 'mcp': protects what a controller serves at the
 * path of a resource, and whatever gets a request of the MCP transport. Leaves every other route alone, and all that is no
 * HTTP; and the handlers for which a guard of the application combines `McpAuthGuard` with checks of its own.
 */
@Injectable()
export class EndpointGuard implements CanActivate {
  #combinations: GuardCombinations | undefined;

  constructor(
    private readonly guard: HandlerGuard,
    private readonly transport: TransportRules,
    private readonly routes: ResourceRoutes,
    private readonly modules: ModulesContainer,
  ) {}

  canActivate(context: ExecutionContext): MaybePromise<boolean> {
    if (context.getType() !== 'http') return true;
    // The handler of a resource may have other paths, too.
    const isMcp =
      this.routes.isHandler(context.getHandler()) ||
      this.transport.isMcpRequest(context.switchToHttp().getRequest<HttpRequest>());
    if (!isMcp) return true;
    this.#combinations ??= new GuardCombinations(this.modules, this.guard.constructor as Type);
    const isCombined = this.#combinations.isCombined(context.getClass(), context.getHandler());
    return isCombined ? true : this.guard.canActivate(context);
  }
}
