import { Inject, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import type { Soon } from './core/soon.js';
import type { HttpRequest } from './mcp-auth.context.js';
import { dependenciesOf, wrappersIn } from './mcp-auth.followed-calls.js';
import { McpAuthGuard } from './mcp-auth.guard.js';
import { MODULE_MARK } from './mcp-auth.module-definition.js';
import { McpAuthTransportRules } from './mcp-auth.transport.js';

/**
 * Global in place of {@link McpAuthGuard} where the option `globalGuard` is false: protects what a controller serves at the
 * path of a resource, and whatever gets a request of the MCP transport. Leaves every other route alone, and all that is no
 * HTTP; and everything, where a guard of the application injects {@link McpAuthGuard} to combine it with checks of its own.
 */
@Injectable()
export class McpAuthEndpointGuard implements CanActivate {
  #isCombined: boolean | undefined;

  constructor(
    @Inject(McpAuthGuard) private readonly guard: McpAuthGuard,
    @Inject(McpAuthTransportRules) private readonly transport: McpAuthTransportRules,
    @Inject(ModulesContainer) private readonly modules: ModulesContainer,
  ) {}

  canActivate(context: ExecutionContext): Soon<boolean> {
    if (context.getType() !== 'http') return true;
    this.#isCombined ??= this.#findCombination();
    if (this.#isCombined) return true;
    const request = context.switchToHttp().getRequest<HttpRequest>();
    return this.transport.isMcpRequest(request) ? this.guard.canActivate(context) : true;
  }

  /** Whether a class of the application injects the guard, or extends it. */
  #findCombination(): boolean {
    const others = [...this.modules.values()].filter(({ metatype }) => !(MODULE_MARK in metatype));
    return wrappersIn(others).some((wrapper) => {
      const { metatype } = wrapper;
      if (typeof metatype !== 'function') return false;
      return (metatype.prototype as unknown) instanceof McpAuthGuard || dependenciesOf(wrapper).includes(McpAuthGuard);
    });
  }
}
