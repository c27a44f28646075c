import { constants, createHash, privateEncrypt, sign } from 'node:crypto';
import type { TestKey } from 'nestjs-mcp-auth/testing';
import { attack, type Attack } from './attack.js';
import type { Lab, LabKeys } from './lab.js';
import { bytesOf, numberOf, putTogether, takeApart, textFor, type Signed } from './signed.js';

// RSA signatures of the right key, or of no key at all, with something wrong inside: RFC 8017 §8.1, §8.2, §9.1 and §9.2,
// CVE-2006-4339 and its descendants.

const BYTES = 256;
/** DigestInfo, up to the digest itself. */
const SHA256_INFO = Buffer.from('3031300d060960864801650304020105000420', 'hex');

const sha256 = (text: string | Uint8Array): Buffer => createHash('sha256').update(text).digest();

/** The block that PKCS #1 v1.5 signs, with parts of it otherwise than they should be. */
function block(
  text: string,
  {
    info = SHA256_INFO,
    digest = sha256(text),
    type = 1,
    first = 0,
    fill = 0xff,
    end = Buffer.of(0),
    behind = Buffer.alloc(0),
  }: {
    readonly info?: Buffer;
    readonly digest?: Buffer;
    readonly type?: number;
    readonly first?: number;
    readonly fill?: number;
    readonly end?: Buffer;
    readonly behind?: Buffer;
  } = {},
): Buffer {
  const tail = Buffer.concat([end, info, digest, behind]);
  return Buffer.concat([Buffer.of(first, type), Buffer.alloc(BYTES - 2 - tail.length, fill), tail]);
}

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

