/** A value that is there already, or will be. */
export type MaybePromise<T> = T | Promise<T>;

/**
 * Goes on with a value: at once where it is there already, so that what needs no waiting is done without any. What the
 * function throws is thrown then, and otherwise rejects the promise.
 */
export function continueWith<T, R>(value: MaybePromise<T>, goOn: (value: T) => MaybePromise<R>): MaybePromise<R> {
  return value instanceof Promise ? value.then(goOn) : goOn(value);
}
