import { Inject, Injectable, type Type } from '@nestjs/common';
import { DiscoveryService, MetadataScanner } from '@nestjs/core';
import { McpAuthConfigError, type ConfigProblem } from './core/error.js';
import type { Operation, OperationKind } from './core/operation.js';
import { RESOLVED_OPTIONS } from './mcp-auth.module-definition.js';
import { OperationIndex, type FoundEntry, type Given, type OperationEntry } from './mcp-auth.operations.js';
import type { ResolvedOptions } from './mcp-auth.options.js';
import { contradictsItself, handlerPolicy, scopesPolicy, type HandlerPolicy } from './mcp-auth.policy.js';

/** The operation that a method serves. */
export interface ServedOperation {
  readonly kind: OperationKind;
  readonly name: string;
  readonly origin: 'templates-first' | 'exact-first';
  /** Who reads a template, where that is not the official SDK: the bridge of `nestjs-mcp-auth/sdk`. */
  readonly syntax?: 'plain' | undefined;
}

/** One declaration that holds for an operation. */
export interface Declared {
  readonly kind: OperationKind;
  /** As it was declared: tool or prompt name, URI, or URI template. */
  readonly name: string;
  readonly policy: HandlerPolicy;
  /** What its policies are asked with. */
  readonly given: Given;
}

/** What is declared for an operation, as far as one protected resource is concerned. */
export interface Declarations {
  readonly all: readonly Declared[];
  /** Whether all handlers that may serve it belong to other protected resources. */
  readonly isElsewhere: boolean;
}

/** A method that an MCP framework calls by itself, so that Nest puts nothing around it. */
export interface DirectHandler {
  readonly classRef: Type<object>;
  readonly methodName: string;
  readonly method: object;
}

/** A method of a controller or provider that a request can reach. */
interface Handler extends DirectHandler {
  readonly isRoute: boolean;
  readonly operation: ServedOperation | undefined;
  readonly policy: HandlerPolicy;
}

/** Where `@rekog/mcp-nest` keeps what its decorators were given, and which member of it names the operation. */
const FRAMEWORK_METADATA: readonly [key: string, kind: OperationKind, name: string][] = [
  ['mcp:tool', 'tool', 'name'],
  ['mcp:prompt', 'prompt', 'name'],
  ['mcp:resource', 'resource', 'uri'],
  ['mcp:resource-template', 'resource-template', 'uriTemplate'],
];

/** Where the decorators of `nestjs-mcp-auth/sdk` keep theirs: `{ kind, name, config }`, and the syntax of a template. */
export const OPERATION_METADATA = 'nestjs-mcp-auth:operation';

/** Nest's own keys for the path of a route, and for the message that a handler of a microservice is called for. */
const ROUTE_PATH_METADATA = 'path';
const PATTERN_METADATA = 'microservices:pattern';
/** Those of its packages for GraphQL and WebSockets. */
const RESOLVER_METADATA = 'graphql:resolver_type';
const GATEWAY_MESSAGE_METADATA = 'websockets:message_mapping';

/**
 * Finds out what the handlers of the application declare, and which MCP operation each of them serves, from the
 * metadata of the decorators alone: no MCP framework is imported. Reads the application once, when first asked.
 */
@Injectable()
export class McpAuthExplorer {
  #handlers: readonly Handler[] | undefined;
  #index: OperationIndex | undefined;
  readonly #policies = new WeakMap<object, WeakMap<object, HandlerPolicy>>();
  /** By what is found in the index, and then by resource. */
  readonly #declared = new WeakMap<object, Map<string, Declarations>>();
  readonly #operations = new WeakMap<object, ServedOperation | null>();

  constructor(
    @Inject(DiscoveryService) private readonly discovery: DiscoveryService,
    @Inject(MetadataScanner) private readonly scanner: MetadataScanner,
    @Inject(RESOLVED_OPTIONS) private readonly options: ResolvedOptions,
  ) {}

  /** What a class and its method declare together. */
  policyOf(classRef: object, method: object): HandlerPolicy {
    const ofClass = this.#policies.get(classRef);
    const known = ofClass?.get(method);
    if (known) return known;
    const policy = handlerPolicy(classRef, method);
    this.#policies.set(classRef, (ofClass ?? new WeakMap<object, HandlerPolicy>()).set(method, policy));
    return policy;
  }

  /**
   * What is declared for an operation. Several handlers can share a name, one for each server in the process; those
   * of other resources are left out. Empty for an operation about which nothing is known.
   *
   * The very same object each time, but for a URI.
   */
  declarationsOf(operation: Operation, resourceId: string): Declarations {
    this.#index ??= new OperationIndex([...this.#served(), ...this.#configured()]);
    const entries = this.#index.find(operation);
    const ofEntries = this.#declared.get(entries);
    const known = ofEntries?.get(resourceId);
    if (known) return known;
    const declarations = declarationsAt(resourceId, entries);
    this.#declared.set(entries, (ofEntries ?? new Map<string, Declarations>()).set(resourceId, declarations));
    return declarations;
  }

