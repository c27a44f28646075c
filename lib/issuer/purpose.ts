import { timeBetween } from '../core/clock.js';

/**
 * Why an authorization server is asked: because a token needs it, or to be prepared when the application starts. A failure at
 * the start does not hold off the requests that tokens need: the server may have been started a moment later.
 */
export type Purpose = 'token' | 'start';

/** An attempt that failed. */
export interface FailedAttempt {
  readonly error: unknown;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly purpose: Purpose;
}

/** Whether a failure is too recent for another attempt with this purpose. */
export function holdsOff(
  failure: FailedAttempt | undefined,
  purpose: Purpose,
  now: number,
  coolDownMs: number,
): boolean {
  if (!failure || (failure.purpose === 'start' && purpose === 'token')) return false;
  return timeBetween(now, failure.at) < coolDownMs;
}
