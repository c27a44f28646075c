import { createHmac } from 'node:crypto';
import { attack, attacks, claiming, headed, type Attack } from './attack.js';
import { goodClaims, type Lab } from './lab.js';

// The `alg` of the header: RFC 7515 §4.1.1, RFC 7518 §3, RFC 8725 §2.1 and §3.1.

const NONE = [
  'none',
  'None',
  'NONE',
  'nOnE',
  'nONE',
  'none ',
  ' none',
  'none\u0000',
  'none\n',
  'no\u200bne',
  'n\u043ene',
  '\uff4e\uff4f\uff4e\uff45',
  '',
  'null',
  'undefined',
  'no',
  'plain',
  'unsecured',
  'NULL',
  '0',
];

const SPELLINGS = [
  'es256',
  'Es256',
  'eS256',
  'ES256 ',
  ' ES256',
  '\tES256',
  'ES256\n',
  'ES256\u0000',
  'ES256\u0000none',
  'ES-256',
  'ES_256',
  'ES 256',
  'ES0256',
  'ES256.',
  'ES256;',
  'ES256,none',
  'none,ES256',
  'ES256|none',
  'ES256/none',
  'XES256',
  'ES2566',
  'ES25',
  'ES',
  '\uff25\uff33256',
  'ES\u0662\u0665\u0666',
  'E\u0405256',
  '\u0415S256',
  'ES2\u200b56',
  'ES256\u0301',
  'E\u017f256',
  'ECDSA',
  'ECDSA256',
  'SHA256withECDSA',
  'ecdsa-with-SHA256',
  'P-256',
  'secp256r1',
  'prime256v1',
  '1.2.840.10045.4.3.2',
  '-7',
  'http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256',
  'ES256K',
  'ESP256',
  'ESB256',
  'ES256-R',
  'ES1',
  'ES128',
  'ES224',
  'RS1',
  'RS128',
  'RS224',
  'RS257',
  'PS1',
  'RSA',
  'RSA-SHA256',
  'SHA256withRSA',
  'RS256 ',
  'rs256',
  'ps256',
  'EDDSA',
  'eddsa',
  'ed25519',
  'Ed448',
  'X25519',
  'ML-DSA-44',
  'ML-DSA-65',
  'SLH-DSA-SHA2-128s',
  'HSS-LMS',
  'BBS',
  'SM2',
  'GOST',
  'HS256',
  'HS384',
  'HS512',
  'HS1',
  'hs256',
  'HMAC',
  'MD5',
  'AES',
  'dir',
  'RSA1_5',
  'RSA-OAEP',
  'RSA-OAEP-256',
  'A128KW',
  'A256GCMKW',
  'ECDH-ES',
  'ECDH-ES+A128KW',
  'PBES2-HS256+A128KW',
  'A128GCM',
  'HS256\u0000ES256',
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  'valueOf',
  'length',
  'has',
  '*',
  '.*',
  '^ES256$',
  '[object Object]',
];

const NO_STRINGS: readonly unknown[] = [
  undefined,
  null,
  0,
  -7,
  true,
  false,
  [],
  ['ES256'],
  ['none'],
  [['ES256']],
  {},
  { alg: 'ES256' },
  { toString: 'ES256' },
];

/** Of the list, but not what the key is for; with the good `kid`. */
const FOR_OTHER_KEYS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES384', 'ES512', 'EdDSA', 'Ed25519'];

const HASHES = ['sha256', 'sha384', 'sha512'] as const;

