import { THIS_COPY } from './package-copies.js';
import type { ResolvedOptions } from '../options/options.js';

/**
 * One instance of the module, known by its validated options: every import has its own. A process may have several, since
 * it may run several applications. What one of them has decided counts for no other.
 */
export type Instance = Pick<ResolvedOptions, 'resources'>;

/** The instances of the module whose applications are running, and the classes of the handlers of each. */
const running = new Map<Instance, ReadonlySet<unknown>>();

/** Registers an instance whose application has these controllers and providers. */
export function addInstance(instance: Instance, classes: ReadonlySet<unknown>): void {
  running.set(instance, classes);
  THIS_COPY.running = running.size;
}

/** Forgets an instance whose application has ended. */
export function removeInstance(instance: Instance): void {
  running.delete(instance);
  THIS_COPY.running = running.size;
}

/**
 * The instances whose application may run a handler of this class, for code that Nest calls without an instance: parameter
 * decorators, interceptors of classes, wrapped methods. All of them for a class that no application has listed.
 */
export function instancesWith(classRef: unknown): readonly Instance[] {
  const all = [...running.keys()];
  if (all.length < 2) return all;
  const listed = all.filter((instance) => running.get(instance)?.has(classRef));
  return listed.length > 0 ? listed : all;
}
