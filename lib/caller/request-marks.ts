import type { AuthorizedCall } from './authorized-call.js';
import { Caller } from './caller.js';
import type { Instance } from './module-instances.js';
import { nodeRequest, type HttpRequest } from '../request/http-message.js';

/** What one instance of the module knows about Node's request. */
export interface Mark {
  readonly request: object;
  readonly instance: Instance;
  /** Undefined if the request has entered the application of this instance, but was not admitted. */
  readonly call: AuthorizedCall | undefined;
  /** The mark of the instance that saw the request before. At most one per instance. */
  readonly outer: Mark | undefined;
}

/** On Node's request: the admitted call. Only this file can write it; other code reads `request.auth`. */
const MARK = Symbol('mark');

/** The member that this file adds to Node's request. */
interface Marked {
  /** Contains its request: a mark that was copied to another request does not count. */
  [MARK]?: Mark;
}

/**
 * Records that a request, which another instance has seen, entered the application of this instance. Removes the caller
 * of the other instance, which means nothing here. Does nothing for a request that no instance has seen.
 */
export function enterApplication(request: HttpRequest, instance: Instance): void {
  const source = nodeRequest(request);
  const last = lastMark(source);
  if (!last || last.instance === instance) return;
  mark(source, instance, undefined);
  for (const field of CALLER_FIELDS) {
    const value = source[field];
    if (Caller.callOf(value))
      Object.defineProperty(source, field, { value: undefined, configurable: true, enumerable: true, writable: true });
  }
}

/** The fields in which the guard leaves the caller for other code. */
const CALLER_FIELDS = ['auth', 'user'] as const;

/** Marks a request with the call that this instance admitted for it. */
export function mark(source: HttpRequest, instance: Instance, call: AuthorizedCall | undefined): void {
  const last = lastMark(source);
  (source as Marked)[MARK] = { request: source, instance, call, outer: last && withoutMarkOf(instance, last) };
}

function withoutMarkOf(instance: Instance, one: Mark): Mark | undefined {
  const outer = one.outer && withoutMarkOf(instance, one.outer);
  if (one.instance === instance) return outer;
  return outer === one.outer ? one : { ...one, outer };
}

/** The mark of the instance that saw the request last. */
export function lastMark(source: HttpRequest): Mark | undefined {
  const last = (source as Marked)[MARK];
  return last?.request === source ? last : undefined;
}

/** The call that this instance admitted for the request. Ignores the calls of other instances. */
export function callOfRequest(request: HttpRequest, instance: Instance): AuthorizedCall | undefined {
  let one = lastMark(nodeRequest(request));
  while (one && one.instance !== instance) one = one.outer;
  return one?.call;
}
