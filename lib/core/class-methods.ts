/**
 * A method of the object's class; undefined for own members. Deserialised input of clients has only own members, so it
 * can never provide the method.
 */
export function methodOfClass(object: object, name: string): ((...args: unknown[]) => unknown) | undefined {
  const prototype: unknown = Object.getPrototypeOf(object);
  if (prototype === null || prototype === Object.prototype || Object.hasOwn(object, name)) return undefined;
  const method: unknown = Reflect.get(prototype as object, name, object);
  return typeof method === 'function' ? (method as (...args: unknown[]) => unknown) : undefined;
}
