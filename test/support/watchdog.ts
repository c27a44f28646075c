import { createContext, runInContext } from 'node:vm';

/** Far longer than any test here takes on a busy machine. Only code that is quadratic in its input takes longer. */
const TIMEOUT_MS = 60_000;

/**
 * Runs a function under a watchdog. Unlike the timeout of a test, it stops code that never returns to the event loop.
 *
 * @throws if the function does not end in time.
 */
export function withWatchdog<Result>(run: () => Result): Result {
  return runInContext('run()', createContext({ run }), { timeout: TIMEOUT_MS }) as Result;
}
