import { timeBetween } from '../core/clock.js';

/**
 * Why an authorization server is asked: for a token, or in advance at the start of the application. A failure at the start does
 * not delay requests for tokens, since the server may have started a moment later.
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
