import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { OwnedIds } from '../../lib/authorization/owned-ids.js';
import { always } from '../fuzz/property.js';

const LIMITS = { perOwner: 3, inAll: 7 };

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
});
