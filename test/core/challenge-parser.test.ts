import { describe, expect, it } from '@jest/globals';
import { parseChallenges } from 'nestjs-mcp-auth/testing';
import { readChallenges } from '../../lib/core/challenge-parser.js';

/** Without the prototype that parameters do not have. */
function read(header: string | readonly string[]): unknown {
  return parseChallenges(header).map((challenge) => ({ ...challenge, params: { ...challenge.params } }));
}

describe('challenges', () => {
  it.each<[string, unknown[]]>([
    ['Bearer', [{ scheme: 'Bearer', params: {} }]],
    [' \t Bearer \t ', [{ scheme: 'Bearer', params: {} }]],
    ['Bearer a=b', [{ scheme: 'Bearer', params: { a: 'b' } }]],
    ['Bearer   A = "b" \t,\t c=d', [{ scheme: 'Bearer', params: { a: 'b', c: 'd' } }]],
    [String.raw`Bearer a="b \"c\" \\ d"`, [{ scheme: 'Bearer', params: { a: String.raw`b "c" \ d` } }]],
    ['Bearer a="b, DPoP c=d"', [{ scheme: 'Bearer', params: { a: 'b, DPoP c=d' } }]],
    ['Bearer a=""', [{ scheme: 'Bearer', params: { a: '' } }]],
    ['Basic YWI6Yw==', [{ scheme: 'Basic', params: {}, token68: 'YWI6Yw==' }]],
    [
      'Basic abc, Bearer a=b',
      [
        { scheme: 'Basic', params: {}, token68: 'abc' },
        { scheme: 'Bearer', params: { a: 'b' } },
      ],
    ],
    [
      'Bearer , DPoP',
      [
        { scheme: 'Bearer', params: {} },
        { scheme: 'DPoP', params: {} },
      ],
    ],
    [
      'Bearer a=b, c=d, DPoP e=f,Basic',
      [
        { scheme: 'Bearer', params: { a: 'b', c: 'd' } },
        { scheme: 'DPoP', params: { e: 'f' } },
        { scheme: 'Basic', params: {} },
      ],
    ],
  ])('%s', (header, challenges) => {
    expect(read(header)).toEqual(challenges);
  });

  it('end where a name has no value: it is the scheme of the next', () => {
    expect(read('Bearer a=b, a')).toEqual([
      { scheme: 'Bearer', params: { a: 'b' } },
      { scheme: 'a', params: {} },
    ]);
  });

  it('of several header fields come in order', () => {
    expect(read(['Bearer a=b', 'DPoP'])).toEqual([
      { scheme: 'Bearer', params: { a: 'b' } },
      { scheme: 'DPoP', params: {} },
    ]);
    expect(read([])).toEqual([]);
  });

  it('have parameters without a prototype', () => {
    const [challenge] = parseChallenges('Bearer constructor=a, __proto__=b');
    expect(Object.keys(challenge?.params ?? {})).toEqual(['constructor', '__proto__']);
    expect(Object.getPrototypeOf(challenge?.params)).toBeNull();
  });

  it.each<[string, string, number]>([
    ['', 'an authentication scheme', 0],
    [', Bearer', 'an authentication scheme', 0],
    ['Bearer,', 'an authentication scheme', 7],
    ['Bearer a=b,, c=d', 'an authentication scheme', 11],
    ['Bearer a=b c=d', 'a comma', 10],
    ['Bearer "a"', 'a parameter name', 7],
    ['Bearer a=b, A=c', 'the parameter a only once in a challenge', 13],
    ['Bearer a b', '"=" after a parameter name', 8],
    ['Bearer a=b, c=', 'a token or a quoted string', 14],
    ['Bearer a="b', 'a token or a quoted string', 9],
    ['Bearer a="\u0001"', 'a token or a quoted string', 9],
  ])('%j: expected %s at %i', (header, expected, position) => {
    expect(() => parseChallenges(header)).toThrow(
      new SyntaxError(`Malformed challenge: expected ${expected} at position ${position} of ${JSON.stringify(header)}`),
    );
  });
});

it('spaces and tabs may stand around the sign between name and value', () => {
  const [challenge, ...others] = parseChallenges('Bearer realm ="a", scope\t=\t"b", error= c');
  expect(others).toEqual([]);
  expect({ ...challenge?.params }).toEqual({ realm: 'a', scope: 'b', error: 'c' });
});

describe('a client', () => {
  const names = (field: string): string[] =>
    readChallenges(field).map(({ scheme, params }) => [scheme, ...Object.keys(params)].join(' '));

  it('reads the same challenges as the strict parser', () => {
    const field = String.raw`Basic YWI6Yw==, Bearer a="b, \"c\"", d=e, DPoP,Own f=g`;
    expect(readChallenges(field)).toEqual(parseChallenges(field));
    expect(names(field)).toEqual(['Basic', 'Bearer a d', 'DPoP', 'Own f']);
  });

  it.each<[string, string[]]>([
    [', \t,Bearer a=b', ['Bearer a']],
    ['Bearer a=b, ,\t, c=d', ['Bearer a c']],
    ['Bearer a=b,, DPoP c=d , ,', ['Bearer a', 'DPoP c']],
    ['Basic abc=,,DPoP', ['Basic', 'DPoP']],
    ['Bearer , ', ['Bearer']],
  ])('ignores the empty elements of %j', (field, challenges) => {
    expect(names(field)).toEqual(challenges);
  });

  it.each<[string, string[]]>([
    ['', []],
    [' ,\t, ', []],
    ['"', []],
    ['Bearer a="b', []],
    ['Bearer a=b, A=c, DPoP', []],
    ['Bearer a=b, DPoP c="d" e="f", Basic', ['Bearer a', 'DPoP c']],
    ['Bearer a=b, DPoP c=', ['Bearer a', 'DPoP']],
    ['DPoP a=ES256 PS256', ['DPoP a']],
  ])('reads the challenges before the mistake in %j', (field, challenges) => {
    expect(names(field)).toEqual(challenges);
  });

  it.each([`Bearer${' '.repeat(16_000)}"`, `Bearer a=b${', '.repeat(16_000)}"`, `${'\t,'.repeat(16_000)}"`])(
    'takes no long time for a long hostile field (case %#)',
    (field) => {
      const begin = performance.now();
      readChallenges(field);
      expect(performance.now() - begin).toBeLessThan(100);
    },
  );
});
