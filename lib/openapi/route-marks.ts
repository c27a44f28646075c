import 'reflect-metadata';
import type { DirectHandler } from '../handlers/handler-explorer.js';
import type { SecurityRequirement } from './document.js';

/** The key of `@nestjs/swagger` for the security requirements of a class or method (`DECORATORS.API_SECURITY`). */
const SECURITY_METADATA = 'swagger/apiSecurity';

/** The names of security requirements that stand for a class and for a method while the document is created. */
const CLASS_MARK = 'nestjs-mcp-auth:class';
const METHOD_MARK = 'nestjs-mcp-auth:method';

/** The class and the method of a route. */
export type MarkedRoute = Pick<DirectHandler, 'classRef' | 'method'>;

/**
 * Marks the classes and methods of routes while `@nestjs/swagger` reads them, so that each operation of the document
 * names its handler. The paths and operation ids of the document do not: two handlers may have the same id, and a
 * class and its subclass the same method.
 */
export class RouteMarks {
  readonly #targets: object[] = [];
  readonly #restore: (() => void)[] = [];

  /** Calls the function while the handlers are marked, and removes the marks afterwards. */
  during<Result>(handlers: readonly MarkedRoute[], create: () => Result): Result {
    try {
      for (const classRef of new Set(handlers.map((handler) => handler.classRef))) this.#mark(CLASS_MARK, classRef);
      for (const method of new Set(handlers.map((handler) => handler.method))) this.#mark(METHOD_MARK, method);
      return create();
    } finally {
      for (const restore of this.#restore.splice(0).toReversed()) restore();
    }
  }

  /** The handler that the marks of an operation name; undefined if it has none. */
  handlerOf(security: readonly SecurityRequirement[]): MarkedRoute | undefined {
    const classRef = this.#find(CLASS_MARK, security);
    const method = this.#find(METHOD_MARK, security);
    return classRef && method && { classRef: classRef as MarkedRoute['classRef'], method };
  }

  /** A subclass inherits the marks of its base class, but its own come first. */
  #find(mark: string, security: readonly SecurityRequirement[]): object | undefined {
    const [index] = security.find((requirement) => Object.hasOwn(requirement, mark))?.[mark] ?? [];
    return index === undefined ? undefined : this.#targets[Number(index)];
  }

  #mark(mark: string, target: object): void {
    const own = Reflect.getOwnMetadata(SECURITY_METADATA, target) as unknown;
    const declared = (Reflect.getMetadata(SECURITY_METADATA, target) ?? []) as readonly SecurityRequirement[];
    const index = String(this.#targets.push(target) - 1);
    Reflect.defineMetadata(SECURITY_METADATA, [{ [mark]: [index] }, ...declared], target);
    this.#restore.push(() => {
      if (own === undefined) Reflect.deleteMetadata(SECURITY_METADATA, target);
      else Reflect.defineMetadata(SECURITY_METADATA, own, target);
    });
  }
}

/** The security requirements without marks. */
export function withoutMarks(security: readonly SecurityRequirement[]): SecurityRequirement[] {
  return security.filter((one) => !Object.hasOwn(one, CLASS_MARK) && !Object.hasOwn(one, METHOD_MARK));
}