/** What a verifier may take for the secret, if it takes the public key for one. */
const SECRETS: Readonly<Record<string, (lab: Lab) => string | Buffer>> = {
  'the public key in PEM': (lab) => publicPem(lab),
  'the public key in PEM without its last line break': (lab) => publicPem(lab).trimEnd(),
  'the public key in PEM with line breaks of Windows': (lab) => publicPem(lab).replaceAll('\n', '\r\n'),
  'the public key in PEM on one line': (lab) => publicPem(lab).replaceAll('\n', ''),
  'the public key in PEM without its frame': (lab) => publicPem(lab).split('\n').slice(1, -2).join(''),
  'the public key in DER': (lab) => Buffer.from(publicPem(lab).split('\n').slice(1, -2).join(''), 'base64'),
  'the published JWK': (lab) => JSON.stringify(lab.issuer.key.publicJwk),
  'the required members of the JWK': ({ issuer: { key } }) => {
    const { crv, kty, x, y } = key.publicJwk;
    return JSON.stringify({ crv, kty, x, y });
  },
  'the published key set': (lab) => JSON.stringify({ keys: [lab.issuer.key.publicJwk] }),
  'the coordinate x': (lab) => Buffer.from(lab.issuer.key.publicJwk.x as string, 'base64url'),
  'the coordinate x in base64url': (lab) => lab.issuer.key.publicJwk.x as string,
  'the uncompressed point': ({ issuer: { key } }) =>
    Buffer.concat([
      Buffer.of(4),
      ...[key.publicJwk.x, key.publicJwk.y].map((one) => Buffer.from(one as string, 'base64url')),
    ]),
  'the modulus of an RSA key': (lab) => Buffer.from(lab.keys.rs256.publicJwk.n as string, 'base64url'),
  'the modulus of an RSA key in base64url': (lab) => lab.keys.rs256.publicJwk.n as string,
  'the kid': (lab) => lab.issuer.key.kid,
  'the issuer': (lab) => lab.issuer.issuer,
  'the resource': (lab) => lab.server.resource,
  'a key that is in the set by mistake': (lab) => lab.keys.secret.privateKey.export(),
  nothing: () => '',
  'a NUL': () => '\0',
  null: () => 'null',
  undefined: () => 'undefined',
  '[object Object]': () => '[object Object]',
  '[object CryptoKey]': () => '[object CryptoKey]',
  'the word secret': () => 'secret',
};

/** `BEGIN PUBLIC KEY`, as a library would read it from a file. */
function publicPem({ issuer: { key } }: Lab): string {
  const der = Buffer.concat([
    Buffer.from('3059301306072a8648ce3d020106082a8648ce3d03010703420004', 'hex'),
    ...[key.publicJwk.x, key.publicJwk.y].map((one) => Buffer.from(one as string, 'base64url')),
  ]);
  const lines = der.toString('base64').replaceAll(/.{64}/g, '$&\n');
  return `-----BEGIN PUBLIC KEY-----\n${lines}\n-----END PUBLIC KEY-----\n`;
}

/** A token whose third part is an HMAC, whatever its header says. */
function withHmac(lab: Lab, header: Readonly<Record<string, unknown>>, hash: string, secret: string | Buffer): string {
  const signed = [{ typ: 'at+jwt', kid: lab.issuer.key.kid, ...header }, goodClaims(lab)]
    .map((value) => Buffer.from(JSON.stringify(value)).toString('base64url'))
    .join('.');
  return `${signed}.${createHmac(hash, secret).update(signed).digest('base64url')}`;
}

export const ALGORITHM: readonly Attack[] = [
  ...attacks('a good signature under alg', 'algorithm_rejected', [...NONE, ...SPELLINGS, ...NO_STRINGS], (lab, alg) =>
    headed(lab, { alg }),
  ),
  ...attacks('no signature under alg', 'token_malformed', NONE, (lab, alg) => headed(lab, { alg }, { signature: '' })),
  ...attacks('a signature of one byte under alg', 'algorithm_rejected', NONE.slice(0, 4), (lab, alg) =>
    headed(lab, { alg }, { signature: 'AA' }),
  ),
  ...attacks('no signature, and no kid, under alg', 'token_malformed', ['none', 'ES256'], (lab, alg) =>
    headed(lab, { alg, kid: undefined }, { signature: '' }),
  ),
  ...attacks('the kid of the good key under alg', 'key_unknown', FOR_OTHER_KEYS, (lab, alg) => headed(lab, { alg })),
  ...Object.entries(SECRETS).flatMap(([name, secretOf]) => [
    ...HASHES.map((hash) =>
      attack(`HS${hash.slice(3)} with ${name}`, 'algorithm_rejected', (lab) =>
        withHmac(lab, { alg: `HS${hash.slice(3)}` }, hash, secretOf(lab)),
      ),
    ),
    attack(`an HMAC with ${name}, under ES256`, 'signature_invalid', (lab) =>
      withHmac(lab, { alg: 'ES256' }, 'sha512', secretOf(lab)),
    ),
  ]),
  attack('HS256 with the secret in the set by mistake, under its kid', 'algorithm_rejected', (lab) =>
    claiming(lab, {}, { key: lab.keys.secret }),
  ),
  attack('an HMAC with the secret in the set by mistake, under its kid and ES256', 'key_unknown', (lab) =>
    claiming(lab, {}, { key: lab.keys.secret, header: { alg: 'ES256' } }),
  ),
];
