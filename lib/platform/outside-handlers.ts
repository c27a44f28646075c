import { Injectable, type Type } from '@nestjs/common';
import { DiscoveryService, MetadataScanner } from '@nestjs/core';
import type { HandlerDeclaration } from '../handlers/handler-declaration.js';
import { HandlerExplorer, type DirectHandler } from '../handlers/handler-explorer.js';
import { OTHER_HANDLERS_METADATA } from '../handlers/mcp-frameworks.js';
import { boundTo, GUARDS_METADATA, PATTERN_METADATA } from '../handlers/nest-metadata.js';
import { callerParameters } from './caller-parameters.js';

/** The handlers that are neither HTTP routes nor MCP operations, and which of them decorators protect. */
@Injectable()
export class OutsideHandlers {
  readonly #wantingCaller = new WeakMap<object, boolean>();

  constructor(
    private readonly explorer: HandlerExplorer,
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
  ) {}

  /**
   * Whether a decorator protects the handler. One with `@AuthInfo()` also requires a caller: otherwise code that reads
   * `auth?.subject` would run without one.
   *
   * @param guard the class `McpAuthGuard`: a handler that binds it is protected
   */
  isProtected(handler: DirectHandler, guard: unknown): boolean {
    return this.#isDecorated(handler, guard) || (this.#wantsCaller(handler) && !this.declarationOf(handler).isPublic);
  }

  /** All of them, protected or not. */
  get all(): readonly DirectHandler[] {
    return this.withMetadata(PATTERN_METADATA, ...OTHER_HANDLERS_METADATA);
  }

  /** Whether calls of a handler are checked, with the guard global or only bound by decorators. */
  protects(handler: DirectHandler, guard: unknown, isGlobal: boolean): boolean {
    return isGlobal ? this.isProtected(handler, guard) : this.#isDecorated(handler, guard);
  }

  declarationOf({ classRef, method }: DirectHandler): HandlerDeclaration {
    return this.explorer.declarationOf(classRef, method);
  }

  /** The methods that have one of these metadata keys, and serve no MCP operation. Works before there are instances. */
  withMetadata(...keys: readonly string[]): DirectHandler[] {
    const wrappers = [...this.discovery.getControllers(), ...this.discovery.getProviders()];
    const classes = new Set(
      wrappers.flatMap(({ metatype, inject }) =>
        typeof metatype === 'function' && !inject ? [metatype as Type<object>] : [],
      ),
    );
    return [...classes].flatMap((classRef) => {
      const prototype = classRef.prototype as Record<string, object> | undefined;
      return this.scanner.getAllMethodNames(prototype ?? null).flatMap((methodName) => {
        const method = prototype?.[methodName];
        if (!method || !keys.some((key) => Reflect.hasMetadata(key, method))) return [];
        return this.explorer.operationOf(method) ? [] : [{ classRef, methodName, method }];
      });
    });
  }

  #isDecorated(handler: DirectHandler, guard: unknown): boolean {
    const { isDeclared, isPublic } = this.declarationOf(handler);
    return !isPublic && (isDeclared || isBoundTo(handler, guard));
  }

  #wantsCaller(handler: DirectHandler): boolean {
    let wants = this.#wantingCaller.get(handler.method);
    if (wants === undefined) this.#wantingCaller.set(handler.method, (wants = wantsCaller(handler)));
    return wants;
  }
}

export function nameOf({ classRef, methodName }: DirectHandler): string {
  return `${classRef.name}.${methodName}`;
}

function isBoundTo({ classRef, method }: DirectHandler, guard: unknown): boolean {
  return boundTo(classRef, method, GUARDS_METADATA).includes(guard);
}

/** Nest stores the metadata of parameters under the name of the method, which a decorator may have wrapped. */
function wantsCaller({ classRef, method, methodName }: DirectHandler): boolean {
  const prototype = classRef.prototype as Record<string, unknown>;
  const names = new Set([
    methodName,
    ...Object.getOwnPropertyNames(prototype).filter(
      (name) => Object.getOwnPropertyDescriptor(prototype, name)?.value === method,
    ),
  ]);
  return [...names].some((name) => callerParameters(classRef, name).length > 0);
}
