import { deflateRawSync, gzipSync } from 'node:zlib';
import { signBytes } from '../support/tokens.js';
import { attack, attacks, headed, type Attack } from './attack.js';
import { goodClaims, goodHeader, MARK } from './lab.js';

// Members of the JOSE header other than `alg` and those about keys: RFC 7515 §4.1.9 to §4.1.11, RFC 7797, RFC 8725 §3.11.

const TYPES = [
  'id_token',
  'logout+jwt',
  'dpop+jwt',
  'secevent+jwt',
  'token-introspection+jwt',
  'oauth-authz-req+jwt',
  'oauth-id-jag+jwt',
  'client-authentication+jwt',
  'oauth-client-attestation+jwt',
  'kb+jwt',
  'dc+sd-jwt',
  'vc+jwt',
  'entity-statement+jwt',
  'wallet-attestation+jwt',
  'rt+jwt',
  'passport',
  'JOSE',
  'JOSE+JSON',
  'JWE',
  'JWS',
  'JWT2',
  'application/jwt',
  'application/logout+jwt',
  'text/at+jwt',
  'application/application/at+jwt',
  'application//at+jwt',
  'at+jwt;q=1',
  'at+jwt; charset=utf-8',
  'at+jwt,dpop+jwt',
  'dpop+jwt,at+jwt',
  'at+jwt dpop+jwt',
  'at+jwt\u0000',
  'at+jwt\n',
  ' at+jwt',
  'at+jwt ',
  '\tat+jwt',
  'at jwt',
  'at-jwt',
  'at%2Bjwt',
  'at_jwt',
  'atjwt',
  'at+jw',
  'aat+jwt',
  'at+jwtt',
  'at+jwt+',
  'at+jws',
  'at',
  '+jwt',
  '+',
  '*',
  '*/*',
  '',
  ' ',
  'null',
  'undefined',
  '__proto__',
  'constructor',
  'toString',
  '\uff41\uff54+\uff4a\uff57\uff54',
  '\u0430t+jwt',
  'at\uff0bjwt',
  'at+jw\u0442',
  'at\u200b+jwt',
  'a\u0074\u0301+jwt',
  'JW\u0054\u200d',
];
const NO_TYPES: readonly unknown[] = [
  null,
  0,
  7,
  true,
  false,
  [],
  ['at+jwt'],
  ['JWT'],
  {},
  { typ: 'at+jwt' },
  [['at+jwt']],
  1e21,
];

const CRITICAL: readonly Readonly<Record<string, unknown>>[] = [
  { crit: [] },
  { crit: ['exp'], exp: 1 },
  { crit: ['x'] },
  { crit: ['x'], x: 1 },
  { crit: ['alg'] },
  { crit: ['typ'] },
  { crit: ['kid', 'kid'] },
  { crit: ['crit'] },
  { crit: [''], '': 1 },
  { crit: [' '] },
  { crit: ['__proto__'] },
  { crit: ['constructor'] },
  { crit: ['toString'] },
  { crit: 'x', x: 1 },
  { crit: 'exp' },
  { crit: null },
  { crit: {} },
  { crit: true },
  { crit: 0 },
  { crit: [7], 7: 1 },
  { crit: [null] },
  { crit: [['x']], x: 1 },
  { crit: [{}] },
  { crit: ['http://example.invalid/undefined'], 'http://example.invalid/undefined': true },
  { crit: ['b64'], b64: false },
  { crit: ['b64'], b64: true },
  { crit: ['b64'] },
  { crit: [' b64'], b64: false },
  { crit: ['svt'], svt: MARK },
  { crit: ['ppt'], ppt: 'shaken' },
  { crit: ['jwk'], jwk: {} },
  { crit: Array.from({ length: 500 }, () => 'x') },
];

const UNENCODED = [{ b64: false }, { b64: true }, { b64: 'false' }, { b64: 0 }, { b64: null }, { b64: [] }];

export const HEADER: readonly Attack[] = [
  ...attacks('a token with typ', 'type_rejected', [...TYPES, ...NO_TYPES], (lab, typ) => headed(lab, { typ })),
  ...attacks('a token whose header has', 'header_rejected', [...CRITICAL, ...UNENCODED], (lab, header) =>
    headed(lab, header),
  ),
  ...attacks('a token that is deflated, zip', 'token_malformed', ['DEF', 'def', 'DEFLATE', undefined], (lab, zip) => {
    const header = { ...goodHeader(lab), zip };
    return signBytes(lab.issuer.key, JSON.stringify(header), deflateRawSync(JSON.stringify(goodClaims(lab))));
  }),
  attack('a token that is gzipped', 'token_malformed', (lab) => {
    const header = { ...goodHeader(lab), zip: 'GZ' };
    return signBytes(lab.issuer.key, JSON.stringify(header), gzipSync(JSON.stringify(goodClaims(lab))));
  }),
  attack('a token that inflates to 50 MB', 'token_malformed', (lab) => {
    const header = { ...goodHeader(lab), zip: 'DEF' };
    // The limit on tokens is the first to notice otherwise.
    const bomb = deflateRawSync(Buffer.alloc(8_000_000, 'a'), { level: 9 });
    return signBytes(lab.issuer.key, JSON.stringify(header), bomb);
  }),
  ...attacks('an unencoded payload, crit', 'token_malformed', [['b64'], undefined], (lab, crit) => {
    const header = JSON.stringify({ ...goodHeader(lab), b64: false, crit });
    const [encoded, , signature] = signBytes(lab.issuer.key, header, JSON.stringify(goodClaims(lab))).split('.');
    return [encoded, `${MARK}-unencoded`, signature].join('.');
  }),
  // What would be a command in another language is a name like any other here.
  ...attacks(
    'a token with a header of nothing but',
    'algorithm_rejected',
    [{}, { x: 1 }, { kid: MARK }, { typ: 'at+jwt' }],
    (lab, header) => lab.server.mint({}, { rawHeader: JSON.stringify(header) }),
  ),
];
