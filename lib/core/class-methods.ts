/**
 * A method that the class of an object has. What clients send is deserialised: its members are its own, and none of them
 * is a function.
 */
export function methodOfClass(object: object, name: string): ((...args: unknown[]) => unknown) | undefined {
  const prototype: unknown = Object.getPrototypeOf(object);
  if (prototype === null || prototype === Object.prototype || Object.hasOwn(object, name)) return undefined;
  const method: unknown = Reflect.get(prototype as object, name, object);
  return typeof method === 'function' ? (method as (...args: unknown[]) => unknown) : undefined;
}
