import { attack, attacks, claiming, namedAttacks, nameOf, type Attack } from './attack.js';
import { MARK, type Lab } from './lab.js';

// Issuer, audience, principal and binding: RFC 9068 §4, RFC 7519 §4.1.1 and §4.1.3, RFC 8707 §2, RFC 7800 §3.1. A URL that a
// browser takes for the same is another one here: whole strings, code point by code point.

/** Other spellings of a URL such as `http://127.0.0.1:4711/mcp`. */
const LOOKALIKES: Readonly<Record<string, (url: string) => string>> = {
  'a slash behind': (url) => `${url}/`,
  'two slashes behind': (url) => `${url}//`,
  'a dot segment behind': (url) => `${url}/.`,
  'two dot segments': (url) => `${url}/x/..`,
  'a dot segment within': (url) => url.replace(/(\d)(\/|$)/, '$1/.$2'),
  'an empty query': (url) => `${url}?`,
  'a query': (url) => `${url}?x=${MARK}`,
  'an empty fragment': (url) => `${url}#`,
  'a fragment': (url) => `${url}#${MARK}`,
  'the scheme in upper case': (url) => url.replace('http', 'HTTP'),
  'the scheme in mixed case': (url) => url.replace('http', 'Http'),
  'another scheme': (url) => url.replace('http:', 'https:'),
  'no scheme': (url) => url.replace('http:', ''),
  'neither scheme nor slashes': (url) => url.replace('http://', ''),
  'one slash after the scheme': (url) => url.replace('//', '/'),
  'three slashes after the scheme': (url) => url.replace('//', '///'),
  backslashes: (url) => url.replaceAll('/', '\\'),
  'a user name': (url) => url.replace('//', '//alice@'),
  'an empty user name': (url) => url.replace('//', '//@'),
  'a name for the address': (url) => url.replace('127.0.0.1', 'localhost'),
  'a shorter address': (url) => url.replace('127.0.0.1', '127.1'),
  'the address as one number': (url) => url.replace('127.0.0.1', '2130706433'),
  'the address in hexadecimal': (url) => url.replace('127.0.0.1', '0x7f.0.0.1'),
  'the address in octal': (url) => url.replace('127.0.0.1', '0177.0.0.1'),
  'the address in IPv6': (url) => url.replace('127.0.0.1', '[::ffff:7f00:1]'),
  'another address of the machine': (url) => url.replace('127.0.0.1', '127.0.0.2'),
  'a dot behind the host': (url) => url.replace('127.0.0.1', '127.0.0.1.'),
  'an ideographic dot': (url) => url.replace('127.0', '127\u30020'),
  'digits in full width': (url) => url.replace('127', '\uff11\uff12\uff17'),
  'digits of another script': (url) => url.replace('127', '\u0661\u0662\u0667'),
  'no port': (url) => url.replace(/:\d+/, ''),
  'an empty port': (url) => url.replace(/:\d+/, ':'),
  'a leading zero in the port': (url) => url.replace(/:(\d)/, ':0$1'),
  'another port': (url) => url.replace(/:\d+/, ':1'),
  'a domain behind the host': (url) => url.replace(/:(\d+)/, '.evil.example:$1'),
  'the whole as a user name': (url) => `${url.replace('//', '//x:x@')}@evil.example`,
  'a domain in front': (url) => url.replace('//', '//evil.example/'),
  'itself behind another': (url) => `https://evil.example/${url}`,
  'itself after a space': (url) => `https://evil.example ${url}`,
  'itself before a space': (url) => `${url} https://evil.example`,
  'itself before a comma': (url) => `${url},https://evil.example`,
  'itself twice': (url) => url + url,
  'a percent-encoded digit': (url) => url.replace('127', '%3127'),
  'a percent-encoded slash': (url) => `${url}%2F`,
  'all percent-encoded': (url) => encodeURIComponent(url),
  'a space behind': (url) => `${url} `,
  'a space in front': (url) => ` ${url}`,
  'a tab behind': (url) => `${url}\t`,
  'a line break behind': (url) => `${url}\n`,
  'a carriage return in front': (url) => `\r${url}`,
  'a no-break space behind': (url) => `${url}\u00a0`,
  'a NUL behind': (url) => `${url}\0`,
  'something behind a NUL': (url) => `${url}\0.evil.example`,
  'a byte order mark': (url) => `\uFEFF${url}`,
  'a zero-width space': (url) => url.replace('//', '//\u200b'),
  'a zero-width joiner': (url) => `${url}\u200d`,
  'a soft hyphen': (url) => url.replace('//', '//\u00ad'),
  'an override of direction': (url) => `\u202e${url}`,
  'a combining mark': (url) => `${url}\u0301`,
  'a variation selector': (url) => `${url}\ufe0f`,
  'a Cyrillic letter': (url) => url.replace('p', '\u0440'),
  'a letter in full width': (url) => url.replace('h', '\uff48'),
  'a mathematical letter': (url) => url.replace('h', '\u{1d421}'),
  'a lone surrogate': (url) => `${url}\ud800`,
  'a quote behind': (url) => `${url}"`,
  'angle brackets': (url) => `<${url}>`,
  'the first character missing': (url) => url.slice(1),
  'the last character missing': (url) => url.slice(0, -1),
  'the origin of it alone, and more': (url) => `${new URL(url).origin}/${MARK}`,
  'a path below': (url) => `${url}/admin`,
  'all in upper case': (url) => url.toUpperCase(),
  'base64 of it': (url) => Buffer.from(url).toString('base64'),
  'JSON of it': (url) => JSON.stringify(url),
  'a URN of it': (url) => `urn:${url}`,
};

