import { Injectable, type Type } from '@nestjs/common';
import { DiscoveryService, MetadataScanner } from '@nestjs/core';
import { McpAuthConfigError } from '../core/error.js';
import type { Operation, OperationKind } from '../request/rpc-body.js';
import { declarationProblems, unlistedMethods, type UnlistedMethod } from './declaration-check.js';
import { contradictions, resourceProblems, type DeclaredHandler } from './handler-problems.js';
import { checkIsMethod, instanceProblems, noteInstance } from './instance-methods.js';
import { lostDeclarations } from './lost-declarations.js';
import { hasRoute, isCalledByNest, isCalledOutside, servedOperation, type ServedOperation } from './mcp-frameworks.js';
import { OperationIndex, type FoundEntry, type Given, type OperationEntry } from './operation-index.js';
import { ResolvedOptions } from '../options/options.js';
import { handlerDeclaration, scopesDeclaration, type HandlerDeclaration } from './handler-declaration.js';

/** One declaration that holds for an operation. */
export interface Declared {
  readonly kind: OperationKind;
  /** As it was declared: tool or prompt name, URI, or URI template. */
  readonly name: string;
  readonly declaration: HandlerDeclaration;
  /** What its policies are asked with. */
  readonly given: Given;
}

/** What is declared for an operation, as far as one protected resource is concerned. */
export interface Declarations {
  readonly all: readonly Declared[];
  /** Whether all handlers that may serve it belong to other protected resources. */
  readonly isElsewhere: boolean;
}

type Wrapper = ReturnType<DiscoveryService['getProviders']>[number];

/** A method that an MCP framework calls by itself, so that Nest puts nothing around it. */
export interface DirectHandler {
  readonly classRef: Type<object>;
  readonly methodName: string;
  readonly method: object;
  /** What it serves, where that matters. */
  readonly operation?: ServedOperation | undefined;
}

/** A method of a controller or provider that a request can reach. */
type Handler = DirectHandler & DeclaredHandler;

/**
 * Finds out what the handlers of the application declare, and which MCP operation each of them serves, from the
 * metadata of the decorators alone: no MCP framework is imported. Reads the application once, when first asked.
 */
@Injectable()
export class HandlerExplorer {
  #handlers: readonly Handler[] | undefined;
  #index: OperationIndex | undefined;
  readonly #declarations = new WeakMap<object, WeakMap<object, HandlerDeclaration>>();
  /** By what is found in the index, and then by resource. */
  readonly #declared = new WeakMap<object, Map<string, Declarations>>();
  readonly #operations = new WeakMap<object, ServedOperation | null>();
  /** Classes of which it is known that what was written on them is still there. */
  readonly #intact = new WeakSet<object>();

  constructor(
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
    private readonly options: ResolvedOptions,
  ) {}

  /**
   * What a class and its method declare together.
   *
   * @throws {McpAuthConfigError} where it cannot be known, which the start of the application has not seen: classes may be
   * loaded later, and instances made.
   */
  declarationOf(classRef: object, method: object): HandlerDeclaration {
    if (!this.#intact.has(classRef)) this.#checkIntact(classRef);
    const known = this.#declarations.get(classRef)?.get(method);
    if (known) return known;
    checkIsMethod(classRef, method);
    return this.#declarationOf(classRef, method);
  }

  #checkIntact(classRef: object): void {
    const problems = typeof classRef === 'function' ? lostDeclarations(classRef as Type<object>) : [];
    if (problems.length > 0) throw new McpAuthConfigError(problems);
    this.#intact.add(classRef);
  }

