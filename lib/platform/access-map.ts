import { Injectable } from '@nestjs/common';
import { DeclaredAccess, type DeclaredNeeds } from '../authorization/declared-access.js';
import { ResourceRoutes } from '../authorization/resource-routes.js';
import { TransportRules } from '../authorization/transport-rules.js';
import { sortAccessMap, type AccessMapRow } from '../core/access-map.js';
import { deepFreeze } from '../core/deep-freeze.js';
import { isEmptyRequirement } from '../core/requirement.js';
import { declarationSources } from '../handlers/declaration-sources.js';
import { operationsAt } from '../handlers/declared-operations.js';
import { UNDECLARED, type HandlerDeclaration } from '../handlers/handler-declaration.js';
import { HandlerExplorer, type DirectHandler } from '../handlers/handler-explorer.js';
import { ResolvedOptions } from '../options/options.js';
import type { ResolvedResource } from '../options/resource-options.js';
import { GuardReach } from './guard-reach.js';
import { OutsideHandlers } from './outside-handlers.js';
import { NestRoutes, type NestRoute } from './nest-routes.js';

type Named = Pick<AccessMapRow, 'kind' | 'name'>;

/** The route through which the operations of a resource are called. */
interface Endpoint {
  readonly declaration: HandlerDeclaration;
  readonly declaredAt: readonly string[];
  /** The guards that protect it. */
  readonly guards: readonly string[];
}

/** Stands for the route of a resource whose route is unknown: it adds no requirement, and its guard is the global one. */
const UNKNOWN_ENDPOINT = { declaration: UNDECLARED, declaredAt: [] } as const;

/** Stands for the tools that have no row, where annotations decide: those of an unknown tool are unknown, too. */
const UNKNOWN_TOOL: Named = { kind: 'tool', name: 'any tool without a row' };

/** Lists what every route, MCP operation and other handler needs, by the rules that decide about requests. */
@Injectable()
export class AccessMap {
  constructor(
    private readonly access: DeclaredAccess,
    private readonly explorer: HandlerExplorer,
    private readonly routes: NestRoutes,
    private readonly reach: GuardReach,
    private readonly handlers: OutsideHandlers,
    private readonly transport: TransportRules,
    private readonly resourceRoutes: ResourceRoutes,
    private readonly options: ResolvedOptions,
  ) {}

