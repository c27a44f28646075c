import { attack, namedAttacks, type Attack } from './attack.js';
import { bytesOf, numberOf, putTogether, takeApart } from './signed.js';

// Ed25519 signatures that are none, or that were another before: RFC 8032 §5.1.7 (S below the order of the group), RFC 8037 §3.1.

/** The order of the group. */
const L = 2n ** 252n + 27742317777372353535851937790883648493n;

type Halves = readonly [r: Buffer, s: Buffer];

/** Numbers are little endian here. */
const numberOfHalf = (half: Buffer): bigint => numberOf(half.toReversed());
const halfOf = (value: bigint): Buffer => Buffer.from(bytesOf(value, 32).toReversed());

/** Points of small order, in their encodings. */
const SMALL_ORDER: Readonly<Record<string, string>> = {
  'the neutral element': `01${'00'.repeat(31)}`,
  'the neutral element with a sign': `01${'00'.repeat(30)}80`,
  'the point of order two': `ec${'ff'.repeat(30)}7f`,
  'a point of order four': '00'.repeat(32),
  'a point of order four with a sign': `${'00'.repeat(31)}80`,
  'a point of order eight': 'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'a neutral element that is not reduced': `ee${'ff'.repeat(30)}7f`,
  'p itself': `ed${'ff'.repeat(30)}7f`,
};

const CHANGES: Readonly<Record<string, (halves: Halves) => Uint8Array>> = {
  'S with the order added': ([r, s]) => Buffer.concat([r, halfOf(numberOfHalf(s) + L)]),
  'S negated': ([r, s]) => Buffer.concat([r, halfOf(L - numberOfHalf(s))]),
  'S of zero': ([r]) => Buffer.concat([r, Buffer.alloc(32)]),
  'S of the order': ([r]) => Buffer.concat([r, halfOf(L)]),
  'S of all bits': ([r]) => Buffer.concat([r, Buffer.alloc(32, 0xff)]),
  'the sign of R turned': ([r, s]) => Buffer.concat([r.subarray(0, 31), Buffer.of((r[31] as number) ^ 0x80), s]),
  'the highest bit of S set': ([r, s]) => Buffer.concat([r, s.subarray(0, 31), Buffer.of((s[31] as number) | 0x80)]),
  'S and R swapped': ([r, s]) => Buffer.concat([s, r]),
  'big endian': ([r, s]) => Buffer.concat([r.toReversed(), s.toReversed()]),
  'R alone': ([r]) => r,
  'S alone': ([, s]) => s,
  'no last byte': ([r, s]) => Buffer.concat([r, s.subarray(0, 31)]),
  'a zero byte behind': ([r, s]) => Buffer.concat([r, s, Buffer.alloc(1)]),
  'the length of Ed448': ([r, s]) => Buffer.concat([r, s, Buffer.alloc(50)]),
  'nothing but zeros': () => Buffer.alloc(64),
  'nothing but ones': () => Buffer.alloc(64, 0xff),
};

export const EDDSA: readonly Attack[] = [
  ...namedAttacks('an Ed25519 signature with', 'signature_invalid', CHANGES, async (lab, change) => {
    const { text, signature } = takeApart(await lab.server.mint({}, { key: lab.keys.ed25519 }));
    return putTogether(text, change([signature.subarray(0, 32), signature.subarray(32)]));
  }),
  ...Object.entries(SMALL_ORDER).map(([name, point]) =>
    attack(`an Ed25519 signature with R of ${name} and S of zero`, 'signature_invalid', async (lab) => {
      const { text } = takeApart(await lab.server.mint({}, { key: lab.keys.ed25519 }));
      return putTogether(text, Buffer.concat([Buffer.from(point, 'hex'), Buffer.alloc(32)]));
    }),
  ),
  ...namedAttacks(
    'an Ed25519 signature',
    'signature_invalid',
    { 'of ES256': 'es', 'of RS256': 'rs' },
    async (lab, name) => {
      const { text } = takeApart(await lab.server.mint({}, { key: lab.keys.ed25519 }));
      const other = await lab.server.mint({}, name === 'es' ? {} : { key: lab.keys.rs256 });
      return putTogether(text, takeApart(other).signature);
    },
  ),
];