  #declarationOf(classRef: object, method: object): HandlerDeclaration {
    const ofClass = this.#declarations.get(classRef);
    const known = ofClass?.get(method);
    if (known) return known;
    const declaration = handlerDeclaration(classRef, method);
    this.#declarations.set(classRef, (ofClass ?? new WeakMap<object, HandlerDeclaration>()).set(method, declaration));
    return declaration;
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
    if (operation === undefined) this.#operations.set(method, (operation = servedOperation(method) ?? null));
    return operation ?? undefined;
  }

  /** Every handler of an MCP operation, with what it declares. */
  get operations(): readonly { readonly operation: ServedOperation; readonly declaration: HandlerDeclaration }[] {
    return this.#all().flatMap(({ operation, declaration }) => (operation ? { operation, declaration } : []));
  }

  /** The handlers of MCP operations that are called by nothing but the MCP framework. */
  get directHandlers(): readonly DirectHandler[] {
    return this.#all().filter(isDirect);
  }

  /** Those of classes, so that no instance need be there yet: some frameworks look for handlers when they are instantiated. */
  get directHandlersOfClasses(): readonly DirectHandler[] {
    return this.#handlersOfClasses().filter(isDirect);
  }

  /** The classes of all controllers and providers. */
  get classes(): ReadonlySet<unknown> {
    return new Set(this.#wrappers().map(({ metatype }) => metatype));
  }

  /** The controllers and providers that live as long as the application. */
  get handlerObjects(): readonly object[] {
    return this.#wrappers().flatMap(({ instance }) => {
      const made: unknown = instance;
      return typeof made === 'object' && made !== null ? made : [];
    });
  }

  /** The handlers that Nest calls for messages and GraphQL operations, not for HTTP requests: those of classes, so that no instance need be there yet. */
  get rpcHandlers(): readonly DirectHandler[] {
    return this.#handlersOfClasses().filter(({ method }) => isCalledByNest(method) || isCalledOutside(method));
  }

  /** Every scope that a decorator or the options name for a resource, sorted. */
  declaredScopes(resourceId: string): string[] {
    const scopes = [...this.#all(), ...this.#configured()]
      .filter(({ declaration }) => concerns(declaration, resourceId))
      .flatMap(({ declaration: { requirement } }) => [...requirement.allOf, ...requirement.anyOf.flat()]);
    return [...new Set(scopes)].toSorted();
  }

  /**
   * Refuses to start an application whose decorators contradict each other or the options, or declare what would not hold.
   *
   * @throws {McpAuthConfigError} listing every problem.
   */
  check(): void {
    const problems = [
      ...this.#wrappers().flatMap((wrapper) =>
        classOf(wrapper).flatMap((classRef) => [
          ...declarationProblems(classRef),
          ...instanceProblems(classRef, wrapper.instance),
        ]),
      ),
      ...this.#all().flatMap((handler) => [
        ...contradictions(handler),
        ...resourceProblems(handler, this.options.resources),
      ]),
    ];
    const unique = new Map(problems.map((problem) => [JSON.stringify(problem), problem]));
    if (unique.size > 0) throw new McpAuthConfigError([...unique.values()]);
    for (const wrapper of this.#wrappers())
      for (const classRef of classOf(wrapper)) noteInstance(classRef, wrapper.instance);
  }

  /** What is declared in classes that no module lists, and that nothing is known to call for a request. */
  get unlisted(): readonly UnlistedMethod[] {
    return unlistedMethods(this.#wrappers().flatMap(classOf));
  }

  #served(): OperationEntry[] {
    return this.operations.map(({ operation: { kind, name, origin, syntax }, declaration }) => ({
      kind,
      name,
      origin,
      syntax,
      declaration,
    }));
  }

  #configured(): OperationEntry[] {
    return this.options.resources.flatMap(({ id, operationScopes }) =>
      operationScopes.map(({ kind, name, scopes }): OperationEntry => {
        return { kind, name, origin: 'options', declaration: scopesDeclaration(scopes, id) };
      }),
    );
  }

  #all(): readonly Handler[] {
    if (!this.#handlers) {
      const classes = this.#wrappers().flatMap(classOf);
      this.#handlers = [...new Set(classes)].flatMap((classRef) => this.#handlersOf(classRef));
    }
    return this.#handlers;
  }

  #handlersOfClasses(): Handler[] {
    const classes = this.#wrappers().flatMap(({ metatype, inject }) =>
      typeof metatype === 'function' && !inject ? [metatype as Type<object>] : [],
    );
    return [...new Set(classes)].flatMap((classRef) => this.#handlersOf(classRef));
  }

  #wrappers(): Wrapper[] {
    return [...this.discovery.getControllers(), ...this.discovery.getProviders()];
  }

  #handlersOf(classRef: Type<object>): Handler[] {
    const prototype = classRef.prototype as Record<string, unknown> | undefined;
    if (!prototype) return [];
    return this.scanner.getAllMethodNames(prototype).flatMap((methodName) => {
      const method = prototype[methodName] as object;
      const declaration = this.#declarationOf(classRef, method);
      const operation = servedOperation(method);
      const isRoute = hasRoute(method);
      if (!declaration.isDeclared && !operation && !isRoute) return [];
      return [{ classRef, methodName, method, isRoute, operation, declaration }];
    });
  }
}

/** Of what a factory made, or a value, the class it is an instance of: some MCP frameworks find handlers there, too. */
function classOf({ metatype, inject, instance }: Wrapper): Type<object>[] {
  if (typeof metatype === 'function' && !inject) return [metatype as Type<object>];
  const prototype: unknown =
    typeof instance === 'object' && instance !== null ? Object.getPrototypeOf(instance) : undefined;
  const made: unknown = (prototype as object | null | undefined)?.constructor;
  return typeof made === 'function' ? [made as Type<object>] : [];
}

function concerns({ resourceId }: HandlerDeclaration, id: string): boolean {
  return resourceId === undefined || resourceId === id;
}

function declarationsAt(resourceId: string, entries: readonly FoundEntry[]): Declarations {
  const here = entries.filter(({ entry }) => concerns(entry.declaration, resourceId));
  const all = here.map(({ entry: { kind, name, declaration }, given }) => ({ kind, name, declaration, given }));
  // What the options of another resource say does not make an operation one of that resource.
  const isServed = entries.some(({ entry }) => entry.origin !== 'options');
  return { all, isElsewhere: isServed && here.length === 0 };
}

function isDirect({ method, operation }: Handler): boolean {
  return operation !== undefined && !isCalledByNest(method);
}
