import { signBytes } from '../support/tokens.js';
import { attack, attacks, type Attack } from './attack.js';
import { goodClaims, goodHeader, MARK, type Lab } from './lab.js';

// Bytes that are signed by the right key, and are no JSON object in UTF-8, or one that says a thing twice: RFC 7519 §4 and
// §7.2, RFC 8259, RFC 8725 §3.7.

const utf8 = (text: string): Buffer => Buffer.from(text);
const between = (text: string, bytes: readonly number[]): Buffer =>
  Buffer.concat([utf8(`${text.slice(0, -1)},"x":"`), Buffer.from(bytes), utf8('"}')]);

/** Good JSON, spoilt; each is told the text of a good header or payload. */
const SPOILT: Readonly<Record<string, (good: string) => Buffer>> = {
  'a byte order mark': (good) => utf8(`\uFEFF${good}`),
  'UTF-16, little endian': (good) => Buffer.from(good, 'utf16le'),
  'UTF-16 with its mark': (good) => Buffer.from(`\uFEFF${good}`, 'utf16le'),
  'UTF-16, big endian': (good) => Buffer.from(good, 'utf16le').swap16(),
  'UTF-32': (good) => Buffer.concat([...good].map((one) => Buffer.from([one.charCodeAt(0), 0, 0, 0]))),
  'a NUL behind': (good) => utf8(`${good}\0`),
  'a NUL in front': (good) => utf8(`\0${good}`),
  'a NUL among the members': (good) => utf8(good.replace(',', ',\0')),
  'text behind a NUL': (good) => utf8(`${good}\0{"alg":"none"}`),
  'a byte of no UTF-8': (good) => between(good, [0xff]),
  'a lone continuation byte': (good) => between(good, [0x80]),
  'a sequence cut short': (good) => between(good, [0xe2, 0x82]),
  'an overlong slash': (good) => between(good, [0xc0, 0xaf]),
  'an overlong NUL': (good) => between(good, [0xc0, 0x80]),
  'an overlong quotation mark': (good) => between(good, [0xc0, 0xa2]),
  'a surrogate in UTF-8': (good) => between(good, [0xed, 0xa0, 0x80]),
  'a pair of surrogates in UTF-8': (good) => between(good, [0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80]),
  'a code point beyond Unicode': (good) => between(good, [0xf4, 0x90, 0x80, 0x80]),
  'a sequence of five bytes': (good) => between(good, [0xf8, 0x88, 0x80, 0x80, 0x80]),
  'Latin-1': (good) => Buffer.from(good.replace('{', '{"x":"é",'), 'latin1'),
  'a comma behind the last member': (good) => utf8(good.replace(/\}$/, ',}')),
  'a comma before the first member': (good) => utf8(good.replace('{', '{,')),
  'two commas': (good) => utf8(good.replace(',', ',,')),
  'no comma': (good) => utf8(good.replace(',', ' ')),
  'no colon': (good) => utf8(good.replace(':', ' ')),
  'an equals sign for the colon': (good) => utf8(good.replace(':', '=')),
  'another object behind': (good) => utf8(`${good}{}`),
  'itself behind': (good) => utf8(`${good}${good}`),
  'itself on another line': (good) => utf8(`${good}\n${good}`),
  'a comma behind': (good) => utf8(`${good},`),
  'a semicolon behind': (good) => utf8(`${good};`),
  'a closing brace too many': (good) => utf8(`${good}}`),
  'no closing brace': (good) => utf8(good.slice(0, -1)),
  'no braces': (good) => utf8(good.slice(1, -1)),
  'brackets for braces': (good) => utf8(`[${good.slice(1, -1)}]`),
  'a block comment': (good) => utf8(good.replace('{', '{/* */')),
  'a line comment': (good) => utf8(good.replace('{', '{// \n')),
  'a hash comment': (good) => utf8(`# \n${good}`),
  'single quotes': (good) => utf8(good.replaceAll('"', "'")),
  'typographic quotes': (good) => utf8(good.replaceAll('"', '\u201c')),
  'names without quotes': (good) => utf8(good.replaceAll(/"(\w+)":/g, '$1:')),
  'a line break in a string': (good) => utf8(good.replace('{', '{"x":"a\nb",')),
  'a tab in a string': (good) => utf8(good.replace('{', '{"x":"a\tb",')),
  'a NUL in a string': (good) => utf8(good.replace('{', '{"x":"a\0b",')),
  'an escape that is none': (good) => utf8(String.raw`{"x":"\x41",${good.slice(1)}`),
  'an escaped quote of JavaScript': (good) => utf8(String.raw`{"x":"\'",${good.slice(1)}`),
  'a Unicode escape cut short': (good) => utf8(String.raw`{"x":"\u00",${good.slice(1)}`),
  'a Unicode escape of ES6': (good) => utf8(String.raw`{"x":"\u{41}",${good.slice(1)}`),
  'a hexadecimal number': (good) => utf8(good.replace('{', '{"x":0x10,')),
  'a number with a plus': (good) => utf8(good.replace('{', '{"x":+1,')),
  'a number with a leading zero': (good) => utf8(good.replace('{', '{"x":01,')),
  'a number that begins with a point': (good) => utf8(good.replace('{', '{"x":.5,')),
  'a number that ends with a point': (good) => utf8(good.replace('{', '{"x":1.,')),
  'a number with separators': (good) => utf8(good.replace('{', '{"x":1_000,')),
  'a big integer': (good) => utf8(good.replace('{', '{"x":1n,')),
  NaN: (good) => utf8(good.replace('{', '{"x":NaN,')),
  Infinity: (good) => utf8(good.replace('{', '{"x":Infinity,')),
  'minus Infinity': (good) => utf8(good.replace('{', '{"x":-Infinity,')),
  undefined: (good) => utf8(good.replace('{', '{"x":undefined,')),
  'a literal in capitals': (good) => utf8(good.replace('{', '{"x":TRUE,')),
  'a vertical tab for white space': (good) => utf8(`\v${good}`),
  'a form feed for white space': (good) => utf8(`\f${good}`),
  'a no-break space for white space': (good) => utf8(`\u00a0${good}`),
  'a line separator for white space': (good) => utf8(`${good}\u2028`),
  'a zero-width space for white space': (good) => utf8(`\u200b${good}`),
  'a list of one object': (good) => utf8(`[${good}]`),
  'the object as a string': (good) => utf8(JSON.stringify(good)),
  'a prefix against hijacking': (good) => utf8(`)]}',\n${good}`),
  'a call of JavaScript': (good) => utf8(`callback(${good})`),
  'parentheses around': (good) => utf8(`(${good})`),
  'nesting that is not closed': (good) => utf8(`{"x":${'['.repeat(5_000)},${good.slice(1)}`),
  'nesting beyond all measure, not closed': () => utf8('['.repeat(8_000)),
  'objects in objects, not closed': () => utf8('{"a":'.repeat(1_500)),
  'a form': (good) => utf8(new URLSearchParams(JSON.parse(good) as Record<string, string>).toString()),
  YAML: (good) => utf8(good.slice(1, -1).replaceAll(',', '\n').replaceAll('"', '').replaceAll(':', ': ')),
  XML: () => utf8(`<claims><sub>${MARK}</sub></claims>`),
  CBOR: () => Buffer.from('a163616c6765455332353600', 'hex'),
  MessagePack: () => Buffer.from('81a3616c67a54553323536', 'hex'),
  null: () => utf8('null'),
  true: () => utf8('true'),
  'a number': () => utf8('7'),
  'a string': () => utf8(`"${MARK}"`),
  'an empty list': () => utf8('[]'),
  'an empty string': () => utf8('""'),
  'white space': () => utf8(' '),
  'one NUL': () => utf8('\0'),
  'random bytes': () => Buffer.from(Array.from({ length: 48 }, (_, index) => (index * 89 + 41) % 256)),
};

