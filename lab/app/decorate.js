/** Applies decorators to a method and to its parameters, as compiled code does. */
export function decorate(target, name, decorators, ofParameters = []) {
  ofParameters.forEach((decorator, index) => decorator(target.prototype, name, index));
  const descriptor = Object.getOwnPropertyDescriptor(target.prototype, name);
  for (const decorator of decorators) decorator(target.prototype, name, descriptor);
}
