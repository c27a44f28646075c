import { THIS_COPY } from './package-copies.js';
import type { ResolvedOptions } from '../options/options.js';

/**
 * One instance of the module, identified by its validated options. A process may run several applications, each with
 * its instance. No instance uses the decisions of another.
 */
export type Instance = Pick<ResolvedOptions, 'resources'>;

/** The instances whose applications are running, each with the classes of its handlers. */
const running = new Map<Instance, ReadonlySet<unknown>>();

/** Registers an instance whose application has these controllers and providers. */
export function addInstance(instance: Instance, classes: ReadonlySet<unknown>): void {
  running.set(instance, classes);
  THIS_COPY.running = running.size;
}

/** Removes an instance whose application has closed. */
export function removeInstance(instance: Instance): void {
  running.delete(instance);
  THIS_COPY.running = running.size;
}

/**
 * The instances whose application may run a handler of this class, for code that Nest calls without an instance:
 * parameter decorators, interceptors of classes, wrapped methods. Returns all instances for a class that no application
 * lists.
 */
export function instancesWith(classRef: unknown): readonly Instance[] {
  const all = [...running.keys()];
  if (all.length < 2) return all;
  const listed = all.filter((instance) => running.get(instance)?.has(classRef));
  return listed.length > 0 ? listed : all;
}
