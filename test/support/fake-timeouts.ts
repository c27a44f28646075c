import { jest } from '@jest/globals';

/** All timers but `setTimeout`. */
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

/** Lets `setTimeout` go by `jest.advanceTimersByTime`, and nothing else; `jest.useRealTimers()` ends it. */
export function fakeTimeouts(): void {
  jest.useFakeTimers({ doNotFake: [...OTHERS] });
}
