import type { UnlistedMethod } from '../handlers/declaration-check.js';
import { logger } from '../observability/logger.js';

/** Classes that a warning was logged for. */
const warnedClasses = new WeakSet<object>();

/** Warns once for each class in the process, since the class may belong to another application. */
export function warnOfUnlisted(methods: readonly UnlistedMethod[]): void {
  for (const { classRef, name, decorator } of methods.filter((method) => !warnedClasses.has(method.classRef))) {
    warnedClasses.add(classRef);
    const what = `${name} has ${decorator}, but no module of this application lists its class, and no known framework calls it`;
    logger.warn(`${what}: calls of it are not checked. Move the decorator to the handler that calls it`);
  }
}
