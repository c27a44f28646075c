import { createHash, createPrivateKey, sign } from 'node:crypto';
import { attack, namedAttacks, type Attack } from './attack.js';
import type { Lab } from './lab.js';
import { bytesOf, numberOf, putTogether, takeApart, textFor } from './signed.js';

// ES256 signatures that are none: RFC 7518 §3.4, FIPS 186-5 §6.4.2 (both numbers from 1 to n − 1), CVE-2022-21449.

/** The order of P-256, and the prime of its field. */
const N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const P = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn;

const NUMBERS: Readonly<Record<string, bigint>> = {
  0: 0n,
  1: 1n,
  2: 2n,
  'n-1': N - 1n,
  n: N,
  'n+1': N + 1n,
  p: P,
  '2^256-1': 2n ** 256n - 1n,
};

interface Good {
  readonly text: string;
  readonly r: Buffer;
  readonly s: Buffer;
  readonly whole: Buffer;
}

/** A signature with one of its two numbers replaced, or both put otherwise. */
const MALLEATED: Readonly<Record<string, (good: Good) => Uint8Array>> = {
  'r of zero': ({ s }) => Buffer.concat([Buffer.alloc(32), s]),
  's of zero': ({ r }) => Buffer.concat([r, Buffer.alloc(32)]),
  'r of n': ({ s }) => Buffer.concat([bytesOf(N, 32), s]),
  's of n': ({ r }) => Buffer.concat([r, bytesOf(N, 32)]),
  's and r swapped': ({ r, s }) => Buffer.concat([s, r]),
  'r twice': ({ r }) => Buffer.concat([r, r]),
  's twice': ({ s }) => Buffer.concat([s, s]),
  'r negated': ({ r, s }) => Buffer.concat([bytesOf(N - numberOf(r), 32), s]),
  'both negated': ({ r, s }) => Buffer.concat([bytesOf(N - numberOf(r), 32), bytesOf(N - numberOf(s), 32)]),
  's one more': ({ r, s }) => Buffer.concat([r, bytesOf(numberOf(s) + 1n, 32)]),
  's one less': ({ r, s }) => Buffer.concat([r, bytesOf(numberOf(s) - 1n, 32)]),
  'r one more': ({ r, s }) => Buffer.concat([bytesOf(numberOf(r) + 1n, 32), s]),
  's doubled': ({ r, s }) => Buffer.concat([r, bytesOf((numberOf(s) * 2n) % N, 32)]),
  's negated in the field': ({ r, s }) => Buffer.concat([r, bytesOf(P - numberOf(s), 32)]),
  'r with n added, in 33 bytes': ({ r, s }) => Buffer.concat([bytesOf(numberOf(r) + N, 33), bytesOf(numberOf(s), 33)]),
  's with n added, in 33 bytes': ({ r, s }) => Buffer.concat([bytesOf(numberOf(r), 33), bytesOf(numberOf(s) + N, 33)]),
  'both numbers in 33 bytes': ({ r, s }) => Buffer.concat([bytesOf(numberOf(r), 33), bytesOf(numberOf(s), 33)]),
  'both numbers in 48 bytes, as of P-384': ({ r, s }) =>
    Buffer.concat([bytesOf(numberOf(r), 48), bytesOf(numberOf(s), 48)]),
  'both numbers in 66 bytes, as of P-521': ({ r, s }) =>
    Buffer.concat([bytesOf(numberOf(r), 66), bytesOf(numberOf(s), 66)]),
  'both numbers in 31 bytes': ({ r, s }) => Buffer.concat([r.subarray(1), s.subarray(1)]),
  'little endian': ({ r, s }) => Buffer.concat([r.toReversed(), s.toReversed()]),
  backwards: ({ whole }) => whole.toReversed(),
  'every bit inverted': ({ whole }) => whole.map((byte) => byte ^ 0xff),
  'a zero byte in front': ({ whole }) => Buffer.concat([Buffer.alloc(1), whole]),
  'a zero byte behind': ({ whole }) => Buffer.concat([whole, Buffer.alloc(1)]),
  '64 zero bytes behind': ({ whole }) => Buffer.concat([whole, Buffer.alloc(64)]),
  'a recovery byte behind': ({ whole }) => Buffer.concat([whole, Buffer.of(27)]),
  'a recovery byte in front': ({ whole }) => Buffer.concat([Buffer.of(27), whole]),
  'itself behind': ({ whole }) => Buffer.concat([whole, whole]),
  'a hash type behind': ({ whole }) => Buffer.concat([whole, Buffer.of(1)]),
  'no last byte': ({ whole }) => whole.subarray(0, 63),
  'no first byte': ({ whole }) => whole.subarray(1),
  'r alone': ({ r }) => r,
  's alone': ({ s }) => s,
  'the first half of each': ({ r, s }) => Buffer.concat([r.subarray(0, 16), s.subarray(0, 16)]),
  'one byte': () => Buffer.of(0),
  'two bytes': () => Buffer.of(0, 0),
  '63 zero bytes': () => Buffer.alloc(63),
  '65 zero bytes': () => Buffer.alloc(65),
  '96 zero bytes': () => Buffer.alloc(96),
  '132 zero bytes': () => Buffer.alloc(132),
  'all bits set': () => Buffer.alloc(64, 0xff),
  'the same byte 64 times': () => Buffer.alloc(64, 0x42),
  'in DER': ({ r, s }) => der(r, s),
  'in DER, with garbage behind': ({ r, s }) => Buffer.concat([der(r, s), Buffer.of(0)]),
  'in DER, zero and zero': () => der(Buffer.alloc(1), Buffer.alloc(1)),
  'in DER, one and one': () => der(Buffer.of(1), Buffer.of(1)),
  'in DER, an empty sequence': () => Buffer.of(0x30, 0),
  'in DER, numbers without bytes': () => Buffer.of(0x30, 4, 2, 0, 2, 0),
  'in DER, of indefinite length': ({ r, s }) =>
    Buffer.concat([Buffer.of(0x30, 0x80), der(r, s).subarray(2), Buffer.of(0, 0)]),
  'in hexadecimal': ({ whole }) => Buffer.from(whole.toString('hex')),
  'in base64': ({ whole }) => Buffer.from(whole.toString('base64')),
};

