import { createContext, runInContext } from 'node:vm';

/** Far more than anything here takes, however busy the machine; what grows with the square of its input takes longer. */
const TIMEOUT_MS = 60_000;

/**
 * Runs it under a watchdog, which, unlike the time limit of a test, ends what never comes back to the event loop.
 *
 * @throws if it does not end.
 */
export function withWatchdog<Result>(run: () => Result): Result {
  return runInContext('run()', createContext({ run }), { timeout: TIMEOUT_MS }) as Result;
}