/** Blocks that are signed by the right key, and are not what must be signed. */
const BLOCKS: Readonly<Record<string, (text: string) => Buffer>> = {
  'block type 0': (text) => block(text, { type: 0, fill: 0 }),
  'block type 2': (text) => block(text, { type: 2 }),
  'block type 255': (text) => block(text, { type: 255 }),
  'padding of zeros': (text) => block(text, { fill: 0 }),
  'padding of ones': (text) => block(text, { fill: 1 }),
  'padding of 0xfe': (text) => block(text, { fill: 0xfe }),
  'one byte of the padding wrong': (text) => {
    const bytes = block(text);
    bytes[100] = 0xfe;
    return bytes;
  },
  'no end of the padding': (text) => block(text, { end: Buffer.alloc(0) }),
  'a wrong end of the padding': (text) => block(text, { end: Buffer.of(1) }),
  'two ends of the padding': (text) => block(text, { end: Buffer.of(0, 0) }),
  'padding cut short, and zeros behind': (text) => {
    const behind = Buffer.alloc(BYTES - 11 - SHA256_INFO.length - 32);
    return block(text, { behind });
  },
  'padding cut short, and garbage behind': (text) => block(text, { behind: Buffer.alloc(180, 0x5a) }),
  'one byte behind the digest': (text) => block(text, { behind: Buffer.of(0) }),
  'the digest alone': (text) => block(text, { info: Buffer.alloc(0) }),
  'the digest twice': (text) => block(text, { behind: sha256(text) }),
  'no digest': (text) => block(text, { digest: Buffer.alloc(0) }),
  'a digest of zeros': (text) => block(text, { digest: Buffer.alloc(32) }),
  'the digest of nothing': (text) => block(text, { digest: sha256('') }),
  'the digest of another text': (text) => block(text, { digest: sha256(`${text}A`) }),
  'the digest of the digest': (text) => block(text, { digest: sha256(sha256(text)) }),
  'the digest cut short': (text) => block(text, { digest: sha256(text).subarray(0, 31) }),
  'the digest without its first byte': (text) => block(text, { digest: sha256(text).subarray(1) }),
  'the digest backwards': (text) => block(text, { digest: Buffer.from(sha256(text).toReversed()) }),
  'the identifier of SHA-1': (text) => block(text, { info: hex('302d 300906052b0e03021a0500 0420') }),
  'the identifier of SHA-384': (text) => block(text, { info: hex('3031 300d06096086480165030402020500 0420') }),
  'the identifier of SHA-512': (text) => block(text, { info: hex('3031 300d06096086480165030402030500 0420') }),
  'the identifier of MD5': (text) => block(text, { info: hex('302c 300c06082a864886f70d02050500 0420') }),
  'no such identifier': (text) => block(text, { info: hex('3031 300d060960864801650304027f0500 0420') }),
  'an empty identifier': (text) => block(text, { info: hex('3028 3004 0600 0500 0420') }),
  'no identifier': (text) => block(text, { info: hex('3022 0420') }),
  'an identifier cut short': (text) => block(text, { info: hex('3030 300c060860864801650304020500 0420') }),
  'garbage for the parameters': (text) => block(text, { info: hex('3033 300f0609608648016503040201 0402dead 0420') }),
  'garbage of a kilobit for the parameters': (text) =>
    block(text, { info: hex(`3081b3 30818e0609608648016503040201 048180${'5a'.repeat(128)} 0420`) }),
  'a sequence for the parameters': (text) => block(text, { info: hex('3031 300d0609608648016503040201 3000 0420') }),
  'parameters of one byte': (text) => block(text, { info: hex('3032 300e0609608648016503040201 050100 0420') }),
  'the outer length in long form': (text) => block(text, { info: hex('308131 300d06096086480165030402010500 0420') }),
  'the inner length in long form': (text) => block(text, { info: hex('3032 30810d06096086480165030402010500 0420') }),
  'the length of the digest in long form': (text) =>
    block(text, { info: hex('3032 300d06096086480165030402010500 048120') }),
  'a length with a leading zero': (text) => block(text, { info: hex('30820031 300d06096086480165030402010500 0420') }),
  'an outer length too great': (text) => block(text, { info: hex('3032 300d06096086480165030402010500 0420') }),
  'an outer length too small': (text) => block(text, { info: hex('3030 300d06096086480165030402010500 0420') }),
  'an indefinite length': (text) =>
    block(text, { info: hex('3080 300d06096086480165030402010500 0420'), behind: Buffer.of(0, 0) }),
  'a length of four gigabytes': (text) =>
    block(text, { info: hex('3085 0100000031 300d06096086480165030402010500 0420') }),
  'a bit string for the digest': (text) => block(text, { info: hex('3032 300d06096086480165030402010500 0321 00') }),
  'an integer for the digest': (text) => block(text, { info: hex('3031 300d06096086480165030402010500 0220') }),
  'a set for the sequence': (text) => block(text, { info: hex('3131 300d06096086480165030402010500 0420') }),
  'an element more': (text) =>
    block(text, { info: hex('3033 300d06096086480165030402010500 0420'), behind: hex('0500') }),
  'the block of PSS': (text) => pss(text),
};

/** Numbers anybody can write down; told the modulus. */
const NUMBERS: Readonly<Record<string, (modulus: bigint) => bigint>> = {
  0: () => 0n,
  1: () => 1n,
  2: () => 2n,
  'n-1': (modulus) => modulus - 1n,
  n: (modulus) => modulus,
  'n+1': (modulus) => modulus + 1n,
  '2^2048-1': () => 2n ** 2048n - 1n,
};

/** A good signature in another length, or another number for the same; told the modulus. */
const RESHAPED: Readonly<Record<string, (signature: Buffer, modulus: bigint) => Uint8Array>> = {
  'a zero byte in front': (signature) => Buffer.concat([Buffer.alloc(1), signature]),
  'eight zero bytes in front': (signature) => Buffer.concat([Buffer.alloc(8), signature]),
  'a zero byte behind': (signature) => Buffer.concat([signature, Buffer.alloc(1)]),
  'no last byte': (signature) => signature.subarray(0, -1),
  'no first byte': (signature) => signature.subarray(1),
  'its first half': (signature) => signature.subarray(0, 128),
  'itself behind': (signature) => Buffer.concat([signature, signature]),
  'the modulus added': (signature, modulus) => bytesOf(numberOf(signature) + modulus, BYTES + 1),
  negated: (signature, modulus) => bytesOf(modulus - numberOf(signature), BYTES),
  backwards: (signature) => signature.toReversed(),
  'one bit flipped at the end': (signature) =>
    Buffer.concat([signature.subarray(0, -1), Buffer.of((signature.at(-1) as number) ^ 1)]),
  'one bit flipped in front': (signature) =>
    Buffer.concat([Buffer.of((signature[0] as number) ^ 1), signature.subarray(1)]),
  squared: (signature, modulus) => bytesOf(numberOf(signature) ** 2n % modulus, BYTES),
};

