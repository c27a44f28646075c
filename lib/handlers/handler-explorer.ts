import { Injectable, type Type } from '@nestjs/common';
import { DiscoveryService, MetadataScanner } from '@nestjs/core';
import { McpAuthConfigError } from '../core/error.js';
import { declarationProblems, unlistedMethods, type UnlistedMethod } from './declaration-check.js';
import { contradictions, proofProblems, resourceProblems, type DeclaredHandler } from './handler-problems.js';
import { describedOperation } from './described-frameworks.js';
import { checkIsMethod, instanceProblems, noteInstance } from './instance-methods.js';
import { lostDeclarations } from './lost-declarations.js';
import {
  hasRoute,
  isCalledByNest,
  isCalledOutside,
  servedOperation,
  type KnownHandlers,
  type ServedOperation,
} from './mcp-frameworks.js';
import { ResolvedOptions } from '../options/options.js';
import type { PolicyOption } from '../options/policy-option.js';
import { handlerDeclaration, type HandlerDeclaration } from './handler-declaration.js';
import { unknownApis } from './unknown-apis.js';

type Wrapper = ReturnType<DiscoveryService['getProviders']>[number];

/** A method that an MCP framework calls directly. Nest does not run guards, pipes or interceptors for it. */
export interface DirectHandler {
  readonly classRef: Type<object>;
  readonly methodName: string;
  readonly method: object;
  /** The operation that it serves; undefined if it serves none, or if only the method matters. */
  readonly operation?: ServedOperation | undefined;
}

/** A handler and what class and method declare for it. */
export type ListedHandler = DirectHandler & Pick<DeclaredHandler, 'declaration'>;

/** A method of a controller or provider that a request can reach. */
type Handler = DirectHandler & DeclaredHandler;

/**
 * Finds the declarations of the application's handlers and the MCP operation that each of them serves. Reads only the
 * metadata of decorators, and imports no MCP framework. Reads the application once, when it is first needed.
 */
@Injectable()
export class HandlerExplorer implements KnownHandlers {
  #handlers: readonly Handler[] | undefined;
  readonly #declarations = new WeakMap<object, WeakMap<object, HandlerDeclaration>>();
  readonly #operations = new WeakMap<object, ServedOperation | null>();
  /** Classes that are known to have all of their declarations. */
  readonly #intact = new WeakSet<object>();

  constructor(
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
    private readonly options: ResolvedOptions,
  ) {}

  /**
   * What a class and its method declare together.
   *
   * @throws {McpAuthConfigError} when declarations are lost. The check at the start finds most of these, but classes may be
   * loaded later, and instances may be created later.
   */
  declarationOf(classRef: object, method: object): HandlerDeclaration {
    if (!this.#intact.has(classRef)) this.#checkIntact(classRef);
    const known = this.#declarations.get(classRef)?.get(method);
    if (known) return known;
    checkIsMethod(classRef, method);
    return this.#declarationOf(classRef, method);
  }

  #checkIntact(classRef: object): void {
    const problems = typeof classRef === 'function' ? lostDeclarations(classRef as Type<object>, this) : [];
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

  /** The operation that a method serves; undefined if it serves none. */
  operationOf(method: object): ServedOperation | undefined {
    let operation = this.#operations.get(method);
    if (operation === undefined) this.#operations.set(method, (operation = this.#operationOf(method) ?? null));
    return operation ?? undefined;
  }

  #operationOf(method: object): ServedOperation | undefined {
    return servedOperation(method) ?? describedOperation(method, this.options.frameworks);
  }

  /** The operation and the declaration of every handler of an MCP operation. */
  get operations(): readonly { readonly operation: ServedOperation; readonly declaration: HandlerDeclaration }[] {
    return this.#all().flatMap(({ operation, declaration }) => (operation ? { operation, declaration } : []));
  }

  /** The policies that decorators declare. */
  get policies(): ReadonlySet<PolicyOption> {
    return new Set(this.#all().flatMap(({ declaration }) => declaration.policies));
  }

  /** The methods that are routes, serve an MCP operation or declare something. */
  get handlers(): readonly ListedHandler[] {
    return this.#all();
  }

  /** The methods of controllers that are HTTP routes. A class and its subclass may have the same method. */
  get routeHandlers(): readonly DirectHandler[] {
    const controllers = new Set<unknown>(this.discovery.getControllers().map(({ metatype }) => metatype));
    return this.#all().filter(({ classRef, isRoute }) => isRoute && controllers.has(classRef));
  }

  /** The handlers of MCP operations that only the MCP framework calls. */
  get directHandlers(): readonly DirectHandler[] {
    return this.#all().filter(isDirect);
  }

  /**
   * The direct handlers of classes that Nest instantiates. Works before there are instances: some frameworks look for handlers
   * as soon as they are instantiated.
   */
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

  /**
   * The handlers that Nest calls for messages and GraphQL operations, not for HTTP requests. Reads only classes that Nest
   * instantiates, so it works before there are instances.
   */
  get rpcHandlers(): readonly DirectHandler[] {
    return this.#handlersOfClasses().filter(({ method }) => isCalledByNest(method) || isCalledOutside(method));
  }

  /**
   * Stops the start if decorators contradict each other or the options, or if a declaration could not be enforced.
   *
   * @throws {McpAuthConfigError} listing every problem.
   */
  check(): void {
    const problems = [
      ...this.#wrappers().flatMap((wrapper) =>
        classOf(wrapper).flatMap((classRef) => [
          ...declarationProblems(classRef, this),
          ...instanceProblems(classRef, wrapper.instance, this),
          ...unknownApis(classRef, this.options),
        ]),
      ),
      ...this.#all().flatMap((handler) => [
        ...contradictions(handler),
        ...resourceProblems(handler, this.options),
        ...proofProblems(handler, this.options.resources),
      ]),
    ];
    const unique = new Map(problems.map((problem) => [JSON.stringify(problem), problem]));
    if (unique.size > 0) throw new McpAuthConfigError([...unique.values()]);
    for (const wrapper of this.#wrappers())
      for (const classRef of classOf(wrapper)) noteInstance(classRef, wrapper.instance);
  }

  /** Decorated methods of classes that no module lists, if no known framework calls them for a request. */
  get unlisted(): readonly UnlistedMethod[] {
    return unlistedMethods(this.#wrappers().flatMap(classOf), this);
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
      const operation = this.operationOf(method);
      const isRoute = hasRoute(method);
      if (!declaration.isDeclared && !operation && !isRoute) return [];
      return [{ classRef, methodName, method, isRoute, operation, declaration }];
    });
  }
}

/** The class of a provider. For a factory or a value, the class of the instance: some MCP frameworks find its handlers too. */
function classOf({ metatype, inject, instance }: Wrapper): Type<object>[] {
  if (typeof metatype === 'function' && !inject) return [metatype as Type<object>];
  const prototype: unknown =
    typeof instance === 'object' && instance !== null ? Object.getPrototypeOf(instance) : undefined;
  const made: unknown = (prototype as object | null | undefined)?.constructor;
  return typeof made === 'function' ? [made as Type<object>] : [];
}

function isDirect({ method, operation }: Handler): boolean {
  return operation !== undefined && !isCalledByNest(method);
}