  /**
   * The rows, sorted and frozen.
   *
   * @throws {Error} before the application is initialized
   */
  rows(): readonly AccessMapRow[] {
    const rows = [
      ...this.routes.all.map((route) => this.#route(route)),
      ...this.options.resources.flatMap((resource) => this.#operations(resource)),
      ...this.handlers.all.map((handler) => this.#handler(handler)),
    ];
    return deepFreeze(sortAccessMap(rows));
  }

  #route(route: NestRoute): AccessMapRow {
    const named: Named = { kind: 'route', name: route.name };
    const declaration = this.explorer.declarationOf(route.classRef, route.method);
    const declaredAt = declarationSources(route.classRef, route.methodName);
    if (declaration.isPublic) return open(named, 'public', declaredAt);
    const guards = this.reach.guardsOf(route);
    if (guards.length === 0) return open(named, 'unguarded', declaredAt);
    const needs = this.access.ofRoute(declaration, this.transport.isEndpoint(route.path));
    return this.#guarded(named, needs, [...declaredAt, ...this.#combining(guards)]);
  }

  #operations(resource: ResolvedResource): AccessMapRow[] {
    const known = operationsAt(resource, this.explorer.handlers);
    const endpoint = this.#endpointOf(resource);
    if (!endpoint && known.length === 0) return [];
    const rest = known.length > 0 ? 'any operation without a row' : 'any operation: none is known to this library';
    const { declaration, declaredAt, guards } = endpoint ?? { ...UNKNOWN_ENDPOINT, guards: this.#assumedGuards() };
    const isGuarded = guards.length > 0 && !this.options.allowUnguardedMounts;
    const ofEndpoint = [...declaredAt, ...this.#combining(guards)];
    const row = (named: Named, needs: DeclaredNeeds, isBound: boolean): AccessMapRow => {
      const sources = [...needs.ofOperation.flatMap((one) => this.#sourcesOf(one)), ...ofEndpoint];
      if (isBound || (isGuarded && !declaration.isPublic)) return this.#guarded(named, needs, sources);
      return open(named, isGuarded ? 'public' : 'unguarded', sources);
    };
    return [
      ...known.map(({ kind, name, handlers }) => {
        const isBound = handlers.length > 0 && handlers.every((one) => this.reach.isBoundTo(one.classRef, one.method));
        return row({ kind, name }, this.access.ofOperation(declaration, resource.id, { kind, name }), isBound);
      }),
      ...(resource.annotationScopes
        ? [row(UNKNOWN_TOOL, this.access.ofOperation(declaration, resource.id, { kind: 'tool', name: '' }), false)]
        : []),
      row({ kind: 'operation', name: rest }, this.access.ofUnknownOperation(declaration, resource.id), false),
    ];
  }

  #endpointOf({ id, identifier }: ResolvedResource): Endpoint | undefined {
    const start = this.resourceRoutes.of(id);
    const route =
      this.routes.all.find(({ classRef, method }) => classRef === start?.classRef && method === start.method) ??
      this.routes.all.find(
        ({ name, path }) => /^(?:POST|ALL) /.test(name) && withoutSlash(path) === withoutSlash(identifier.path),
      );
    if (!route) return undefined;
    const { classRef, methodName, method } = route;
    return {
      declaration: this.explorer.declarationOf(classRef, method),
      declaredAt: declarationSources(classRef, methodName),
      guards: this.reach.guardsOf({ classRef, method, path: identifier.path }),
    };
  }

  /** With `false`, nothing says that a guard is bound to the route of the resource. */
  #assumedGuards(): string[] {
    return this.options.globalGuard === false && !this.reach.isGlobal ? [] : [this.reach.guard.name];
  }

  #sourcesOf(declaration: HandlerDeclaration): string[] {
    const handler = this.explorer.handlers.find((one) => one.declaration === declaration);
    return handler ? declarationSources(handler.classRef, handler.methodName) : ['options scopes.operations'];
  }

  #handler(handler: DirectHandler): AccessMapRow {
    const { classRef, method, methodName } = handler;
    const named: Named = { kind: 'handler', name: `${classRef.name}.${methodName}` };
    const declaredAt = declarationSources(classRef, methodName);
    if (this.explorer.declarationOf(classRef, method).isPublic) return open(named, 'public', declaredAt);
    if (!this.handlers.protects(handler, this.reach.guard, this.reach.isGlobal))
      return open(named, 'unguarded', declaredAt);
    return this.#guarded(named, this.access.ofHandler(classRef, method), declaredAt);
  }

  #guarded(named: Named, needs: DeclaredNeeds, declaredAt: readonly string[]): AccessMapRow {
    const { requirement, authentications, needsProof, policies, isOpen, resourceId } = needs;
    const required = isEmptyRequirement(requirement) ? 'token' : 'scopes';
    const sources = [
      ...declaredAt,
      ...(needs.hasAnnotationScopes ? ['options scopes.annotations'] : []),
      ...(needs.hasModulePolicy ? ['options authorize'] : []),
      ...(needs.hasBaseline ? ['options scopes.required'] : []),
      ...(isOpen ? ['options allowAnonymous'] : []),
    ];
    return {
      ...named,
      resource: resourceId,
      access: isOpen ? 'anonymous' : required,
      scopes: { allOf: [...requirement.allOf], anyOf: requirement.anyOf.map((group) => [...group]) },
      authentications: authentications.map(({ acr, maxAgeSeconds = null }) => ({ acr: [...acr], maxAgeSeconds })),
      needsProof,
      policies: policies.map(({ name }) => name || 'anonymous function'),
      declaredAt: [...new Set(sources)],
    };
  }

  /** The guards of the application that ask the one of this library. They may also let requests in that it would refuse. */
  #combining(guards: readonly string[]): string[] {
    return guards.filter((name) => name !== this.reach.guard.name).map((name) => `guard ${name}`);
  }
}

/** A row for what no token opens or closes. */
function open(named: Named, access: 'public' | 'unguarded', declaredAt: readonly string[]): AccessMapRow {
  const scopes = { allOf: [], anyOf: [] };
  return {
    ...named,
    resource: null,
    access,
    scopes,
    authentications: [],
    needsProof: false,
    policies: [],
    declaredAt: [...new Set(declaredAt)],
  };
}

function withoutSlash(path: string): string {
  return path.replace(/\/$/, '');
}
