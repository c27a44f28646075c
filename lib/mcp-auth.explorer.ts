import { Inject, Injectable } from '@nestjs/common';
import { DiscoveryService, MetadataScanner } from '@nestjs/core';
import { McpAuthConfigError, type ConfigProblem } from './core/error.js';
import type { Operation, OperationKind } from './core/operation.js';
import { RESOLVED_OPTIONS } from './mcp-auth.module-definition.js';
import type { ResolvedOptions } from './mcp-auth.options.js';
import { contradictsItself, handlerPolicy, type HandlerPolicy } from './mcp-auth.policy.js';

/** A method of a controller or provider that a request can reach. */
interface Handler {
  readonly classRef: object & { readonly name: string };
  readonly methodName: string;
  readonly method: object;
  readonly isRoute: boolean;
  readonly operation: Pick<Operation, 'kind' | 'name'> | undefined;
  readonly policy: HandlerPolicy;
}

/** Where MCP frameworks for Nest keep what their decorators were given, and which member of it names the handler. */
const OPERATION_METADATA: readonly [key: string, kind: OperationKind, name: string][] = [
  ['mcp:tool', 'tool', 'name'],
  ['mcp:prompt', 'prompt', 'name'],
  ['mcp:resource', 'resource', 'uri'],
];

/** Nest's own key for the path of a route. */
const ROUTE_PATH_METADATA = 'path';

/**
 * Finds out what the handlers of the application declare, and which MCP operation each of them serves, from the
 * metadata of the decorators alone: no MCP framework is imported. Reads the application once, when first asked.
 */
@Injectable()
export class McpAuthExplorer {
  #handlers: readonly Handler[] | undefined;
  #byOperation: ReadonlyMap<string, readonly Handler[]> | undefined;
  readonly #policies = new WeakMap<object, WeakMap<object, HandlerPolicy>>();

  constructor(
    @Inject(DiscoveryService) private readonly discovery: DiscoveryService,
    @Inject(MetadataScanner) private readonly scanner: MetadataScanner,
    @Inject(RESOLVED_OPTIONS) private readonly options: ResolvedOptions,
  ) {}

  /** What a class and its method declare together. */
  policyOf(classRef: object, method: object): HandlerPolicy {
    const ofClass = this.#policies.get(classRef) ?? new WeakMap<object, HandlerPolicy>();
    const policy = ofClass.get(method) ?? handlerPolicy(classRef, method);
    this.#policies.set(classRef, ofClass.set(method, policy));
    return policy;
  }

  /**
   * What the handlers of an operation declare. Several can share a name, one for each server in the process; those
   * of other resources are left out. Empty for an operation that no decorated method serves.
   */
  policiesOf({ kind, name }: Pick<Operation, 'kind' | 'name'>, resourceId: string): readonly HandlerPolicy[] {
    this.#byOperation ??= groupByOperation(this.#all());
    const handlers = this.#byOperation.get(operationKey(kind, name)) ?? [];
    return handlers
      .map(({ policy }) => policy)
      .filter((policy) => policy.resourceId === undefined || policy.resourceId === resourceId);
  }

  /** The operation that a method serves, if it serves one. */
  operationOf(method: object): Handler['operation'] {
    return operationOf(method);
  }

  /** Every scope that a decorator names for a resource, sorted. */
  declaredScopes(resourceId: string): string[] {
    const policies = this.#all()
      .map(({ policy }) => policy)
      .filter((policy) => policy.resourceId === undefined || policy.resourceId === resourceId);
    const scopes = policies.flatMap(({ requirement: { allOf, anyOf } }) => [...allOf, ...anyOf.flat()]);
    return [...new Set(scopes)].toSorted();
  }

  /**
   * Refuses to start an application whose decorators contradict each other or the options.
   *
   * @throws {McpAuthConfigError} listing every problem.
   */
  check(): void {
    const problems = this.#all().flatMap((handler) => [...this.#contradictions(handler), ...this.#strays(handler)]);
    const unique = new Map(problems.map((problem) => [JSON.stringify(problem), problem]));
    if (unique.size > 0) throw new McpAuthConfigError([...unique.values()]);
  }

  #contradictions({ classRef, methodName, method }: Handler): ConfigProblem[] {
    const why = 'it is declared both public and protected';
    const write = 'Remove @Public(), or the requirements';
    const at = [
      ...(contradictsItself(classRef) ? [classRef.name] : []),
      ...(contradictsItself(method) ? [`${classRef.name}.${methodName}`] : []),
    ];
    return at.map((option) => ({ option, seen: '@Public() beside requirements', why, write }));
  }

  #strays({ classRef, isRoute, policy }: Handler): ConfigProblem[] {
    const { resources } = this.options;
    const known = `Known are ${resources.map(({ id }) => `"${id}"`).join(', ')}`;
    const option = `@ProtectedResource() of ${classRef.name}`;
    if (policy.resourceId !== undefined) {
      if (resources.some(({ id }) => id === policy.resourceId)) return [];
      return [{ option, seen: `"${policy.resourceId}"`, why: 'no resource has this id', write: known }];
    }
    if (resources.length === 1 || !isRoute || policy.isPublic) return [];
    const why = 'with several resources, each protected route must say whose tokens it accepts';
    return [{ option, seen: 'nothing', why, write: `${known}; or declare the route @Public()` }];
  }

  #all(): readonly Handler[] {
    this.#handlers ??= [...this.discovery.getControllers(), ...this.discovery.getProviders()].flatMap((wrapper) => {
      const { metatype } = wrapper;
      if (typeof metatype !== 'function' || wrapper.inject) return [];
      return this.#handlersOf(metatype);
    });
    return this.#handlers;
  }

  #handlersOf(classRef: Handler['classRef'] & { readonly prototype?: unknown }): Handler[] {
    const prototype = classRef.prototype as Record<string, unknown> | undefined;
    if (!prototype) return [];
    return this.scanner.getAllMethodNames(prototype).flatMap((methodName) => {
      const method = prototype[methodName] as object;
      const policy = this.policyOf(classRef, method);
      const operation = operationOf(method);
      const isRoute = Reflect.hasMetadata(ROUTE_PATH_METADATA, method);
      if (!policy.isDeclared && !operation && !isRoute) return [];
      return [{ classRef, methodName, method, isRoute, operation, policy }];
    });
  }
}

function operationOf(method: object): Handler['operation'] {
  for (const [key, kind, nameMember] of OPERATION_METADATA) {
    const metadata: unknown = Reflect.getMetadata(key, method);
    if (typeof metadata !== 'object' || metadata === null) continue;
    const name: unknown = (metadata as Record<string, unknown>)[nameMember];
    // A tool without a name is called by that of its method.
    return { kind, name: typeof name === 'string' ? name : (method as { name: string }).name };
  }
  return undefined;
}

function groupByOperation(handlers: readonly Handler[]): Map<string, Handler[]> {
  const groups = new Map<string, Handler[]>();
  for (const handler of handlers) {
    if (!handler.operation) continue;
    const key = operationKey(handler.operation.kind, handler.operation.name);
    groups.set(key, [...(groups.get(key) ?? []), handler]);
  }
  return groups;
}

function operationKey(kind: OperationKind, name: string): string {
  return `${kind} ${name}`;
}
