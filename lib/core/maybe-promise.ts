/** A value, or a promise of it. */
export type MaybePromise<T> = T | Promise<T>;

/**
 * Calls `proceed` with the value: synchronously if it is available, otherwise when the promise resolves. An error of
 * `proceed` is thrown in the first case, and rejects the promise in the second.
 */
export function continueWith<T, R>(value: MaybePromise<T>, proceed: (value: T) => MaybePromise<R>): MaybePromise<R> {
  return value instanceof Promise ? value.then(proceed) : proceed(value);
}
