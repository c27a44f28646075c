import { jest } from '@jest/globals';

/** All timers except `setTimeout`. */
const OTHERS = [
  'Date',
  'hrtime',
  'nextTick',
  'performance',
  'queueMicrotask',
  'setImmediate',
  'clearImmediate',
  'setInterval',
  'clearInterval',
] as const;

/** Fakes only `setTimeout`, which then follows `jest.advanceTimersByTime`; `jest.useRealTimers()` ends it. */
export function fakeTimeouts(): void {
  jest.useFakeTimers({ doNotFake: [...OTHERS] });
}
