/**
 * Applies decorators to a method, as compiled code does.
 *
 * @param {new (...args: any[]) => object} target
 * @param {string} name
 * @param {MethodDecorator[]} decorators
 */
export function decorate(target, name, decorators) {
  const descriptor = Object.getOwnPropertyDescriptor(target.prototype, name);
  for (const decorator of decorators) decorator(target.prototype, name, descriptor);
}
