import { beforeEach, describe, expect, it } from '@jest/globals';
import type { ExpiringStore } from '../../lib/token/expiring-store.js';
import { ExpiringMap } from '../../lib/token/expiring-map.js';

// What every store must do, whatever it keeps its entries in.

interface Implementation {
  readonly name: string;
  /** A store of its own with room for that many entries, by that clock. */
  readonly create: (maxEntries: number, now: () => number) => ExpiringStore<unknown>;
}

const IMPLEMENTATIONS: readonly Implementation[] = [
  { name: 'MemoryStore', create: (maxEntries, now) => new ExpiringMap(maxEntries, now) },
];

describe.each(IMPLEMENTATIONS)('$name', ({ create }) => {
  let now: number;
  let store: ExpiringStore<unknown>;
  beforeEach(() => {
    now = 1_700_000_000_000;
    store = create(100, () => now);
  });

  it('has nothing that was not put there', async () => {
    expect(await store.get('a')).toBeUndefined();
    for (const key of ['__proto__', 'constructor', 'toString', '']) expect(await store.get(key)).toBeUndefined();
  });

  it('returns a value until its time, and from then on nothing', async () => {
    await store.set('a', { x: 1 }, now + 1_000);
    expect(await store.get('a')).toEqual({ x: 1 });
    now += 999;
    expect(await store.get('a')).toEqual({ x: 1 });
    now += 1;
    expect(await store.get('a')).toBeUndefined();
  });

  it('never returns a value again that has had its time, even if the clock is set back', async () => {
    await store.set('a', 1, now + 1_000);
    now += 1_000;
    expect(await store.get('a')).toBeUndefined();
    now -= 500;
    expect(await store.get('a')).toBeUndefined();
  });

  it('returns nothing whose time was over before it was put there', async () => {
    await store.set('a', 1, now);
    await store.set('b', 1, now - 1);
    expect([await store.get('a'), await store.get('b')]).toEqual([undefined, undefined]);
  });

  it('keeps a value for ever whose time is Infinity', async () => {
    await store.set('a', 1, Infinity);
    now += 1e12;
    expect(await store.get('a')).toBe(1);
  });

  it('replaces a value, and with it its time', async () => {
    await store.set('a', 1, now + 1_000);
    await store.set('a', 2, now + 5_000);
    now += 2_000;
    expect(await store.get('a')).toBe(2);
    await store.set('a', 3, now + 10);
    now += 10;
    expect(await store.get('a')).toBeUndefined();
  });

  it('forgets a value on demand, and only that one', async () => {
    await store.set('a', 1, now + 1_000);
    await store.set('b', 2, now + 1_000);
    await store.delete('a');
    await store.delete('never-there');
    expect([await store.get('a'), await store.get('b')]).toEqual([undefined, 2]);
  });

  it('keeps values apart, whatever the keys', async () => {
    const keys = ['a', 'A', 'a ', ' a', 'a\0', '\u00e4', 'a\u0308', '__proto__', 'constructor', ''];
    for (const [index, key] of keys.entries()) await store.set(key, index + 1, now + 1_000);
    for (const [index, key] of keys.entries()) expect(await store.get(key)).toBe(index + 1);
  });

  it('takes values that are falsy for what they are', async () => {
    for (const value of [false, 0, '', null]) {
      await store.set('a', value, now + 1_000);
      expect(await store.get('a')).toBe(value);
    }
  });

  it('has no more entries than it has room for, however many are put there', async () => {
    const small = create(3, () => now);
    const keys = Array.from({ length: 50 }, (_, index) => `key-${index}`);
    for (const key of keys) await small.set(key, key, now + 1_000);
    const kept = [];
    for (const key of keys) kept.push(await small.get(key));
    expect(kept.filter((value) => value !== undefined).length).toBeLessThanOrEqual(3);
    expect(kept.at(-1)).toBe('key-49');
  });

  it('gives up first what was not used for the longest time', async () => {
    const small = create(2, () => now);
    await small.set('a', 1, now + 1_000);
    await small.set('b', 2, now + 1_000);
    await small.get('a');
    await small.set('c', 3, now + 1_000);
    expect([await small.get('a'), await small.get('b'), await small.get('c')]).toEqual([1, undefined, 3]);
  });
});
