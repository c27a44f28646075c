import type { ServerResponse } from 'node:http';
import type { Head } from './write-head-hook.js';

const METHODS = ['writeHead', 'flushHeaders', 'write', 'end'] as const;
type Method = (typeof METHODS)[number];

/**
 * Holds an answer back from its head on, until something is done that must come before it. Then everything is written that was
 * held, in its order. The task must not reject, and must end by itself. What cannot be written ends the connection, unless the answer
 * is complete.
 *
 * @param task gets the head; undefined if nothing is to be done, and the answer need not wait
 */
export function holdAnswer(response: ServerResponse, task: (head: Head) => Promise<void> | undefined): void {
  const original = Object.fromEntries(METHODS.map((name) => [name, response[name]]));
  const calls: { readonly name: Method; readonly values: readonly unknown[] }[] = [];
  let isHeld = false;
  const call = (name: Method, values: readonly unknown[]): unknown =>
    Reflect.apply(original[name] as (...values: readonly unknown[]) => unknown, response, values);
  const release = (): void => {
    // The answer was refused meanwhile, because the token was revoked.
    if (response.headersSent) return;
    Object.assign(response, original);
    try {
      for (const { name, values } of calls) call(name, values);
    } catch {
      // Whoever wrote it, such as a middleware with a time limit that began a second answer, no longer waits for the error.
      if (!response.writableEnded) response.destroy();
    }
  };
  const begin = (name: Method, values: readonly unknown[]): unknown => {
    const doing = task(name === 'writeHead' ? (values as unknown as Head) : [response.statusCode]);
    if (!doing) {
      Object.assign(response, original);
      return call(name, values);
    }
    isHeld = true;
    void doing.then(release);
    return hold(name, values);
  };
  const hold = (name: Method, values: readonly unknown[]): unknown => {
    calls.push({ name, values });
    return name === 'write' ? true : response;
  };
  for (const name of METHODS) {
    const watched = (...values: unknown[]): unknown => (isHeld ? hold(name, values) : begin(name, values));
    response[name] = watched as never;
  }
}
