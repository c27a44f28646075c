import { randomUUID } from 'node:crypto';

/** Nest's number for `@Body()`, of which `@Args()` is an alias, and for `@Payload()` of microservices. */
const BODY = 3;

/**
 * Resolves the parameters of a method for Nest, except those of custom decorators, which Nest resolves itself. Throws
 * for other HTTP decorators of Nest, which have no meaning here: injecting undefined would hide the mistake.
 */
export const PARAMETERS = {
  exchangeKeyForValue(type: number, name: unknown, [args]: unknown[]): unknown {
    if (type !== BODY) throw new TypeError('Parameters of MCP methods are injected with @Args() and custom decorators');
    return typeof name === 'string' ? (args as Readonly<Record<string, unknown>>)[name] : args;
  },
};

/** The key by which Nest distinguishes controllers of the same name. Providers do not have it. */
const CLASS_ID = 'CONTROLLER_ID';

/**
 * Gives a class an identity besides its name. Nest 11 caches the parameters of methods by the names of class and method
 * only: of two classes with one name, one would get the parameters of the other, and could use an argument of the
 * client as the subject of its token.
 */
export function tellApart(classRef: object): void {
  if (Object.hasOwn(classRef, CLASS_ID)) return;
  Object.defineProperty(classRef, CLASS_ID, { value: randomUUID(), configurable: true });
}
