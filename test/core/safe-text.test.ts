import { describe, expect, it } from '@jest/globals';
import {
  describeError,
  messageForClient,
  Plain,
  printable,
  quoted,
  quotedAll,
  redactToken,
  redactTokens,
  showText,
  showValue,
  typeOf,
} from '../../lib/core/safe-text.js';

const JWT = 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.c2ln';

describe('a value in an error', () => {
  it.each<[unknown, string]>([
    [undefined, 'nothing'],
    [null, 'null'],
    [() => 1, 'a function'],
    ['a "b"', String.raw`"a \"b\""`],
    [{ secret: 1 }, 'an object'],
    [1, '1'],
    [true, 'true'],
    [12n, '12'],
    [['a', {}, [1], null], '["a",an object,a list,null]'],
    [[], '[]'],
  ])('%#: %s', (value, text) => {
    expect(showValue(value)).toBe(text);
  });

  it('has at most 120 characters, and says that some are missing', () => {
    expect(showText('a'.repeat(120))).toBe('a'.repeat(120));
    expect(showText('a'.repeat(121))).toBe(`${'a'.repeat(120)}…`);
  });

  it('has no user name and no password of a URL', () => {
    expect(showText('https://user:password@a.example/ and https://key@b.example/')).toBe(
      'https://…@a.example/ and https://…@b.example/',
    );
    expect(showText('//a b@c "//d"@e')).toBe('//a b@c "//d"@e');
    expect(showText('https://a.example/b')).toBe('https://a.example/b');
    // Also of one that is longer than what is looked at.
    expect(showText(`of https://user:${'p'.repeat(3_000)}@a.example`)).toBe('of https://…');
    expect(showText(`https://a@b.example/${'p'.repeat(3_000)}`)).toBe(`https://…@b.example/${'p'.repeat(100)}…`);
    // A text that is just as long as what is looked at was not cut: no user name can be missing its end.
    expect(showText(`https://a.example/${'p'.repeat(1_982)}`)).toBe(`https://a.example/${'p'.repeat(102)}…`);
    expect(showText(`https://a.example/ ${'p'.repeat(3_000)}`)).toBe(`https://a.example/ ${'p'.repeat(101)}…`);
  });

  it('has escapes for all that a terminal may obey', () => {
    expect(printable('a\nb\u0000\u001B[31m\u202E\u2028\u2029\u00AD')).toBe(
      String.raw`a\u{a}b\u{0}\u{1b}[31m\u{202e}\u{2028}\u{2029}\u{ad}`,
    );
    expect(printable('a ä 😀 {}')).toBe('a ä 😀 {}');
    // A character outside of the first plane is escaped as one.
    expect(printable('\u{E0001}')).toBe(String.raw`\u{e0001}`);
  });
});

describe('a foreign value in the log', () => {
  it.each<[unknown, string]>([
    ['a', '"a"'],
    [new Plain('a sentence'), 'a sentence'],
    [1, '1'],
    [['a'], '["a"]'],
    [['a', 'b', 'c'], '["a", "b", "c"]'],
    [['a', 'b', 'c', 'd', 'e'], '["a", "b", "c" and 2 more]'],
    [`Bearer ${JWT}`, '"Bearer eyJ…"'],
    ['a'.repeat(100), `"${'a'.repeat(100)}"`],
    ['a'.repeat(101), `"${'a'.repeat(100)}…"`],
    ['\n'.repeat(100), `"${String.raw`\n`.repeat(100).slice(0, 119)}…"`],
  ])('%#: %s', (value, text) => {
    expect(quoted(value)).toBe(text);
  });

  it('is left out where it is undefined, and is frozen with the others', () => {
    const observed = quotedAll({ a: 'b', none: undefined, list: [1] });
    expect(observed).toEqual({ a: '"b"', list: '[1]' });
    expect(Object.keys(observed)).toEqual(['a', 'list']);
    expect(Object.isFrozen(observed)).toBe(true);
  });

  it.each<[unknown, string]>([
    [null, 'null'],
    [[], 'a list'],
    ['a', 'text'],
    [1, 'a number'],
    [false, 'true or false'],
    [{}, 'an object'],
    [undefined, 'of no type of JSON'],
  ])('%j is only said to be: %s', (value, text) => {
    expect(typeOf(value).text).toBe(text);
  });
});

describe('a token in a text', () => {
  it('is removed with its payload and signature, and so is the beginning of one', () => {
    expect(redactTokens(`a ${JWT}, ${JWT}; eyJhbGci. eyJhb eyJ`)).toBe('a eyJ…, eyJ…; eyJ… eyJhb eyJ');
  });

  it('is removed whole, encoded for a URL, and in parts of eight characters and more', () => {
    const text = redactToken('12345678.1234567/é: 12345678 1234567', '12345678.1234567/é');
    expect(text).toBe('…: … 1234567');
    expect(redactToken('12345678.1234567: 12345678 1234567', '12345678.1234567')).toBe('…: … 1234567');
    expect(redactToken('a%20b a b', 'a b')).toBe('… …');
  });
});

describe('a message for a client', () => {
  it.each<[string, string]>([
    ['  Your\n\torganisation  is suspended. ', 'Your organisation is suspended.'],
    [' \n ', ''],
    [`Token ${JWT}`, 'Token eyJ…'],
    ['bell\u0007', String.raw`bell\u{7}`],
    ['a'.repeat(200), 'a'.repeat(200)],
    ['a'.repeat(201), `${'a'.repeat(199)}…`],
    ['😀'.repeat(200), '😀'.repeat(200)],
    [`${' '.repeat(2_000)}late`, ''],
  ])('%#', (text, message) => {
    expect(messageForClient(text)).toBe(message);
  });
});

describe('an error in the log', () => {
  it.each<[unknown, string]>([
    [new Error('broken\nline'), String.raw`broken\u{a}line`],
    [new TypeError('no function'), 'TypeError: no function'],
    ['only\ttext', String.raw`only\u{9}text`],
    [undefined, 'undefined'],
    [Object.create(null), 'an error that cannot be shown'],
  ])('%#: %s', (error, text) => {
    expect(describeError(error)).toBe(text);
  });

  it('is shown even if its message cannot be read', () => {
    const error = Object.defineProperty(new Error('a'), 'message', {
      get: () => {
        throw new Error('unreadable');
      },
    });
    expect(describeError(error)).toBe('an error that cannot be shown');
  });
});