function spoilt(part: 'header' | 'payload'): Attack[] {
  return Object.entries(SPOILT).map(([name, spoil]) =>
    attack(`a ${part} with (or of) ${name}`, 'token_malformed', (lab) => {
      const [header, payload] = [goodHeader(lab), goodClaims(lab)].map((value) => JSON.stringify(value)) as [
        string,
        string,
      ];
      const { key } = lab.issuer;
      return part === 'header' ? signBytes(key, spoil(header), payload) : signBytes(key, header, spoil(payload));
    }),
  );
}

/** Header text: `<alg>` and `<kid>` stand for the good values. */
const HEADERS: readonly [text: string, reason: Attack['reason']][] = [
  ['{"alg":<alg>,"alg":"none","typ":"at+jwt","kid":<kid>}', 'algorithm_rejected'],
  ['{"alg":<alg>,"alg":"HS256","typ":"at+jwt","kid":<kid>}', 'algorithm_rejected'],
  ['{"alg":<alg>,"alg":null,"typ":"at+jwt","kid":<kid>}', 'algorithm_rejected'],
  ['{"alg":<alg>,"\\u0061lg":"none","typ":"at+jwt","kid":<kid>}', 'algorithm_rejected'],
  ['{"alg":<alg>,"\\u0061\\u006c\\u0067":"HS256","typ":"at+jwt","kid":<kid>}', 'algorithm_rejected'],
  ['{"alg":<alg>,"alg":"RS256","typ":"at+jwt","kid":<kid>}', 'key_unknown'],
  ['{"alg":<alg>,"typ":"at+jwt","typ":"dpop+jwt","kid":<kid>}', 'type_rejected'],
  ['{"alg":<alg>,"typ":"at+jwt","kid":<kid>,"kid":"other"}', 'key_unknown'],
  ['{"alg":<alg>,"typ":"at+jwt","kid":<kid>,"kid":null}', 'header_rejected'],
  ['{"alg":<alg>,"typ":"at+jwt","kid":<kid>,"\\u006bid":"other"}', 'key_unknown'],
  ['{"alg":<alg>,"typ":"at+jwt","kid":<kid>,"crit":["exp"],"crit":[]}', 'header_rejected'],
  ['{"Alg":<alg>,"typ":"at+jwt","kid":<kid>}', 'algorithm_rejected'],
  ['{"ALG":<alg>,"typ":"at+jwt","kid":<kid>}', 'algorithm_rejected'],
  ['{"alg ":<alg>,"typ":"at+jwt","kid":<kid>}', 'algorithm_rejected'],
  ['{" alg":<alg>,"typ":"at+jwt","kid":<kid>}', 'algorithm_rejected'],
  ['{"alg\\u0000":<alg>,"typ":"at+jwt","kid":<kid>}', 'algorithm_rejected'],
  ['{"\\uff41\\uff4c\\uff47":<alg>,"typ":"at+jwt","kid":<kid>}', 'algorithm_rejected'],
  ['{"a\\u200blg":<alg>,"typ":"at+jwt","kid":<kid>}', 'algorithm_rejected'],
  ['{"__proto__":{"alg":<alg>},"typ":"at+jwt","kid":<kid>}', 'algorithm_rejected'],
  ['{"constructor":{"prototype":{"alg":<alg>}},"typ":"at+jwt","kid":<kid>}', 'algorithm_rejected'],
  ['{"header":{"alg":<alg>,"typ":"at+jwt","kid":<kid>}}', 'algorithm_rejected'],
  ['{}', 'algorithm_rejected'],
];