  /** The operation that a method serves, if it serves one. */
  operationOf(method: object): ServedOperation | undefined {
    let operation = this.#operations.get(method);
    if (operation === undefined) this.#operations.set(method, (operation = operationOf(method) ?? null));
    return operation ?? undefined;
  }

  /** Every handler of an MCP operation, with what it declares. */
  get operations(): readonly { readonly operation: ServedOperation; readonly policy: HandlerPolicy }[] {
    return this.#all().flatMap(({ operation, policy }) => (operation ? { operation, policy } : []));
  }

  /** The handlers of MCP operations that are called by nothing but the MCP framework. */
  get directHandlers(): readonly DirectHandler[] {
    return this.#all().filter(({ method, operation }) => operation && !isCalledByNest(method));
  }

  /** The handlers that Nest calls for messages and GraphQL operations, not for HTTP requests: those of classes, so that no instance need be there yet. */
  get rpcHandlers(): readonly DirectHandler[] {
    const classes = [...this.discovery.getControllers(), ...this.discovery.getProviders()].flatMap(({ metatype, inject }) =>
      typeof metatype === 'function' && !inject ? [metatype as Type<object>] : [],
    );
    return [...new Set(classes)].flatMap((classRef) => this.#handlersOf(classRef)).filter(({ method }) => isCalledByNest(method) || isCalledOutside(method));
  }

  /** Every scope that a decorator or the options name for a resource, sorted. */
  declaredScopes(resourceId: string): string[] {
    const scopes = [...this.#all(), ...this.#configured()]
      .filter(({ policy }) => concerns(policy, resourceId))
      .flatMap(({ policy: { requirement } }) => [...requirement.allOf, ...requirement.anyOf.flat()]);
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

  #served(): OperationEntry[] {
    return this.operations.map(({ operation: { kind, name, origin, syntax }, policy }) => ({ kind, name, origin, syntax, policy }));
  }

  #configured(): OperationEntry[] {
    return this.options.resources.flatMap(({ id, operationScopes }) =>
      operationScopes.map(({ kind, name, scopes }): OperationEntry => {
        return { kind, name, origin: 'options', policy: scopesPolicy(scopes, id) };
      }),
    );
  }

  #all(): readonly Handler[] {
    if (!this.#handlers) {
      const classes = [...this.discovery.getControllers(), ...this.discovery.getProviders()].flatMap(classOf);
      this.#handlers = [...new Set(classes)].flatMap((classRef) => this.#handlersOf(classRef));
    }
    return this.#handlers;
  }

  #handlersOf(classRef: Type<object>): Handler[] {
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

/** Of what a factory made, or a value, the class it is an instance of: some MCP frameworks find handlers there, too. */
function classOf({ metatype, inject, instance }: ReturnType<DiscoveryService['getProviders']>[number]): Type<object>[] {
  if (typeof metatype === 'function' && !inject) return [metatype as Type<object>];
  const prototype: unknown = typeof instance === 'object' && instance !== null ? Object.getPrototypeOf(instance) : undefined;
  const made: unknown = (prototype as object | null | undefined)?.constructor;
  return typeof made === 'function' ? [made as Type<object>] : [];
}

/** As a microservice; or through the bridge of `nestjs-mcp-auth/sdk`, which goes by way of Nest. */
function isCalledByNest(method: object): boolean {
  return [PATTERN_METADATA, OPERATION_METADATA].some((key) => Reflect.hasMetadata(key, method));
}

/** As a GraphQL resolver, or by a WebSocket gateway. */
function isCalledOutside(method: object): boolean {
  return [RESOLVER_METADATA, GATEWAY_MESSAGE_METADATA].some((key) => Reflect.hasMetadata(key, method));
}

function concerns({ resourceId }: HandlerPolicy, id: string): boolean {
  return resourceId === undefined || resourceId === id;
}

function declarationsAt(resourceId: string, entries: readonly FoundEntry[]): Declarations {
  const here = entries.filter(({ entry }) => concerns(entry.policy, resourceId));
  const all = here.map(({ entry: { kind, name, policy }, given }) => ({ kind, name, policy, given }));
  // What the options of another resource say does not make an operation one of that resource.
  const isServed = entries.some(({ entry }) => entry.origin !== 'options');
  return { all, isElsewhere: isServed && here.length === 0 };
}

function operationOf(method: object): ServedOperation | undefined {
  const own = record(Reflect.getMetadata(OPERATION_METADATA, method));
  if (own) {
    const { kind, name, syntax } = own as unknown as Pick<ServedOperation, 'kind' | 'name' | 'syntax'>;
    return { kind, name, origin: 'exact-first', syntax };
  }
  for (const [key, kind, nameMember] of FRAMEWORK_METADATA) {
    const metadata = record(Reflect.getMetadata(key, method));
    if (!metadata) continue;
    const name = metadata[nameMember];
    // A tool without a name is called by that of its method.
    return { kind, name: typeof name === 'string' ? name : functionName(method), origin: 'templates-first' };
  }
  return undefined;
}

function functionName(method: object): string {
  return (method as { readonly name: string }).name;
}

function record(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
}
