import { describe, expect, it } from '@jest/globals';
import { deny, isDenial } from '../../lib/core/denial.js';

describe('deny()', () => {
  it('keeps the reason as it is, and makes the message safe for a client', () => {
    const denial = deny({ reason: 'tenant\n7', message: ' Your\norganisation is suspended. ' });
    expect(denial).toEqual({ reason: 'tenant\n7', message: 'Your organisation is suspended.' });
    expect(Object.isFrozen(denial)).toBe(true);
  });

  it('has neither where none is given, or nothing of it can be seen', () => {
    expect({ ...deny() }).toEqual({ reason: undefined, message: undefined });
    expect(deny({ message: ' \n' }).message).toBeUndefined();
  });

  it.each([
    ['reason', 1, 'deny({ reason }) must be text, and is of type number. Write a sentence'],
    ['message', {}, 'deny({ message }) must be text, and is of type object. Write a sentence'],
    ['message', null, 'deny({ message }) must be text, and is of type object. Write a sentence'],
  ])('refuses a %s that is no text', (member, value, message) => {
    expect(() => deny({ [member]: value })).toThrow(new TypeError(message));
  });

  it('is told from an object of the same shape', () => {
    expect(isDenial(deny())).toBe(true);
    // Other copies of the package look for this very symbol.
    const brand = Object.getOwnPropertySymbols(deny())[0] as symbol;
    expect(Symbol.keyFor(brand)).toBe('nestjs-mcp-auth:denial:1');
    for (const other of [{ reason: 'a', message: 'b' }, { ...deny() }, null, undefined, 'text', () => deny()]) {
      expect(isDenial(other)).toBe(false);
    }
  });
});