const NO_ISSUERS: readonly unknown[] = [
  undefined,
  null,
  0,
  true,
  '',
  ' ',
  '*',
  [],
  {},
  'null',
  'undefined',
  '__proto__',
  'constructor',
  'https://evil.example',
];

/** What else may stand in `iss`, made of the good one. */
const ISSUER_SHAPES: Readonly<Record<string, (good: string) => unknown>> = {
  'a list of it': (good) => [good],
  'a list of a list of it': (good) => [[good]],
  'a list with another': (good) => [good, 'https://evil.example'],
  'an object with it': (good) => ({ 0: good, length: 1 }),
  'an object for it': (good) => ({ iss: good }),
  'an object that says it is text': (good) => ({ toString: good, valueOf: good }),
};

const AUDIENCE_SHAPES: readonly [what: string, shape: (good: string) => unknown, reason: Attack['reason']][] = [
  ['nothing', () => undefined, 'audience_missing'],
  ['null', () => null, 'audience_missing'],
  ['an empty list', () => [], 'audience_missing'],
  ['an empty string', () => '', 'audience_missing'],
  ['a list of an empty string', () => [''], 'audience_rejected'],
  ['a star', () => '*', 'audience_rejected'],
  ['a list of a star', () => ['*'], 'audience_rejected'],
  ['a list of two others', () => ['https://a.example', 'https://b.example'], 'audience_rejected'],
  [
    'a list of a hundred others',
    () => Array.from({ length: 100 }, (_, index) => `https://${index}.example`),
    'audience_rejected',
  ],
  ['a list of its characters', (good) => [...good], 'audience_rejected'],
  ['a list of a list of it', (good) => [[good]], 'claim_malformed'],
  ['a list of it and a number', (good) => [good, 7], 'claim_malformed'],
  ['a list of it and null', (good) => [good, null], 'claim_malformed'],
  ['a list of null and it', (good) => [null, good], 'claim_malformed'],
  ['a list of it and an object', (good) => [good, {}], 'claim_malformed'],
  ['an object with it', (good) => ({ 0: good, length: 1 }), 'claim_malformed'],
  ['an object named by it', (good) => ({ [good]: true }), 'claim_malformed'],
  ['an object for it', (good) => ({ aud: good }), 'claim_malformed'],
  ['a number', () => 7, 'claim_malformed'],
  ['a boolean', () => true, 'claim_malformed'],
  ['zero', () => 0, 'claim_malformed'],
  ['false', () => false, 'claim_malformed'],
  ['the client', () => 'test-client', 'audience_rejected'],
  ['__proto__', () => '__proto__', 'audience_rejected'],
  ['constructor', () => ['constructor'], 'audience_rejected'],
];

/** Other places where a product may put the audience; none of them counts. */
const AUDIENCE_ELSEWHERE = [
  'Aud',
  'audience',
  'resource',
  'azp',
  'target',
  'scope',
  'htu',
  'https://claims.example/aud',
];