function modulusOf({ publicJwk }: TestKey): bigint {
  return numberOf(Buffer.from(publicJwk.n as string, 'base64url'));
}

/** The private operation of RSA and nothing else. */
function power(key: TestKey, bytes: Buffer): Buffer {
  return privateEncrypt({ key: key.privateKey, padding: constants.RSA_NO_PADDING }, bytes);
}

/** EMSA-PSS as for PS256, with parts of it otherwise than they should be. */
function pss(
  text: string,
  {
    salt = Buffer.alloc(32, 0x5a),
    hash = 'sha256',
    maskHash = hash,
    trailer = 0xbc,
    separator = 1,
    digest,
  }: {
    readonly salt?: Buffer;
    readonly hash?: string;
    readonly maskHash?: string;
    readonly trailer?: number;
    readonly separator?: number;
    readonly digest?: Buffer;
  } = {},
): Buffer {
  const message = digest ?? createHash(hash).update(text).digest();
  const h = createHash(hash).update(Buffer.alloc(8)).update(message).update(salt).digest();
  const data = Buffer.alloc(BYTES - h.length - 1);
  data[data.length - salt.length - 1] = separator;
  salt.copy(data, data.length - salt.length);
  const masked = xor(data, mask(h, data.length, maskHash));
  masked[0] = (masked[0] as number) & 0x7f;
  return Buffer.concat([masked, h, Buffer.of(trailer)]);
}

/** MGF1 (RFC 8017 §B.2.1). */
function mask(seed: Buffer, length: number, hash: string): Buffer {
  const blocks: Buffer[] = [];
  for (let counter = 0; Buffer.concat(blocks).length < length; counter++) {
    blocks.push(
      createHash(hash)
        .update(seed)
        .update(Buffer.of(0, 0, 0, counter))
        .digest(),
    );
  }
  return Buffer.concat(blocks).subarray(0, length);
}

function xor(one: Buffer, other: Buffer): Buffer {
  return Buffer.from(one.map((byte, index) => byte ^ (other[index] as number)));
}

const PSS_BLOCKS: Readonly<Record<string, (text: string) => Buffer>> = {
  'no salt': (text) => pss(text, { salt: Buffer.alloc(0) }),
  'a salt of one byte': (text) => pss(text, { salt: Buffer.of(1) }),
  'a salt of 20 bytes': (text) => pss(text, { salt: Buffer.alloc(20, 1) }),
  'a salt of 31 bytes': (text) => pss(text, { salt: Buffer.alloc(31, 1) }),
  'a salt of 33 bytes': (text) => pss(text, { salt: Buffer.alloc(33, 1) }),
  'the longest salt': (text) => pss(text, { salt: Buffer.alloc(BYTES - 34, 1) }),
  'a mask of SHA-1': (text) => pss(text, { maskHash: 'sha1' }),
  'a mask of SHA-512': (text) => pss(text, { maskHash: 'sha512' }),
  'SHA-1': (text) => pss(text, { hash: 'sha1' }),
  'SHA-384': (text) => pss(text, { hash: 'sha384' }),
  'SHA-512': (text) => pss(text, { hash: 'sha512' }),
  'another trailer': (text) => pss(text, { trailer: 0xcc }),
  'a trailer of zero': (text) => pss(text, { trailer: 0 }),
  'another separator': (text) => pss(text, { separator: 2 }),
  'no separator': (text) => pss(text, { separator: 0 }),
  'the digest of another text': (text) => pss(`${text}A`),
  'a digest of zeros': (text) => pss(text, { digest: Buffer.alloc(32) }),
  'the block of PKCS #1 v1.5': (text) => block(text),
};

/** Signs a block with the key, whatever the block is. */
function signedBlock(name: 'rs256' | 'ps256', make: (text: string) => Buffer): Attack['token'] {
  return async (lab) => {
    const key = lab.keys[name];
    const text = await textFor(lab, { key });
    return putTogether(text, power(key, make(text)));
  };
}