/** Of a good payload the member after the name is replaced by the text. */
const PAYLOADS: readonly [claim: string, text: string, reason: Attack['reason']][] = [
  ['iss', '"iss":GOOD,"iss":"https://evil.example"', 'issuer_unknown'],
  ['iss', '"iss":GOOD,"\\u0069ss":"https://evil.example"', 'issuer_unknown'],
  ['iss', '"iss":GOOD,"iss":null', 'issuer_unknown'],
  ['aud', '"aud":GOOD,"aud":"https://evil.example"', 'audience_rejected'],
  ['aud', '"aud":GOOD,"\\u0061ud":"https://evil.example"', 'audience_rejected'],
  ['aud', '"aud":GOOD,"aud":[]', 'audience_missing'],
  ['exp', '"exp":GOOD,"exp":1', 'expired'],
  ['exp', '"exp":GOOD,"\\u0065xp":1', 'expired'],
  ['exp', '"exp":GOOD,"exp":1e999', 'time_malformed'],
  ['exp', '"exp":GOOD,"nbf":1e12', 'not_yet_valid'],
  ['sub', '"sub":GOOD,"sub":7', 'claim_malformed'],
  ['sub', '"sub":GOOD,"cnf":{},"cnf":{}', 'sender_constrained'],
  ['iss', '"__proto__":{"iss":GOOD}', 'issuer_unknown'],
  ['aud', '"__proto__":{"aud":GOOD}', 'audience_missing'],
  ['exp', '"__proto__":{"exp":GOOD}', 'expiry_missing'],
  ['iss', '"constructor":{"prototype":{"iss":GOOD}}', 'issuer_unknown'],
  ['aud', '"claims":{"aud":GOOD}', 'audience_missing'],
];