/** Good signatures of the right key about something else than header and payload as they stand. */
const ABOUT: Readonly<Record<string, (text: string) => string | Buffer>> = {
  nothing: () => '',
  'the header alone': (text) => text.split('.')[0] as string,
  'the payload alone': (text) => text.split('.')[1] as string,
  'payload before header': (text) => text.split('.').toReversed().join('.'),
  'both without the dot': (text) => text.replace('.', ''),
  'both with a dot behind': (text) => `${text}.`,
  'both with a line break behind': (text) => `${text}\n`,
  'the decoded payload': (text) => Buffer.from(text.split('.')[1] as string, 'base64url'),
  'the decoded header and payload': (text) =>
    text
      .split('.')
      .map((part) => Buffer.from(part, 'base64url').toString())
      .join('.'),
  'the encoded header and the decoded payload': (text) => {
    const [header, payload = ''] = text.split('.');
    return `${header}.${Buffer.from(payload, 'base64url').toString()}`;
  },
  'UTF-16 of both': (text) => Buffer.from(text, 'utf16le'),
  'the hash of both': (text) => createHash('sha256').update(text).digest(),
  'the hash of both in hexadecimal': (text) => createHash('sha256').update(text).digest('hex'),
  'both in lower case': (text) => text.toLowerCase(),
  'a longer payload': (text) => `${text}A`,
};

const HASHES = ['sha1', 'sha224', 'sha384', 'sha512', 'sha3-256', 'md5'];

async function good({ server }: Lab): Promise<Good> {
  const { text, signature } = takeApart(await server.mint());
  return { text, r: signature.subarray(0, 32), s: signature.subarray(32), whole: signature };
}

/** A sequence of two integers, as X.509 and most libraries have it. */
function der(r: Uint8Array, s: Uint8Array): Buffer {
  const integers = [r, s].map((bytes) => {
    const positive = Buffer.concat([Buffer.alloc((bytes[0] as number) >= 0x80 ? 1 : 0), bytes]);
    return Buffer.concat([Buffer.of(0x02, positive.length), positive]);
  });
  const body = Buffer.concat(integers);
  return Buffer.concat([Buffer.of(0x30, body.length), body]);
}

/** The key whose private number is 1, so that anybody can sign with it. */
function keyOfOne(): ReturnType<typeof createPrivateKey> {
  const x = 0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296n;
  const y = 0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5n;
  const [d, xText, yText] = [1n, x, y].map((value) => bytesOf(value, 32).toString('base64url')) as [
    string,
    string,
    string,
  ];
  return createPrivateKey({ key: { kty: 'EC', crv: 'P-256', d, x: xText, y: yText }, format: 'jwk' });
}

export const ECDSA: readonly Attack[] = [
  ...Object.entries(NUMBERS).flatMap(([rName, r]) =>
    Object.entries(NUMBERS).map(([sName, s]) =>
      attack(`an ECDSA signature with r = ${rName} and s = ${sName}`, 'signature_invalid', async (lab) =>
        putTogether(await textFor(lab), Buffer.concat([bytesOf(r, 32), bytesOf(s, 32)])),
      ),
    ),
  ),
  ...namedAttacks('an ECDSA signature', 'signature_invalid', MALLEATED, async (lab, malleate) => {
    const signature = await good(lab);
    return putTogether(signature.text, malleate(signature));
  }),
  ...namedAttacks('an ECDSA signature about', 'signature_invalid', ABOUT, async (lab, about) => {
    const text = await textFor(lab);
    const { privateKey: key } = lab.issuer.key;
    return putTogether(text, sign('sha256', Buffer.from(about(text) as string), { key, dsaEncoding: 'ieee-p1363' }));
  }),
  ...HASHES.map((hash) =>
    attack(`an ECDSA signature over ${hash}`, 'signature_invalid', async (lab) => {
      const text = await textFor(lab);
      const { privateKey: key } = lab.issuer.key;
      return putTogether(text, sign(hash, Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }));
    }),
  ),
  attack('the ECDSA signature of another token', 'signature_invalid', async (lab) => {
    const [mine, theirs] = await Promise.all([lab.server.mint({ sub: 'mallory' }), lab.server.mint()]);
    return putTogether(takeApart(theirs).text, takeApart(mine).signature);
  }),
  attack('the ECDSA signature of the same claims under another header', 'signature_invalid', async (lab) => {
    const [first, second] = await Promise.all([
      lab.server.mint({ jti: 'j' }),
      lab.server.mint({ jti: 'j' }, { header: { x: 1 } }),
    ]);
    return putTogether(takeApart(first).text, takeApart(second).signature);
  }),
  attack('an ECDSA signature of the key whose private number is 1', 'signature_invalid', async (lab) => {
    const text = await textFor(lab);
    return putTogether(text, sign('sha256', Buffer.from(text), { key: keyOfOne(), dsaEncoding: 'ieee-p1363' }));
  }),
];
