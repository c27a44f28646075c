import type { Type } from '@nestjs/common';
import type { ModuleRef, ModulesContainer } from '@nestjs/core';
import type { TransportRules } from '../authorization/transport-rules.js';
import { boundTo, GUARDS_METADATA } from '../handlers/nest-metadata.js';
import type { ResolvedOptions } from '../options/options.js';
import { EndpointGuard } from './endpoint-guard.js';
import { GuardCombinations, guardClassOf } from './guard-combinations.js';
import { applicationConfigOf } from './nest-routes.js';

const TOO_EARLY =
  'What McpAuthGuard guards is known once the application is initialized: ask after app.init() or app.listen()';

/** The used members of a route. */
interface GuardedRoute {
  readonly classRef: object;
  readonly method: object;
  readonly path: string;
}

/** Knows which handlers the guard protects: by itself, as the option `globalGuard` says, or through guards of the application. */
export class GuardReach {
  #combined: GuardCombinations | undefined;
  /** Undefined until Nest has registered the routes. */
  #globalGuards: readonly unknown[] | undefined;

  /** @param guard the class `McpAuthGuard` */
  constructor(
    readonly guard: Type,
    private readonly modules: ModulesContainer,
    private readonly moduleRef: ModuleRef,
    private readonly transport: TransportRules,
    private readonly options: ResolvedOptions,
  ) {}

  /** Call it when Nest has registered the routes: no later global guard applies to them. */
  settle(): void {
    this.#combined = new GuardCombinations(this.modules, this.guard);
    this.#globalGuards = this.#globalGuardsNow();
  }

  /**
   * The classes of the global guards, in the order in which Nest runs them.
   *
   * @throws {Error} before the application is initialized
   */
  get globalGuards(): readonly unknown[] {
    if (!this.#globalGuards) throw new Error(TOO_EARLY);
    return this.#globalGuards;
  }

  /** Whether the guard is global. */
  get isGlobal(): boolean {
    return this.globalGuards.includes(this.guard);
  }

  /** The names of the global guards that run before the one of this library, or before those that decorators bind. */
  get earlierGuards(): string[] {
    const own = this.globalGuards.findIndex((one) => one === this.guard || one === EndpointGuard);
    const earlier = own === -1 ? this.globalGuards : this.globalGuards.slice(0, own);
    return earlier.map((one) => (one as Type).name);
  }

  /** Whether a decorator binds the guard to a handler. */
  isBoundTo(classRef: object, method: object): boolean {
    return boundTo(classRef, method, GUARDS_METADATA).includes(this.guard);
  }

  /**
   * Whether the guard protects a route wherever it is, itself or through a guard of the application. May be asked before the
   * application is initialized: a guard that is a provider, but bound to no handler, then counts for all, since it may become
   * global. Does NOT look for `@Public()`, and does NOT count the routes at the path of a resource.
   */
  protectsAnywhere(classRef: object, method: object): boolean {
    if (this.isBoundTo(classRef, method)) return true;
    const everywhere = this.#globalGuards ?? this.#globalGuardsNow();
    if (everywhere.some((one) => one === this.guard || this.#combinations.combines(one))) return true;
    return this.#combinations.isCombined(classRef, method);
  }

  /**
   * The names of the guards that protect a route: `McpAuthGuard` alone, or those of the application that combine it with checks
   * of their own. Empty for a route that nothing of this library protects.
   */
  guardsOf({ classRef, method, path }: GuardedRoute): string[] {
    const bound = boundTo(classRef, method, GUARDS_METADATA).map(guardClassOf);
    if (this.isGlobal || bound.includes(this.guard)) return [this.guard.name];
    const combining = [...this.globalGuards, ...bound].filter((one) => this.#combinations.combines(one));
    if (combining.length > 0) return combining.map((one) => (one as Type).name);
    return this.options.globalGuard === 'mcp' && this.transport.isEndpoint(path) ? [this.guard.name] : [];
  }

  get #combinations(): GuardCombinations {
    return (this.#combined ??= new GuardCombinations(this.modules, this.guard));
  }

  #globalGuardsNow(): unknown[] {
    const config = applicationConfigOf(this.moduleRef);
    const perRequest = config.getGlobalRequestGuards().map(({ metatype }) => metatype);
    return [...config.getGlobalGuards().map(guardClassOf), ...perRequest];
  }
}
