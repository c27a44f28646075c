import { randomBytes } from 'node:crypto';
import { CompactEncrypt } from 'jose';
import { signBytes } from '../support/tokens.js';
import { attack, attacks, headed, namedAttacks, type Attack } from './attack.js';
import { goodClaims, goodHeader, MARK, type Lab } from './lab.js';

// What is no compact JWS at all, or one that holds no claims: RFC 7519 §7.2, RFC 7516 §9.

type Parts = readonly [header: string, payload: string, signature: string];

const b64 = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

/** Other arrangements of the three parts of a good token. */
const ARRANGEMENTS: Readonly<Record<string, (parts: Parts) => string[]>> = {
  'one part': ([h]) => [h],
  'two parts': ([h, p]) => [h, p],
  'four parts': (parts) => [...parts, b64(MARK)],
  'six parts': (parts) => [...parts, ...parts],
  'seven parts': (parts) => [...parts, 'AAAA', 'AAAA', 'AAAA', 'AAAA'],
  'a hundred parts': (parts) => [...parts, ...Array.from({ length: 97 }, () => 'AAAA')],
  'no header': ([, p, s]) => ['', p, s],
  'no payload, as a detached one': ([h, , s]) => [h, '', s],
  'no signature': ([h, p]) => [h, p, ''],
  'a signature alone': ([, , s]) => ['', '', s],
  'a header alone': ([h]) => [h, '', ''],
  'a payload alone': ([, p]) => ['', p, ''],
  'a dot in front': (parts) => ['', ...parts],
  'a dot behind': (parts) => [...parts, ''],
  'a double dot after the header': ([h, p, s]) => [h, '', p, s],
  'a double dot before the signature': ([h, p, s]) => [h, p, '', s],
  'one dot': () => ['', ''],
  'two dots': () => ['', '', ''],
  'three dots': () => ['', '', '', ''],
  'the signature in all places': ([, , s]) => [s, s, s],
  'the signature first': ([h, p, s]) => [s, h, p],
  'the payload cut in two': ([h, p, s]) => [h, p.slice(0, 40), p.slice(40), s],
  'the header and payload run together': ([h, p, s]) => [h + p, s],
  'the signature taken for the payload': ([h, , s]) => [h, s, s],
};

const FIVE_PARTS: Readonly<Record<string, (parts: Parts) => string[]>> = {
  'two dots behind': (parts) => [...parts, '', ''],
  'two dots in front': (parts) => ['', '', ...parts],
  'the token followed by itself': ([h, p, s]) => [h, p, s + h, p, s],
  'four dots': () => ['', '', '', '', ''],
  'garbage parts behind': (parts) => [...parts, 'AAAA', 'AAAA'],
};

/** Credentials of other kinds, as clients mix them up. */
const OTHER_CREDENTIALS: Readonly<Record<string, string>> = {
  'a UUID': '0f8fad5b-d9cb-469f-a165-70867728950e',
  'a hexadecimal secret': 'deadbeef'.repeat(8),
  'one character': 'a',
  'the word undefined': 'undefined',
  'the word null': 'null',
  'a boolean': 'true',
  'a number': '0',
  'a path': '/../etc/passwd',
  'an empty JSON object': b64('{}'),
  'a personal access token': `ghp_${'a1B2'.repeat(9)}`,
  'an opaque access token': `ya29.${'a0'.repeat(30)}`,
  'a PASETO of version 4': `v4.public.${b64({ sub: MARK })}`,
  'a PASETO of version 2': `v2.local.${'A'.repeat(64)}`,
  'a PASETO with a footer': `v4.public.${b64({ sub: MARK })}.${b64({ kid: MARK })}`,
  'a Branca token': '875GH233T7IYrxtgXxlQBYiFobZMQdHAT51vChKsAIYCFxZtL1evV54vYqLyZtQ0ekPHt8kJHQp0a',
  'a macaroon': `MDAxY2xvY2F0aW9uI${'A'.repeat(40)}`,
  'basic credentials': Buffer.from('alice:secret').toString('base64'),
  'a SAML assertion': Buffer.from('<saml:Assertion/>').toString('base64'),
  'an SSH public key': 'ssh-ed25519/AAAAC3NzaC1lZDI1NTE5AAAAIA==',
};

/** Whole tokens, encoded once more. */
const WRAPPINGS: Readonly<Record<string, (token: string) => string>> = {
  'in base64url again': (token) => b64(token),
  'in base64': (token) => Buffer.from(token).toString('base64'),
  'in hexadecimal': (token) => Buffer.from(token).toString('hex'),
  backwards: (token) => [...token].toReversed().join(''),
  'in lower case': (token) => token.toLowerCase(),
  'in upper case': (token) => token.toUpperCase(),
  'with every letter of the other case': (token) =>
    token.replaceAll(/[a-z]/gi, (letter) => (letter < 'a' ? letter.toLowerCase() : letter.toUpperCase())),
  'as an SD-JWT without disclosures': (token) => `${token}~`,
  'as an SD-JWT with a disclosure': (token) => `${token}~${b64(['salt', 'scope', 'admin'])}~`,
  'with slashes for dots': (token) => token.replaceAll('.', '/'),
  'with dashes for dots': (token) => token.replaceAll('.', '-'),
  'with a fragment of a path': (token) => `/${token}`,
  'in the flattened JSON serialization': (token) => b64(flattened(token)),
  'in the general JSON serialization': (token) => {
    const { payload, ...signature } = flattened(token);
    return b64({ payload, signatures: [signature] });
  },
};

