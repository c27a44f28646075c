import { beforeEach, describe, expect, it } from '@jest/globals';
import { MemoryReplayStore, ReplayStoreFullError } from '../../lib/shared-state/memory-replay-store.js';
import { keepsReplayContract } from '../shared-state/replay-store.contract.js';

const MINUTE = 60_000;

describe('MemoryReplayStore, as every store', () => {
  const store = new MemoryReplayStore(1_000, Date.now);
  keepsReplayContract(() => [store, store]);
});

describe('MemoryReplayStore', () => {
  let now: number;
  let store: MemoryReplayStore;
  beforeEach(() => {
    now = 1_700_000_000_000;
    store = new MemoryReplayStore(10, () => now);
  });

  const fill = (count: number, until: number): void => {
    for (let index = 0; index < count; index += 1) store.insertOnce(`${until} ${index}`, until);
  };

  it('RFC9449-11.1-a: inserts a key once, whatever the time it is given', () => {
    expect(store.insertOnce('a', now + MINUTE)).toBe(true);
    expect(store.insertOnce('a', now + MINUTE)).toBe(false);
    expect(store.insertOnce('a', now + 9 * MINUTE)).toBe(false);
    expect(store.insertOnce('b', now + MINUTE)).toBe(true);
  });

  it('RFC9449-11.1-a: remembers a key until its time', () => {
    store.insertOnce('a', now + 10 * MINUTE);
    now += 10 * MINUTE;
    fill(5, now + MINUTE);
    expect(store.insertOnce('a', now)).toBe(false);
  });

  it('forgets keys after their time, to make room', () => {
    fill(10, now + MINUTE);
    now += 3 * MINUTE;
    expect(store.insertOnce('a', now + MINUTE)).toBe(true);
    fill(9, now + MINUTE);
    expect(() => store.insertOnce('b', now + MINUTE)).toThrow(ReplayStoreFullError);
  });

  it('RFC9449-11.1-a: throws rather than forgets when it is full', () => {
    fill(10, now + 5 * MINUTE);
    expect(() => store.insertOnce('a', now + MINUTE)).toThrow(ReplayStoreFullError);
    expect(store.insertOnce(`${now + 5 * MINUTE} 3`, now + MINUTE)).toBe(false);
  });
});

it('RFC9449-11.1-a: keeps 500,000 proofs in at most 110 bytes each', () => {
  const collect = (globalThis as { gc?: () => void }).gc;
  const store = new MemoryReplayStore(500_000, Date.now);
  const until = Date.now() + 10 * MINUTE;
  const before = process.memoryUsage().heapUsed;
  for (let index = 0; index < 500_000; index += 1) store.insertOnce(String(index).padStart(43, '-'), until);
  collect?.();
  // Without a collection, the figure holds garbage, too.
  const limit = collect ? 110 : 400;
  expect((process.memoryUsage().heapUsed - before) / 500_000).toBeLessThan(limit);
  expect(() => store.insertOnce('one more', until)).toThrow(ReplayStoreFullError);
});
