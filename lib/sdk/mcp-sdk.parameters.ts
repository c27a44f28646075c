import { randomUUID } from 'node:crypto';

/** Nest's number for `@Body()`, which `@Args()` is, and for `@Payload()` of microservices as well. */
const BODY = 3;

/**
 * Resolves the parameters of a method for Nest, other than those of custom decorators, which it resolves by itself.
 * Of Nest's HTTP decorators none has a meaning here; an undefined in its place would be found out too late.
 */
export const PARAMETERS = {
  exchangeKeyForValue(type: number, name: unknown, [args]: unknown[]): unknown {
    if (type !== BODY) throw new TypeError('Parameters of MCP methods are injected with @Args() and custom decorators');
    return typeof name === 'string' ? (args as Readonly<Record<string, unknown>>)[name] : args;
  },
};

/** By which Nest tells controllers apart that have the same name; providers have none. */
const CLASS_ID = 'CONTROLLER_ID';

/**
 * Gives a class an identity besides its name. Nest 11 remembers the parameters of methods by the names of class and
 * method alone: of two classes of one name, one would be called with the parameters of the other, and take an argument
 * of the client for the subject of its token.
 */
export function tellApart(classRef: object): void {
  if (Object.hasOwn(classRef, CLASS_ID)) return;
  Object.defineProperty(classRef, CLASS_ID, { value: randomUUID(), configurable: true });
}
