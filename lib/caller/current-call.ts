import { AsyncLocalStorage } from 'node:async_hooks';
import type { AuthorizedCall } from './authorized-call.js';
import type { Instance } from './module-instances.js';

/** A request being served, and the call that the guard admitted for it. */
interface TrackedRequest {
  /** Node's request. */
  readonly request: object | undefined;
  call: AuthorizedCall | undefined;
}

const MIXED_UP =
  'A request reached the guard of McpAuthModule in the asynchronous context of another request, so McpAuthService.authInfo ' +
  'would return the wrong caller. Some middleware calls next() from a callback of the other request: wrap that callback ' +
  'with AsyncResource.bind(), or set followCaller: false if you do not use authInfo';

/** The requests being served, per instance. */
const tracked = new WeakMap<Instance, AsyncLocalStorage<TrackedRequest>>();

/** The instances that make the caller available below handlers. */
const tracking = new WeakSet<Instance>();

/** On Node's request: the instance that tracked it last. */
const TRACKED_BY = Symbol('tracked by');

/** Records that this instance makes the caller available below handlers. */
export function startTracking(instance: Instance): void {
  tracking.add(instance);
}

/** Whether this instance makes the caller available below handlers. */
export function isTracking(instance: Instance): boolean {
  return tracking.has(instance);
}

/**
 * Runs the function that serves a request, with everything it starts, in a context where {@link currentCall} finds the
 * call.
 */
export function trackRequest(request: object, instance: Instance, run: () => void): void {
  (request as { [TRACKED_BY]?: Instance })[TRACKED_BY] = instance;
  storageOf(instance).run({ request, call: undefined }, run);
}

/** Runs the function, with everything it starts, with this call as the current one of the instance. */
export function runInCall<T>(call: AuthorizedCall, instance: Instance, run: () => T): T {
  return storageOf(instance).run({ request: undefined, call }, run);
}

/** The current call; undefined outside of a request that the instance admitted, and if it tracks no requests. */
export function currentCall(instance: Instance): AuthorizedCall | undefined {
  return tracked.get(instance)?.getStore()?.call;
}

/**
 * Makes an admitted call the current one, if its request is tracked.
 *
 * @param request Node's
 * @throws if the current asynchronous context belongs to another request, whose caller `authInfo` would then return. For
 * example, middleware with a pool may continue one request from a callback of another.
 */
export function setCurrentCall(request: object, call: AuthorizedCall, instance: Instance): void {
  const current = tracked.get(instance)?.getStore();
  if (!current) return;
  // A request can be dispatched within another one, without passing the code that tracks requests.
  if (current.request === request) current.call = call;
  else if ((request as { [TRACKED_BY]?: Instance })[TRACKED_BY] === instance) throw new Error(MIXED_UP);
}

function storageOf(instance: Instance): AsyncLocalStorage<TrackedRequest> {
  const known = tracked.get(instance);
  if (known) return known;
  const storage = new AsyncLocalStorage<TrackedRequest>();
  tracked.set(instance, storage);
  return storage;
}
