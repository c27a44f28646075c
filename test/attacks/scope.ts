import { nameOf } from './attack.js';

// Scopes that are not what the tool needs, to one who takes them for what they are: RFC 6749 §3.3, RFC 9068 §2.2.3.

/** A good token without the scope the tool asks for. */
export interface ScopeAttack {
  readonly name: string;
  readonly tool: 'read-note' | 'write-note' | 'admin';
  readonly claims: Readonly<Record<string, unknown>>;
}

/** What each tool needs, in the order of the challenge. */
export const NEEDED = { 'read-note': 'a', 'write-note': 'a b', admin: 'admin' } as const;

/** Values of `scope` in which a careless reader may find `a`. */
const NOT_A = [
  '', ' ', '   ', 'A', 'aa', 'ab', 'ba', 'a:', ':a', 'a:read', 'a.read', 'a/read', 'a/*', 'a*', '*', '**', 'a?', 'a|c', '(a)',
  '[a]', '{a}', '^a$', '.', 'a,c', 'c,a', ',a', 'a,', 'a;c', 'a+c', 'c+a', 'a%20c', 'a%2Cc', '%61', '&a', 'a&c', 'a=a',
  'a\\u0020c', '\\u0061', 'a\tc', 'c\ta', '\ta', 'a\t', 'a\nc', 'a\n', '\na', 'a\r\nc', 'a\u0000', '\u0000a', 'a\u0000c', 'a\vc',
  'a\fc', 'a\u00a0c', 'a\u00a0', 'a\u2003c', 'a\u3000c', 'a\u200b', '\ufeffa', 'a\u2028c', 'a\u00ad', 'a\u0301', 'a\ufe0f',
  'a\u202e', '\u0430', '\uff41', '\u{1d41a}', '\u0251', '\u00aa', '\u24d0', '"a"', "'a'", '"a', 'a"', 'a\\', '\\a', '`a`', '<a>',
  'a#', 'scope=a', 'a\ud800', 'not-a', '-a', '!a', '~a', 'no_a', 'undefined', 'null', 'true', '__proto__', 'constructor',
  'toString', 'length', '0',
];

/** What else may stand in `scope`; a list is taken member by member, and nothing is looked for in objects or in nested lists. */
const NO_STRINGS: readonly unknown[] = [
  undefined, null, 0, 1, true, [], ['A'], ['a b'], ['a '], [['a'], 'c'], ['["a"]'], [{ a: true }], [0], [['a']], {}, { a: true }, { 0: 'a' }, { toString: 'a' }, { scope: 'a' },
];

/** Other places where products, and attackers, put scopes; none was configured. */
const ELSEWHERE: readonly Readonly<Record<string, unknown>>[] = [
  { scp: 'A' }, { scp: ['a b'] }, { scp: { 0: 'a' } }, { scope: 'c', scp: 'a' }, { scope: {}, scp: 'a' }, { scopes: 'a' }, { scopes: ['a'] }, { Scope: 'a' }, { SCOPE: 'a' }, { 'scope ': 'a' },
  { 'scop\u0435': 'a' }, { permissions: ['a'] }, { roles: ['a'] }, { groups: ['a'] }, { authorities: ['a'] }, { entitlements: ['a'] },
  { realm_access: { roles: ['a'] } }, { resource_access: { a: { roles: ['a'] } } },
  { authorization: { permissions: [{ scopes: ['a'] }] } },
  { claims: { scope: 'a' } },
  { act: { sub: 'x', scope: 'a' } },
  { may_act: { scope: 'a' } },
  { authorization_details: [{ type: 'scope', scope: 'a' }] },
  { 'cognito:groups': ['a'] },
  { prototype: { scope: 'a' } },
  { constructor: { prototype: { scope: 'a' } } },
  { '': 'a' },
];

/** That a hierarchy of scopes must not make more of: `admin` implies `b`, which implies `a`. */
const NOT_B = ['a', 'a a', 'a B', 'a,b', 'a\tb', 'ab', 'a bb', 'a :b', 'a b:', 'a adminx', 'a xadmin', 'a Admin', 'a admin,'];
const NOT_ADMIN = [
  'a', 'b', 'a b', 'b a', 'administrator', 'Admin', 'ADMIN', 'admin:', 'admin*', '*', 'a b adm1n', 'root', 'a\u0000admin',
  'a,admin', 'admin\n',
];

function table(tool: ScopeAttack['tool'], scopes: readonly unknown[]): ScopeAttack[] {
  return [...new Set(scopes)].map((scope) => ({ name: `${tool} with the scope ${nameOf(scope)}`, tool, claims: { scope } }));
}

export const SCOPES: readonly ScopeAttack[] = [
  ...table('read-note', [...NOT_A, ...NO_STRINGS]),
  ...table('write-note', NOT_B),
  ...table('admin', NOT_ADMIN),
  ...ELSEWHERE.map((claims): ScopeAttack => ({ name: `read-note with ${nameOf(claims)}`, tool: 'read-note', claims })),
];
