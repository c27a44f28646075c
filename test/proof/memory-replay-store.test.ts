import { hash } from 'node:crypto';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { MemoryReplayStore, ReplayStoreFullError } from '../../lib/shared-state/memory-replay-store.js';
import { keepsReplayContract } from '../shared-state/replay-store.contract.js';
import { heapUsed } from '../support/heap-used.js';

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

const keyOf = (index: number): string => hash('sha256', String(index), 'base64url');

it('RFC9449-11.1-a: keeps 500,000 proofs in at most 110 bytes each', () => {
  const store = new MemoryReplayStore(500_000, Date.now);
  const until = Date.now() + 10 * MINUTE;
  const before = heapUsed();
  for (let index = 0; index < 500_000; index += 1) store.insertOnce(keyOf(index), until);
  expect((heapUsed() - before) / 500_000).toBeLessThan(110);
  expect(() => store.insertOnce('one more', until)).toThrow(ReplayStoreFullError);
});

it('RFC9449-11.1-a: keeps no more of a million proofs than those of the last minutes', () => {
  let now = 1_700_000_000_000;
  const store = new MemoryReplayStore(500_000, () => now);
  const before = heapUsed();
  for (let index = 0; index < 1_000_000; index += 1) {
    // A thousand a second: 17 minutes, each proof for 6 of them.
    now += 1;
    if (!store.insertOnce(keyOf(index), now + 6 * MINUTE)) throw new Error(`proof ${index} counts as used`);
  }
  // Those of 6 minutes, of the generation that is not over, and of the one before.
  const kept = 8 * 60_000;
  expect((heapUsed() - before) / kept).toBeLessThan(110);
  expect([0, 999_999].map((index) => store.insertOnce(keyOf(index), now + MINUTE))).toEqual([true, false]);
});
