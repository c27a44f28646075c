import { attack, claiming, nameOf, type Attack } from './attack.js';
import { goodClaims, type Lab } from './lab.js';

// `exp`, `nbf` and `iat`: RFC 7519 §2 (NumericDate) and §4.1.4 to §4.1.6, RFC 9068 §4.

const CLAIMS = ['exp', 'nbf', 'iat'] as const;

/** That are no finite, non-negative numbers, whatever they are to a lenient reader. */
const NO_TIMES: readonly unknown[] = [
  true,
  false,
  ' ',
  '0',
  '1',
  'now',
  'never',
  'Infinity',
  'NaN',
  '1e3',
  '0x7fffffff',
  '2099-01-01T00:00:00Z',
  {},
  ['9999999999'],
  [9_999_999_999],
  { $date: 9_999_999_999 },
  { valueOf: 9_999_999_999 },
  -1,
  -0.5,
  -1e30,
];

/** As text, for numbers that JSON can write and JavaScript cannot. */
const NUMBER_TEXTS = ['1e999', '-1e999', '1E+400', '9'.repeat(400), '-9e400'];

const TIMES: readonly [what: string, claims: (seconds: number) => Record<string, unknown>, reason: Attack['reason']][] =
  [
    ['no exp', () => ({ exp: undefined }), 'expiry_missing'],
    ['exp of null', () => ({ exp: null }), 'expiry_missing'],
    ['exp of an empty text', () => ({ exp: '' }), 'expiry_missing'],
    ['exp of an empty list', () => ({ exp: [] }), 'expiry_missing'],
    ['no exp, but expires_in', () => ({ exp: undefined, expires_in: 300 }), 'expiry_missing'],
    ['no exp, but expires_at', (now) => ({ exp: undefined, expires_at: now + 300 }), 'expiry_missing'],
    ['no exp, but iat and nbf', (now) => ({ exp: undefined, iat: now, nbf: now }), 'expiry_missing'],
    ['exp of zero', () => ({ exp: 0 }), 'expired'],
    ['exp of minus zero', () => ({ exp: -0 }), 'expired'],
    ['exp of next to nothing', () => ({ exp: 5e-324 }), 'expired'],
    ['exp a day ago', (now) => ({ exp: now - 86_400 }), 'expired'],
    ['exp a year ago', (now) => ({ exp: now - 31_536_000 }), 'expired'],
    ['exp at the tolerance', (now) => ({ exp: now - 5 }), 'expired'],
    ['exp just beyond the tolerance, by a fraction', (now) => ({ exp: now - 5.001 }), 'expired'],
    ['exp that an unsigned 32-bit integer wraps around', (now) => ({ exp: now + 2 ** 32 }), 'lifetime_too_long'],
    ['exp at the end of 32 bits', () => ({ exp: 2 ** 32 }), 'lifetime_too_long'],
    ['exp in milliseconds', (now) => ({ exp: (now + 300) * 1_000 }), 'lifetime_too_long'],
    ['exp in microseconds', (now) => ({ exp: (now + 300) * 1e6 }), 'lifetime_too_long'],
    ['exp in a hundred years', (now) => ({ exp: now + 3.2e9 }), 'lifetime_too_long'],
    ['exp just beyond a day and the tolerance', (now) => ({ exp: now + 86_405.001 }), 'lifetime_too_long'],
    ['exp of the greatest safe integer', () => ({ exp: Number.MAX_SAFE_INTEGER }), 'lifetime_too_long'],
    ['exp of the greatest number', () => ({ exp: Number.MAX_VALUE }), 'lifetime_too_long'],
    ['exp of 1e30', () => ({ exp: 1e30 }), 'lifetime_too_long'],
    ['nbf just beyond the tolerance', (now) => ({ nbf: now + 5.001 }), 'not_yet_valid'],
    ['nbf in an hour', (now) => ({ nbf: now + 3_600 }), 'not_yet_valid'],
    ['nbf in milliseconds', (now) => ({ nbf: now * 1_000 }), 'not_yet_valid'],
    ['nbf of the greatest number', () => ({ nbf: Number.MAX_VALUE }), 'not_yet_valid'],
    ['nbf after exp', (now) => ({ nbf: now + 301 }), 'not_yet_valid'],
    ['iat just beyond five minutes', (now) => ({ iat: now + 300.001 }), 'not_yet_valid'],
    ['iat in an hour', (now) => ({ iat: now + 3_600 }), 'not_yet_valid'],
    ['iat in milliseconds', (now) => ({ iat: now * 1_000 }), 'not_yet_valid'],
    ['iat of 1e300', () => ({ iat: 1e300 }), 'not_yet_valid'],
    ['exp past and nbf in the future', (now) => ({ exp: now - 60, nbf: now + 60 }), 'expired'],
  ];

function withText(lab: Lab, claim: string, text: string): Promise<string> {
  const { [claim]: _good, ...rest } = goodClaims(lab);
  return lab.server.mint({}, { payload: JSON.stringify(rest).replace('{', `{"${claim}":${text},`) });
}

export const TIME: readonly Attack[] = [
  ...CLAIMS.flatMap((claim) => [
    ...NO_TIMES.map((value) =>
      attack(`${claim} of ${nameOf(value)}`, 'time_malformed', (lab) => claiming(lab, { [claim]: value })),
    ),
    ...NUMBER_TEXTS.map((text) =>
      attack(`${claim} of the number ${text.slice(0, 20)}`, 'time_malformed', (lab) => withText(lab, claim, text)),
    ),
  ]),
  ...TIMES.map(([what, claims, reason]) =>
    attack(`times: ${what}`, reason, (lab) => claiming(lab, claims(lab.seconds))),
  ),
];
