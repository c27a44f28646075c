import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { UseOrder, type Link } from '../../lib/authorization/use-order.js';
import { always } from '../fuzz/property.js';

/** Everything in the order, first to last. Empties it. */
function emptied(order: UseOrder<number>, links: Map<number, Link<number>>): number[] {
  const items: number[] = [];
  while (order.first !== undefined) {
    items.push(order.first);
    order.remove(links.get(order.first) as Link<number>);
    if (items.length > 100) throw new Error('it has no end');
  }
  return items;
}

describe('items in the order of their last use', () => {
  it('keep their order when any of them is used or removed, and their number is known', () => {
    const step = fc.record({ item: fc.nat(5), isRemoval: fc.boolean() });
    always(500, fc.array(step, { maxLength: 30 }), (steps) => {
      const order = new UseOrder<number>();
      const links = new Map<number, Link<number>>();
      let expected: number[] = [];
      for (const { item, isRemoval } of steps) {
        const link = links.get(item);
        expected = expected.filter((one) => one !== item);
        if (isRemoval && link) {
          order.remove(link);
          links.delete(item);
        } else if (!isRemoval) {
          if (link) order.use(link);
          else links.set(item, order.add(item));
          expected.push(item);
        }
        expect([order.size, order.first]).toEqual([expected.length, expected[0]]);
      }
      expect(emptied(order, links)).toEqual(expected);
      expect(order.size).toBe(0);
    });
  });
});
