import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Deadline, withinTime } from '../../lib/core/deadline.js';
import { fakeTimeouts } from '../support/fake-timeouts.js';

const TIME_IS_OVER = { name: 'TimeoutError', message: 'The time is over' };
const IS_CLOSING = { name: 'AbortError', message: 'The application is closing' };

beforeEach(fakeTimeouts);
afterEach(() => {
  jest.useRealTimers();
});

/** Never answers. */
const hanging = (): Promise<never> => new Promise(() => undefined);

describe('a deadline', () => {
  it('aborts when its time is over, not before', async () => {
    const deadline = new Deadline({ timeoutMs: 100 });
    jest.advanceTimersByTime(99);
    expect(deadline.signal.aborted).toBe(false);
    jest.advanceTimersByTime(1);
    expect(deadline.signal.reason).toMatchObject(TIME_IS_OVER);
    await expect(deadline.passed).rejects.toMatchObject(TIME_IS_OVER);
  });

  it('aborts when the application closes, and at once if it has', async () => {
    const closing = new AbortController();
    const deadline = new Deadline({ timeoutMs: 100, closing: closing.signal });
    expect(deadline.signal.aborted).toBe(false);
    closing.abort();
    await expect(deadline.passed).rejects.toMatchObject(IS_CLOSING);
    expect(new Deadline({ timeoutMs: 100, closing: closing.signal }).signal.reason).toMatchObject(IS_CLOSING);
  });

  it('does nothing any more when it is cleared', () => {
    const closing = new AbortController();
    const deadline = new Deadline({ timeoutMs: 100, closing: closing.signal });
    deadline.clear();
    closing.abort();
    jest.advanceTimersByTime(100);
    expect(deadline.signal.aborted).toBe(false);
    expect(jest.getTimerCount()).toBe(0);
  });
});

describe('work within a time', () => {
  it('gives its value, or throws its error, and leaves no timer', async () => {
    const limit = { timeoutMs: 100 };
    await expect(withinTime(() => 'now', limit)).resolves.toBe('now');
    await expect(withinTime(() => Promise.resolve('later'), limit)).resolves.toBe('later');
    const broken = new Error('broken');
    await expect(withinTime(() => Promise.reject(broken), limit)).rejects.toBe(broken);
    const throws = (): never => {
      throw broken;
    };
    await expect(withinTime(throws, limit)).rejects.toBe(broken);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('ends with its time', async () => {
    const answer = withinTime(hanging, { timeoutMs: 100 });
    jest.advanceTimersByTime(100);
    await expect(answer).rejects.toMatchObject(TIME_IS_OVER);
  });
});