function reshaped(name: keyof LabKeys, reshape: (signature: Buffer, modulus: bigint) => Uint8Array): Attack['token'] {
  return async (lab) => {
    const key = lab.keys[name];
    const text = await textFor(lab, { key });
    const good = power(key, name === 'ps256' ? pss(text) : block(text));
    return putTogether(text, reshape(good, modulusOf(key)));
  };
}

/**
 * A signature without the private key, good for whoever does not look at what stands behind the digest: the cube root
 * of a block that begins as it should.
 */
function cubeRootForgery(text: string): Buffer {
  const begin = Buffer.concat([
    Buffer.from([0, 1, ...Array.from({ length: 8 }, () => 0xff), 0]),
    SHA256_INFO,
    sha256(text),
  ]);
  const target = numberOf(Buffer.concat([begin, Buffer.alloc(BYTES - begin.length, 0xff)]));
  const root = cubeRoot(target);
  if (
    !bytesOf(root ** 3n, BYTES)
      .subarray(0, begin.length)
      .equals(begin)
  )
    throw new Error('the forgery is none');
  return bytesOf(root, BYTES);
}

/** The greatest number whose cube is not greater. */
function cubeRoot(value: bigint): bigint {
  let low = 0n;
  let high = 1n << 700n;
  while (low < high) {
    const middle = (low + high + 1n) / 2n;
    if (middle ** 3n <= value) low = middle;
    else high = middle - 1n;
  }
  return low;
}

const leadingZeros = new WeakMap<Lab, Promise<Signed>>();

/** A token whose good RSA signature begins with a zero byte, as one in 256 does: looked for once. */
export function withLeadingZero(lab: Lab): Promise<Signed> {
  const found = leadingZeros.get(lab) ?? findLeadingZero(lab, 'rs256');
  leadingZeros.set(lab, found);
  return found;
}

async function findLeadingZero(lab: Lab, name: 'rs256' | 'ps256'): Promise<Signed> {
  const key = lab.keys[name];
  for (let count = 0; ; count++) {
    const signed = takeApart(await lab.server.mint({}, { key, header: { count } }));
    if (signed.signature[0] === 0) return signed;
  }
}

export const RSA: readonly Attack[] = [
  ...Object.entries(BLOCKS).map(([name, make]) =>
    attack(`an RS256 signature of a block with ${name}`, 'signature_invalid', signedBlock('rs256', make)),
  ),
  ...Object.entries(PSS_BLOCKS).map(([name, make]) =>
    attack(`a PS256 signature of a block with ${name}`, 'signature_invalid', signedBlock('ps256', make)),
  ),
  ...(['rs256', 'ps256'] as const).flatMap((name) => [
    ...Object.entries(RESHAPED).map(([what, reshape]) =>
      attack(`a good ${name.toUpperCase()} signature, ${what}`, 'signature_invalid', reshaped(name, reshape)),
    ),
    ...Object.entries(NUMBERS).map(([what, number]) =>
      attack(
        `a ${name.toUpperCase()} signature of the number ${what}`,
        'signature_invalid',
        reshaped(name, (_good, modulus) => bytesOf(number(modulus), BYTES)),
      ),
    ),
  ]),
  attack('a good RS256 signature without the zero byte it begins with', 'signature_invalid', async (lab) => {
    const { text, signature } = await withLeadingZero(lab);
    return putTogether(text, signature.subarray(1));
  }),
  attack('a good PS256 signature without the zero byte it begins with', 'signature_invalid', async (lab) => {
    const { text, signature } = await findLeadingZero(lab, 'ps256');
    return putTogether(text, signature.subarray(1));
  }),
  attack('a forgery under the exponent 3, by a cube root', 'signature_invalid', async (lab) => {
    const text = await textFor(lab, { key: lab.keys.exponent3 });
    return putTogether(text, cubeRootForgery(text));
  }),
  ...['sha1', 'sha384', 'sha512', 'md5'].map((hash) =>
    attack(`an RS256 signature over ${hash}`, 'signature_invalid', async (lab) => {
      const key = lab.keys.rs256;
      const text = await textFor(lab, { key });
      return putTogether(text, sign(hash, Buffer.from(text), key.privateKey));
    }),
  ),
];
