import { beforeEach, describe, expect, it } from '@jest/globals';
import { ExpiringMap, StorePart } from '../../lib/token/expiring-map.js';

describe('ExpiringMap', () => {
  let now: number;
  let store: ExpiringMap<unknown>;
  beforeEach(() => {
    now = 1_700_000_000_000;
    store = new ExpiringMap(100, () => now);
  });

  it('has nothing that was not put there', () => {
    expect(store.get('a')).toBeUndefined();
    for (const key of ['__proto__', 'constructor', 'toString', '']) expect(store.get(key)).toBeUndefined();
  });

  it('returns a value until its time, and from then on nothing', () => {
    store.set('a', { x: 1 }, now + 1_000);
    expect(store.get('a')).toEqual({ x: 1 });
    now += 999;
    expect(store.get('a')).toEqual({ x: 1 });
    now += 1;
    expect(store.get('a')).toBeUndefined();
  });

  it('never returns a value again that has had its time, even if the clock is set back', () => {
    store.set('a', 1, now + 1_000);
    now += 1_000;
    expect(store.get('a')).toBeUndefined();
    now -= 500;
    expect(store.get('a')).toBeUndefined();
  });

  it('returns nothing whose time was over before it was put there', () => {
    store.set('a', 1, now);
    store.set('b', 1, now - 1);
    expect([store.get('a'), store.get('b')]).toEqual([undefined, undefined]);
  });

  it('keeps a value for ever whose time is Infinity', () => {
    store.set('a', 1, Infinity);
    now += 1e12;
    expect(store.get('a')).toBe(1);
  });

  it('replaces a value, and with it its time', () => {
    store.set('a', 1, now + 1_000);
    store.set('a', 2, now + 5_000);
    now += 2_000;
    expect(store.get('a')).toBe(2);
    store.set('a', 3, now + 10);
    now += 10;
    expect(store.get('a')).toBeUndefined();
  });

  it('forgets a value on demand, and only that one', () => {
    store.set('a', 1, now + 1_000);
    store.set('b', 2, now + 1_000);
    store.delete('a');
    store.delete('never-there');
    expect([store.get('a'), store.get('b')]).toEqual([undefined, 2]);
  });

  it('keeps values apart, whatever the keys', () => {
    const keys = ['a', 'A', 'a ', ' a', 'a\0', '\u00e4', 'a\u0308', '__proto__', 'constructor', ''];
    for (const [index, key] of keys.entries()) store.set(key, index + 1, now + 1_000);
    for (const [index, key] of keys.entries()) expect(store.get(key)).toBe(index + 1);
  });

  it('takes values that are falsy for what they are', () => {
    for (const value of [false, 0, '', null]) {
      store.set('a', value, now + 1_000);
      expect(store.get('a')).toBe(value);
    }
  });

  it('has no more entries than it has room for, however many are put there', () => {
    const small = new ExpiringMap(3, () => now);
    const keys = Array.from({ length: 50 }, (_, index) => `key-${index}`);
    for (const key of keys) small.set(key, key, now + 1_000);
    const kept = [];
    for (const key of keys) kept.push(small.get(key));
    expect(kept.filter((value) => value !== undefined).length).toBeLessThanOrEqual(3);
    expect(kept.at(-1)).toBe('key-49');
  });

  it('gives up first what was not used for the longest time', () => {
    const small = new ExpiringMap(2, () => now);
    small.set('a', 1, now + 1_000);
    small.set('b', 2, now + 1_000);
    small.get('a');
    small.set('c', 3, now + 1_000);
    expect([small.get('a'), small.get('b'), small.get('c')]).toEqual([1, undefined, 3]);
  });
});

it('parts of a store share its limit, and no key', () => {
  const store = new ExpiringMap<unknown>(2, () => 0);
  const [one, other] = [new StorePart(store, 'one'), new StorePart(store, 'other')];
  one.set('a', 1, 10);
  other.set('a', 2, 10);
  expect([one.get('a'), other.get('a'), store.get('a')]).toEqual([1, 2, undefined]);
  one.delete('a');
  expect([one.get('a'), other.get('a')]).toEqual([undefined, 2]);
  one.set('b', 3, 10);
  one.set('c', 4, 10);
  expect([one.get('b'), one.get('c'), other.get('a')]).toEqual([3, 4, undefined]);
  one.set('d', 5, 0);
  expect(one.get('d')).toBeUndefined();
});
