/** A value that is there already, or will be. */
export type Soon<T> = T | Promise<T>;

/**
 * Goes on with a value: at once where it is there already, so that what needs no waiting is done without any. What the
 * function throws is thrown then, and otherwise rejects the promise.
 */
export function andThen<T, R>(value: Soon<T>, goOn: (value: T) => Soon<R>): Soon<R> {
  return value instanceof Promise ? value.then(goOn) : goOn(value);
}