function flattened(token: string): { payload: string; protected: string; signature: string } {
  const [header, payload, signature] = token.split('.') as unknown as Parts;
  return { protected: header, payload, signature };
}

/** Real encryption around a good token: support for it is not there, and must not be half there. */
const ENCRYPTIONS: Readonly<Record<string, (lab: Lab) => string | Promise<string>>> = {
  'with a shared secret': (lab) => encrypt(lab, { alg: 'dir' }, randomBytes(16)),
  'as an access token': (lab) => encrypt(lab, { alg: 'dir', typ: 'at+jwt', cty: 'JWT' }, randomBytes(16)),
  compressed: (lab) => [b64({ alg: 'dir', enc: 'A128GCM', zip: 'DEF' }), '', ...envelope(lab)].join('.'),
  'with a password of two thousand million rounds': (lab) =>
    [b64({ alg: 'PBES2-HS256+A128KW', enc: 'A128GCM', p2s: 'AAAA', p2c: 2 ** 31 - 1 }), 'AAAA', ...envelope(lab)].join(
      '.',
    ),
  'with RSA1_5': (lab) => [b64({ alg: 'RSA1_5', enc: 'A128CBC-HS256' }), 'AAAA', ...envelope(lab)].join('.'),
  'with RSA-OAEP': (lab) => [b64({ alg: 'RSA-OAEP', enc: 'A256GCM' }), 'AAAA', ...envelope(lab)].join('.'),
  'to a point off the curve': (lab) => {
    const epk = lab.keys.offCurve.publicJwk;
    return [b64({ alg: 'ECDH-ES', enc: 'A128GCM', epk }), '', ...envelope(lab)].join('.');
  },
  'with alg none': (lab) => [b64({ alg: 'none', enc: 'A128GCM' }), '', ...envelope(lab)].join('.'),
  'with enc none': (lab) => [b64({ alg: 'dir', enc: 'none' }), '', ...envelope(lab)].join('.'),
  'under the header of a good token': (lab) => [b64(goodHeader(lab)), '', ...envelope(lab)].join('.'),
};

function envelope(lab: Lab): string[] {
  return ['AAAAAAAAAAAAAAAA', b64(goodClaims(lab)), 'AAAAAAAAAAAAAAAAAAAAAA'];
}

async function encrypt(lab: Lab, header: Record<string, string>, key: Uint8Array): Promise<string> {
  const inner = Buffer.from(await lab.server.mint());
  return new CompactEncrypt(inner).setProtectedHeader({ alg: 'dir', enc: 'A128GCM', ...header }).encrypt(key);
}

async function partsOf(lab: Lab): Promise<Parts> {
  return (await lab.server.mint()).split('.') as unknown as Parts;
}

export const STRUCTURE: readonly Attack[] = [
  ...namedAttacks('a token of', 'token_malformed', ARRANGEMENTS, async (lab, arrange) =>
    arrange(await partsOf(lab)).join('.'),
  ),
  ...namedAttacks('a token of five parts', 'token_encrypted', FIVE_PARTS, async (lab, arrange) =>
    arrange(await partsOf(lab)).join('.'),
  ),
  attack('a token with header and payload swapped', 'issuer_unknown', async (lab) => {
    const [header, payload, signature] = await partsOf(lab);
    return [payload, header, signature].join('.');
  }),
  ...namedAttacks('a credential of another kind', 'token_malformed', OTHER_CREDENTIALS, (_lab, value) => value),
  ...namedAttacks('a good token', 'token_malformed', WRAPPINGS, async (lab, wrap) => wrap(await lab.server.mint())),
  ...namedAttacks('an encrypted token', 'token_encrypted', ENCRYPTIONS, (lab, make) => make(lab)),
  ...attacks(
    'a token nested in one with cty',
    'token_malformed',
    ['JWT', 'jwt', 'application/jwt', undefined],
    async (lab, cty) => headed(lab, { cty }, { payload: await lab.server.mint() }),
  ),
  ...attacks(
    'claims in one with cty',
    'header_rejected',
    ['JWT', 'jwt', 'Jwt', 'application/jwt', 'application/JWT'],
    (lab, cty) => headed(lab, { cty }),
  ),
  attack('a token nested five times', 'token_malformed', async (lab) => {
    let token = await lab.server.mint();
    for (let depth = 0; depth < 5; depth++) token = signBytes(lab.issuer.key, JSON.stringify(goodHeader(lab)), token);
    return token;
  }),
  attack('three empty JSON objects', 'issuer_unknown', () => ['{}', '{}', '{}'].map(b64).join('.')),
  attack('a token just longer than is looked at', 'token_too_large', async (lab) => paddedToken(lab, 16_387)),
  ...attacks('a header alone of so many bytes:', 'token_malformed', [4_000, 12_000], (_lab, bytes) =>
    'A'.repeat(bytes),
  ),
  attack('a signature of 12 000 bytes', 'signature_invalid', async (lab) => {
    const [header, payload] = await partsOf(lab);
    return [header, payload, Buffer.alloc(11_000, 1).toString('base64url')].join('.');
  }),
  attack('a token of 500 kB', 'token_too_large', (lab) => lab.server.mint({ padding: 'x'.repeat(375_000) })),
];

/** A good token of that many characters, or up to two less: three bytes of a payload are four characters. */
export async function paddedToken({ server }: Lab, length: number): Promise<string> {
  const { length: bare } = await server.mint({ padding: '' });
  return server.mint({ padding: 'x'.repeat(Math.floor(((length - bare) / 4) * 3)) });
}