/** Names that are not `iss`, `aud` and `exp`, to one who compares code points. */
const LOOKALIKES = [
  'UPPER',
  'Capital',
  'trailing space',
  'leading space',
  'NUL behind',
  'fullwidth',
  'zero-width space',
  'combining mark',
];
const SPELT: readonly ((name: string) => string)[] = [
  (name) => name.toUpperCase(),
  (name) => name.charAt(0).toUpperCase() + name.slice(1),
  (name) => `${name} `,
  (name) => ` ${name}`,
  (name) => `${name}\\u0000`,
  (name) => [...name].map((one) => String.fromCharCode(one.charCodeAt(0) + 0xfee0)).join(''),
  (name) => `${name.slice(0, 1)}\u200b${name.slice(1)}`,
  (name) => `${name}\u0301`,
];
const MISSING = { iss: 'issuer_unknown', aud: 'audience_missing', exp: 'expiry_missing' } as const;

function withMember(lab: Lab, claim: string, text: string): Promise<string> {
  const claims = goodClaims(lab);
  const { [claim]: good, ...rest } = claims;
  const payload = JSON.stringify(rest).replace('{', `{${text.replace('GOOD', JSON.stringify(good))},`);
  return lab.server.mint({}, { payload });
}

export const JSON_TEXT: readonly Attack[] = [
  ...spoilt('header'),
  ...spoilt('payload'),
  ...HEADERS.map(([text, reason]) =>
    attack(`the header ${text}`, reason, (lab) => {
      const { alg, kid } = goodHeader(lab);
      const rawHeader = text.replaceAll('<alg>', JSON.stringify(alg)).replaceAll('<kid>', JSON.stringify(kid));
      return lab.server.mint({}, { rawHeader });
    }),
  ),
  ...PAYLOADS.map(([claim, text, reason]) =>
    attack(`the claims ${text}`, reason, (lab) => withMember(lab, claim, text)),
  ),
  ...Object.entries(MISSING).flatMap(([claim, reason]) =>
    SPELT.map((spell, index) =>
      attack(`${claim} in another spelling: ${LOOKALIKES[index]}`, reason, (lab) =>
        withMember(lab, claim, `"${spell(claim)}":GOOD`),
      ),
    ),
  ),
  ...attacks('claims nested 3 000 deep, and then none that count, under', 'issuer_unknown', ['x', 'iss'], (lab, name) =>
    lab.server.mint({}, { payload: `{"${name}":${'['.repeat(3_000)}${']'.repeat(3_000)}}` }),
  ),
];
