import { Injectable } from '@nestjs/common';
import { ApplicationConfig, DiscoveryService } from '@nestjs/core';
import { McpAuthConfigError, type ConfigProblem } from '../core/error.js';
import { HandlerExplorer, type DirectHandler } from '../handlers/handler-explorer.js';
import { isHandler } from '../handlers/mcp-frameworks.js';
import {
  boundTo,
  FIELD_RESOLVER_METADATA,
  GATEWAY_MESSAGE_METADATA,
  GATEWAY_PORT_METADATA,
  GUARDS_METADATA,
  PATTERN_METADATA,
  RESOLVER_METADATA,
  TIMER_METADATA,
} from '../handlers/nest-metadata.js';
import { ResolvedOptions } from '../options/options.js';
import { nameOf, OutsideHandlers } from './outside-handlers.js';

/** The token under which `@nestjs/graphql` provides the options of its module. */
const GRAPHQL_OPTIONS = 'GqlModuleOptions';

/** Refuses handlers outside HTTP routes and MCP whose requirements could not be enforced, or never be met. */
@Injectable()
export class OutsideCheck {
  constructor(
    private readonly handlers: OutsideHandlers,
    private readonly explorer: HandlerExplorer,
    private readonly discovery: DiscoveryService,
    private readonly application: ApplicationConfig,
    private readonly options: ResolvedOptions,
  ) {}

  /**
   * Call it when Nest has connected gateways.
   *
   * @param guard the class `McpAuthGuard`
   * @throws {McpAuthConfigError} naming each protected field resolver for which Nest runs no guards, each protected
   * handler whose requests the library does not see, and each that does not declare its resource, if there are several.
   */
  check(guard: unknown): void {
    refuse([...this.#unguardedFields(guard), ...this.#unseenGateways(guard), ...this.#strays(guard)]);
  }

  /**
   * Call it in applications without HTTP, too.
   *
   * @throws {McpAuthConfigError} naming each protected handler that never has a caller: its messages would be lost.
   */
  checkCallers(guard: unknown): void {
    refuse([...this.#messages(guard), ...this.#timers(guard)]);
  }

  #unguardedFields(guard: unknown): ConfigProblem[] {
    const options = this.discovery.getProviders().filter(({ token }) => token === GRAPHQL_OPTIONS);
    if (options.every(({ instance }) => hasFieldGuards(instance))) return [];
    return this.#protected(guard, FIELD_RESOLVER_METADATA).map((handler) => ({
      option: nameOf(handler),
      seen: 'a protected @ResolveField()',
      why: 'Nest runs no guards for fields, so anyone could read the field',
      write: "Set fieldResolverEnhancers: ['guards'] in the options of GraphQLModule, or declare the field @Public()",
    }));
  }

  /** A socket of `ws` does not have its upgrade request, and only the server of the application is watched. */
  #unseenGateways(guard: unknown): ConfigProblem[] {
    if (!isWsAdapter(this.application.getIoAdapter() as object | undefined)) return [];
    return this.#protected(guard, GATEWAY_MESSAGE_METADATA).flatMap((handler) => {
      const port = Reflect.getMetadata(GATEWAY_PORT_METADATA, handler.classRef) as unknown;
      if (!port) return [];
      const seen = `a protected handler of a gateway on port ${String(port)}, with WsAdapter`;
      const why = 'the library does not see the upgrade requests of that port, so it would refuse every message';
      const write = 'Leave out the port, use IoAdapter, or declare the handler @Public() and protect it yourself';
      return [{ option: nameOf(handler), seen, why, write }];
    });
  }

  #strays(guard: unknown): ConfigProblem[] {
    const { resources } = this.options;
    if (resources.length === 1) return [];
    return this.#protected(guard, GATEWAY_MESSAGE_METADATA, RESOLVER_METADATA, FIELD_RESOLVER_METADATA)
      .filter((handler) => this.handlers.declarationOf(handler).resourceId === undefined)
      .map((handler) => ({
        option: `@ProtectedResource() of ${nameOf(handler)}`,
        seen: 'nothing',
        why: 'with several resources, each protected handler must declare its resource',
        write: `Known are ${resources.map(({ id }) => `"${id}"`).join(', ')}; or declare the handler @Public()`,
      }));
  }

  #messages(guard: unknown): ConfigProblem[] {
    return this.#protected(guard, PATTERN_METADATA).map((handler) => ({
      option: nameOf(handler),
      seen: 'a protected handler of messages of a broker',
      why: 'messages carry no access token, so it would refuse every message, and events would be lost',
      write:
        'Remove the requirements and @AuthInfo(), or declare it @Public(), and protect the broker itself. If they are ' +
        'those of its class, put them on the routes of the class',
    }));
  }

  /** `@nestjs/schedule` calls the method itself, so a guard that is bound to it does not run. */
  #timers(guard: unknown): ConfigProblem[] {
    return this.handlers
      .withMetadata(TIMER_METADATA)
      .filter(
        ({ classRef, method }) =>
          !this.#isHandler(method) && boundTo(classRef, method, GUARDS_METADATA).includes(guard),
      )
      .filter(({ classRef, method }) => isBoundItself(method, guard) || !this.#hasHandlers(classRef))
      .map((handler) => ({
        option: nameOf(handler),
        seen: '@UseGuards(McpAuthGuard) on a method that @nestjs/schedule calls',
        why: 'a timer has no caller, and Nest runs no guards for it',
        write: 'Remove it, or put it on the handlers that requests reach',
      }));
  }

  #hasHandlers(classRef: DirectHandler['classRef']): boolean {
    const { prototype } = classRef as { readonly prototype: Readonly<Record<string, unknown>> };
    return Object.getOwnPropertyNames(prototype).some((name) => {
      const method: unknown = Object.getOwnPropertyDescriptor(prototype, name)?.value;
      return typeof method === 'function' && this.#isHandler(method);
    });
  }

  #isHandler(method: object): boolean {
    return isHandler(method, this.explorer);
  }

  #protected(guard: unknown, ...keys: readonly string[]): DirectHandler[] {
    return this.handlers.withMetadata(...keys).filter((handler) => this.handlers.isProtected(handler, guard));
  }
}

function refuse(problems: readonly ConfigProblem[]): void {
  if (problems.length > 0) throw new McpAuthConfigError(problems);
}

function hasFieldGuards(options: unknown): boolean {
  const { fieldResolverEnhancers } = (options ?? {}) as { readonly fieldResolverEnhancers?: readonly string[] };
  return fieldResolverEnhancers?.includes('guards') === true;
}

/** Whether an adapter is the one of `@nestjs/platform-ws`, or extends it. Recognises it by its methods. */
function isWsAdapter(adapter: object | undefined): boolean {
  return ['ensureHttpServerExists', 'addWsServerToRegistry'].every(
    (name) => typeof (adapter as Record<string, unknown> | undefined)?.[name] === 'function',
  );
}

function isBoundItself(method: object, guard: unknown): boolean {
  return ((Reflect.getMetadata(GUARDS_METADATA, method) ?? []) as unknown[]).includes(guard);
}
