import { hash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { OwnedIds } from '../../lib/authorization/owned-ids.js';
import { always } from '../fuzz/property.js';
import { heapUsed } from '../support/heap-used.js';

const LIMITS = { perOwner: 3, inAll: 7 };

function textOf(ids: readonly ({ readonly owner: string; readonly value: number } | undefined)[]): string {
  return ids.map((one) => one && `${one.owner} ${one.value}`).join();
}

describe('ids and whose they are', () => {
  it('are forgotten where their owner adds too many, the least recently used first', () => {
    const ids = new OwnedIds<undefined>(LIMITS);
    for (const id of ['a', 'b', 'c']) ids.add(id, 'alice', undefined);
    expect(ids.use('a', 'alice')).toMatchObject({ owner: 'alice' });
    // Who is refused has not used it.
    expect(ids.use('b', 'bob')).toBe('of another');
    ids.add('d', 'alice', undefined);
    expect(['a', 'b', 'c', 'd'].filter((id) => ids.get(id))).toEqual(['a', 'c', 'd']);
  });

  it('belong to whom they were added for last', () => {
    const ids = new OwnedIds<string>(LIMITS);
    ids.add('a', 'alice', 'x');
    ids.add('a', 'bob', 'y');
    expect(ids.get('a')).toMatchObject({ owner: 'bob', value: 'y' });
    ids.delete('a');
    expect(ids.get('a')).toBeUndefined();
  });

  it('may be of any length and any characters, and are told apart', () => {
    const ids = new OwnedIds<undefined>({ perOwner: 10, inAll: 10 });
    const long = 'x'.repeat(300_000);
    const all = ['__proto__', 'constructor', 'ü', 'u\u0308', ' ', long, `${long}y`];
    for (const [index, id] of all.entries()) ids.add(id, `owner ${index}`, undefined);
    expect(all.map((id) => ids.get(id)?.owner)).toEqual(all.map((_id, index) => `owner ${index}`));
    expect(ids.use(long, `owner ${all.indexOf(long)}`)).toBeDefined();
    for (const id of all) ids.delete(id);
    expect(all.filter((id) => ids.get(id))).toEqual([]);
  });

  it('are kept as they are up to 256 characters, and as a hash beyond', () => {
    const ids = new OwnedIds<undefined>({ perOwner: 10, inAll: 10 });
    const keyOf = (id: string): string => `${hash('sha256', id, 'base64url')} of ${id.length}`;
    const [longest, longer] = ['x'.repeat(256), 'x'.repeat(257)];
    for (const id of [longest, longer]) ids.add(id, 'alice', undefined);
    const found = [longest, keyOf(longest), longer, keyOf(longer)].map((id) => ids.get(id)?.owner);
    expect(found).toEqual(['alice', undefined, 'alice', 'alice']);
  });

  it('give way to those of others only where the store is full, and then the least recently used one of all', () => {
    const ids = new OwnedIds<undefined>(LIMITS);
    const kept = (): string => [...'abcdefghijk'].filter((id) => ids.get(id)).join('');
    for (const [id, owner] of ['a alice', 'b bob', 'c carol', 'd dave', 'e alice', 'f bob', 'g carol'].map((one) =>
      one.split(' '),
    ))
      ids.add(id as string, owner as string, undefined);
    ids.use('a', 'alice');
    expect(kept()).toBe('abcdefg');
    ids.add('h', 'erin', undefined);
    expect(kept()).toBe('acdefgh');
    // Who has ids in a full store loses one of them.
    ids.add('i', 'alice', undefined);
    expect(kept()).toBe('acdfghi');
  });

  it('count for their owner also after one of them was removed', () => {
    const ids = new OwnedIds<undefined>(LIMITS);
    for (const id of ['a', 'b', 'c']) ids.add(id, 'alice', undefined);
    ids.delete('c');
    for (const id of ['d', 'e']) ids.add(id, 'alice', undefined);
    expect(['a', 'b', 'c', 'd', 'e'].filter((id) => ids.get(id))).toEqual(['b', 'd', 'e']);
  });

  it('leave nothing in memory of owners who have none left', () => {
    const ids = new OwnedIds<undefined>({ perOwner: 10, inAll: 10 });
    const before = heapUsed();
    for (let index = 0; index < 20_000; index += 1) ids.add(`${index}`, `${'x'.repeat(1_000)} ${index}`, undefined);
    expect(heapUsed() - before).toBeLessThan(4_000_000);
    expect(ids.get('19999')).toBeDefined();
  });

  it('are never more than the limits say, and one owner pushes out one id of others at most', () => {
    const owner = fc.constantFrom('alice', 'bob', 'carol', 'dave');
    const added = fc.record({ owner, id: fc.nat(30), isUse: fc.boolean() });
    always(500, fc.array(added, { maxLength: 80 }), (steps) => {
      const ids = new OwnedIds<undefined>(LIMITS);
      const known = new Map<string, string>();
      for (const { owner: by, id, isUse } of steps) {
        const name = `${by} ${id}`;
        if (isUse) {
          ids.use(name, by);
          continue;
        }
        const before = [...known].filter(([one]) => ids.get(one));
        const hadAny = before.some(([, whose]) => whose === by);
        ids.add(name, by, undefined);
        known.set(name, by);
        const lost = before.filter(([one]) => !ids.get(one));
        expect(lost.length).toBeLessThanOrEqual(1);
        expect(lost.some(([, whose]) => whose !== by) && hadAny).toBe(false);
        const kept = [...known].filter(([one]) => ids.get(one));
        expect(kept.length).toBeLessThanOrEqual(LIMITS.inAll);
        expect(kept.filter(([, whose]) => whose === by).length).toBeLessThanOrEqual(LIMITS.perOwner);
        expect(ids.get(name)?.owner).toBe(by);
      }
    });
  });

  it('give way one at a time: the least recently used one of who adds, or of all where others have filled the store', () => {
    const step = fc.record({
      by: fc.constantFrom('alice', 'bob', 'carol', 'dave'),
      id: fc.nat(12),
      what: fc.constantFrom('add', 'add', 'add', 'add fewer', 'use', 'delete'),
    });
    always(400, fc.array(step, { maxLength: 60 }), (steps) => {
      const ids = new OwnedIds<number>(LIMITS);
      /** In the order of their last use. */
      let expected: { id: string; owner: string; value: number }[] = [];
      for (const [value, { by, id: number, what }] of steps.entries()) {
        const id = String(number);
        const before = expected.find((one) => one.id === id);
        if (what === 'use') {
          const answer = before === undefined ? undefined : before.owner === by ? before : 'of another';
          const used = ids.use(id, by);
          expect(typeof used === 'object' ? used.value : used).toBe(typeof answer === 'object' ? answer.value : answer);
          if (before?.owner === by) expected = [...expected.filter((one) => one !== before), before];
        } else expected = expected.filter((one) => one !== before);
        if (what === 'delete') ids.delete(id);
        if (what.startsWith('add')) {
          const limit = what === 'add fewer' ? 2 : LIMITS.perOwner;
          const own = expected.filter(({ owner }) => owner === by);
          const isFull = expected.length >= LIMITS.inAll;
          const outgoing =
            own.length >= limit || (isFull && own.length > 0) ? own[0] : isFull ? expected[0] : undefined;
          expected = [...expected.filter((one) => one !== outgoing), { id, owner: by, value }];
          if (what === 'add') ids.add(id, by, value);
          else ids.add(id, by, value, 2);
        }
        const kept = Array.from({ length: 13 }, (_none, index) => ids.get(String(index)));
        const known = Array.from({ length: 13 }, (_none, index) => expected.find((one) => one.id === String(index)));
        expect(textOf(kept)).toBe(textOf(known));
      }
    });
  });
});
