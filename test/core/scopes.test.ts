import { describe, expect, it } from '@jest/globals';
import { isRequestableScope, isScopeToken, parseScope, ScopeHierarchy } from '../../lib/core/scopes.js';

describe('isScopeToken', () => {
  it.each(['a', 'notes:read', '!', '~', '[]', '#x', "it's", 'https://x.example/a?b=c&d', '__proto__'])(
    'takes %j',
    (value) => {
      expect(isScopeToken(value)).toBe(true);
    },
  );

  it.each([
    '',
    ' ',
    'a b',
    'a"',
    'a\\',
    'a\t',
    'a\n',
    '\x7F',
    'é',
    'a\u00A0',
    undefined,
    null,
    7,
    ['a'],
    { length: 1 },
  ])('refuses %j', (value) => {
    expect(isScopeToken(value)).toBe(false);
  });
});

it('a resource server asks for any scope but that which concerns the authorization server alone', () => {
  expect(['a', 'openid', 'offline_access2'].every(isRequestableScope)).toBe(true);
  expect(['offline_access', 'a b', '', undefined].some(isRequestableScope)).toBe(false);
});

describe('parseScope', () => {
  it.each([
    ['a', ['a']],
    ['a b', ['a', 'b']],
    ['b a', ['b', 'a']],
    [' a  b ', ['a', 'b']],
    ['a a b a', ['a', 'b']],
    ['', []],
    ['   ', []],
    ['a,b', ['a,b']],
    ['a\tb c', ['c']],
    ['a\nb', []],
    ['é a', ['a']],
    ['"a" b', ['b']],
  ])('splits %j at its spaces and keeps what are scopes', (value, scopes) => {
    expect(parseScope(value)).toEqual(scopes);
  });
});

describe('ScopeHierarchy', () => {
  /** All scopes of which anybody has spoken, as far as they are held. */
  const expand = (direct: Record<string, string[]>, ...granted: string[]): string[] => {
    const hierarchy = new ScopeHierarchy(direct);
    const named = new Set([...Object.entries(direct).flat(2), ...granted]);
    return [...named].filter((scope) => hierarchy.holds(granted, scope)).toSorted();
  };

  it('adds nothing where nothing is implied', () => {
    expect(['a', 'b', 'c'].map((scope) => new ScopeHierarchy().holds(['b', 'a'], scope))).toEqual([true, true, false]);
    expect(expand({}, 'a')).toEqual(['a']);
    expect(expand({ a: [] }, 'a')).toEqual(['a']);
    expect(expand({ other: ['x'] }, 'a')).toEqual(['a']);
    expect(expand({ a: ['b'] })).toEqual([]);
  });

  it('adds what is implied, however many steps away', () => {
    const direct = { admin: ['write'], write: ['read', 'list'], read: ['count'] };
    expect(expand(direct, 'admin')).toEqual(['admin', 'count', 'list', 'read', 'write']);
    expect(expand(direct, 'write')).toEqual(['count', 'list', 'read', 'write']);
    expect(expand(direct, 'count')).toEqual(['count']);
    expect(expand(direct, 'read', 'other')).toEqual(['count', 'other', 'read']);
  });

  it.each<[string, Record<string, string[]>, string[]]>([
    ['of itself', { a: ['a'] }, ['a']],
    ['of two', { a: ['b'], b: ['a'] }, ['a', 'b']],
    ['of three with a way out', { a: ['b'], b: ['c'], c: ['a', 'd'] }, ['a', 'b', 'c', 'd']],
    ['behind it', { a: ['b'], b: ['c'], c: ['b'] }, ['a', 'b', 'c']],
  ])('comes to an end with a cycle %s', (_what, direct, all) => {
    expect(expand(direct, 'a')).toEqual(all);
  });

  it('makes the members of a cycle equal', () => {
    const direct = { a: ['b'], b: ['a', 'c'] };
    expect(expand(direct, 'b')).toEqual(expand(direct, 'a'));
  });

  it('comes to an end quickly where there are many ways to the same scope', () => {
    const layers = Array.from({ length: 60 }, (_, layer): [string, string[]][] =>
      ['x', 'y'].map((side) => [`${side}${layer}`, [`x${layer + 1}`, `y${layer + 1}`]]),
    );
    expect(expand(Object.fromEntries(layers.flat()), 'x0')).toHaveLength(121);
  });

  it('does not mistake the names of object members for scopes', () => {
    expect(expand({ a: ['b'] }, '__proto__', 'constructor', 'toString')).toEqual([
      '__proto__',
      'constructor',
      'toString',
    ]);
    expect(expand(JSON.parse('{"__proto__":["a"]}') as Record<string, string[]>, '__proto__')).toEqual([
      '__proto__',
      'a',
    ]);
  });

  it('knows no wildcards and no prefixes', () => {
    expect(expand({ 'a:*': ['b'] }, 'a:x')).toEqual(['a:x']);
    expect(expand({ a: ['b'] }, 'a:*', 'a:x')).toEqual(['a:*', 'a:x']);
  });

  it('does not change with what it was made from', () => {
    const direct = { a: ['b'] };
    const hierarchy = new ScopeHierarchy(direct);
    direct.a.push('c');
    expect(['b', 'c'].map((scope) => hierarchy.holds(['a'], scope))).toEqual([true, false]);
  });
});