const NO_NAMES: readonly unknown[] = [0, 7, true, false, ['alice'], {}, { sub: 'alice' }];

const BINDINGS: readonly unknown[] = [
  { jkt: MARK },
  { 'x5t#S256': MARK },
  { jwk: {} },
  { kid: MARK },
  { jku: 'https://evil.example' },
  { jwe: MARK },
  {},
  MARK,
  0,
  1,
  false,
  true,
  [MARK],
  [null],
];

/** Others whose tokens are not for this resource, told their issuer. */
const AUDIENCES_NEARBY: Readonly<Record<string, (lab: Lab) => string>> = {
  'the origin of the resource': (lab) => lab.server.origin,
  'the origin with a slash': (lab) => `${lab.server.origin}/`,
  'another path of the host': (lab) => `${lab.server.origin}/open`,
  'a path that begins like it': (lab) => `${lab.server.resource}-admin`,
  'the metadata of the resource': (lab) => `${lab.server.origin}/.well-known/oauth-protected-resource/mcp`,
  'the issuer': (lab) => lab.issuer.issuer,
  'the token endpoint': (lab) => `${lab.issuer.issuer}/token`,
  'the user info endpoint': (lab) => `${lab.issuer.issuer}/userinfo`,
  'the other issuer': (lab) => lab.other.issuer,
};

export const CLAIMS: readonly Attack[] = [
  ...namedAttacks('the issuer with', 'issuer_unknown', LOOKALIKES, (lab, alter) =>
    claiming(lab, { iss: alter(lab.issuer.issuer) }),
  ),
  ...namedAttacks('the audience with', 'audience_rejected', LOOKALIKES, (lab, alter) =>
    claiming(lab, { aud: alter(lab.server.resource) }),
  ),
  ...attacks('an issuer of', 'issuer_unknown', NO_ISSUERS, (lab, iss) => claiming(lab, { iss })),
  ...namedAttacks('an issuer that is', 'issuer_unknown', ISSUER_SHAPES, (lab, shape) =>
    claiming(lab, { iss: shape(lab.issuer.issuer) }),
  ),
  attack('an issuer that nobody trusts, signed by itself', 'issuer_unknown', (lab) =>
    lab.stranger.mint({ aud: lab.server.resource }),
  ),
  attack('an issuer that nobody trusts, with the good key', 'issuer_unknown', (lab) =>
    claiming(lab, { iss: lab.stranger.issuer }),
  ),
  ...AUDIENCE_SHAPES.map(([what, shape, reason]) =>
    attack(`an audience that is ${what}`, reason, (lab) => claiming(lab, { aud: shape(lab.server.resource) })),
  ),
  ...namedAttacks('an audience nearby', 'audience_rejected', AUDIENCES_NEARBY, (lab, nearby) =>
    claiming(lab, { aud: nearby(lab) }),
  ),
  ...attacks('the audience in', 'audience_missing', AUDIENCE_ELSEWHERE, (lab, name) =>
    claiming(
      lab,
      { aud: undefined, [name]: lab.server.resource },
      { header: { typ: 'at+jwt', aud: lab.server.resource } },
    ),
  ).map((one) => (one.name === 'the audience in "htu"' ? { ...one, reason: 'not_an_access_token' as const } : one)),
  ...['sub', 'client_id'].flatMap((claim) =>
    NO_NAMES.map((value) =>
      attack(`a ${claim} of ${nameOf(value)}`, 'claim_malformed', (lab) => claiming(lab, { [claim]: value })),
    ),
  ),
  attack('neither a subject nor a client', 'no_principal', (lab) =>
    claiming(lab, { sub: undefined, client_id: undefined }),
  ),
  ...attacks(
    'neither a subject nor a client, but',
    'no_principal',
    [{ email: 'alice@example.com' }, { uid: 'alice' }, { act: { sub: 'alice' } }, { Sub: 'alice' }],
    (lab, claims) => claiming(lab, { sub: undefined, client_id: undefined, ...claims }),
  ),
  ...attacks('a token bound to a key, cnf', 'sender_constrained', BINDINGS, (lab, cnf) => claiming(lab, { cnf })),
];
