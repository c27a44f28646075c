import { createPublicKey, generateKeyPairSync, randomBytes, type JsonWebKey } from 'node:crypto';
import { generateTestKey, symmetricTestKey, TestIssuer, type TestKey } from 'nestjs-mcp-auth/testing';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import type { Platform } from '../support/platforms.js';

/** Stands in everything that an attacker may write, so that it can be looked for in answers and logs. */
export const MARK = 'mark-of-the-attacker';

/** What attacks are made with, and what they are aimed at. */
export interface Lab {
  /** Trusts {@link issuer} with default settings and {@link other} under `rfc9068`, for ES256 only. */
  readonly server: NotesServer;
  readonly issuer: TestIssuer;
  readonly other: TestIssuer;
  /** Trusted by nobody. Counts the requests it gets, of which there must be none. */
  readonly stranger: TestIssuer;
  readonly keys: LabKeys;
  /** The time of the server; whole. */
  readonly seconds: number;
}

/** Keys of the issuer, all of them published, besides the ES256 key that signs by default. */
export interface LabKeys {
  readonly es384: TestKey;
  readonly es512: TestKey;
  readonly ed25519: TestKey;
  readonly rs256: TestKey;
  /** The same pair of numbers as {@link rs256}, under a name and for an algorithm of its own. */
  readonly ps256: TestKey;
  /** An RSA key that says nothing about its algorithm. */
  readonly anyRsa: TestKey;
  /** An RSA key with the public exponent 3. */
  readonly exponent3: TestKey;
  /** RSA of 1024 bits. */
  readonly shortRsa: TestKey;
  /** For encryption by its `use`. */
  readonly encrypting: TestKey;
  /** For everything but verification by its `key_ops`. */
  readonly signingOnly: TestKey;
  /** Of which the published point is not on the curve. */
  readonly offCurve: TestKey;
  /** A secret, published among the public keys by mistake. */
  readonly secret: TestKey;
  /** Not published: the attacker's own. */
  readonly forged: TestKey;
  /** Not published either. */
  readonly forgedRsa: TestKey;
}

/** Made once: RSA keys are what takes longest here. */
let made: Promise<LabKeys> | undefined;

/** Sets up one server, for all attacks. */
export async function openLab(platform: Platform): Promise<Lab> {
  // Whole seconds, for what is decided at a very moment.
  const clock = { now: Math.floor(Date.now() / 1000) * 1000 };
  const now = (): number => clock.now;
  const [issuer, other, stranger] = await Promise.all([
    TestIssuer.start({ alg: 'ES256', now }),
    TestIssuer.start({ alg: 'ES256', now, path: '/other' }),
    TestIssuer.start({ alg: 'ES256', now }),
  ]);
  const keys = await (made ??= makeKeys());
  const { forged: _forged, forgedRsa: _forgedRsa, ...published } = keys;
  for (const key of Object.values(published)) await issuer.addKey(key);
  // The same name for another key at another issuer: whoever merges the key sets of issuers mixes them up.
  other.publish({ ...keys.forged.publicJwk, kid: issuer.key.kid });
  const server = await startNotesServer(platform, {
    sharedIssuer: issuer,
    options: {
      authorizationServers: [issuer.issuer, { issuer: other.issuer, profile: 'rfc9068', algorithms: ['ES256'] }],
      scopes: { hierarchy: { admin: ['b'], b: ['a'] } },
    },
  });
  server.clock.now = clock.now;
  // Lets long headers through, so that they meet the limit of this library rather than that of Node.
  (server.app.getHttpServer() as { maxHeaderSize: number }).maxHeaderSize = 1024 * 1024;
  return { server, issuer, other, stranger, keys, seconds: clock.now / 1000 };
}

export async function closeLab({ server, issuer, other, stranger }: Lab): Promise<void> {
  await server.close();
  await Promise.all([issuer, other, stranger].map((one) => one.close()));
}

/** The claims of a good token. */
export function goodClaims({ server, issuer, seconds }: Lab): Record<string, unknown> {
  return {
    iss: issuer.issuer,
    sub: 'alice',
    client_id: 'test-client',
    aud: server.resource,
    iat: seconds,
    exp: seconds + 300,
    jti: MARK,
  };
}

/** The header of a good token. */
export function goodHeader({ issuer }: Lab): Record<string, unknown> {
  return { alg: issuer.key.alg, typ: 'at+jwt', kid: issuer.key.kid };
}

async function makeKeys(): Promise<LabKeys> {
  const [es384, es512, ed25519, encrypting, signingOnly, offCurve, forged] = await Promise.all([
    generateTestKey({ alg: 'ES384' }),
    generateTestKey({ alg: 'ES512' }),
    generateTestKey({ alg: 'EdDSA' }),
    generateTestKey({ alg: 'ES256', jwk: { use: 'enc' } }),
    generateTestKey({ alg: 'ES256', jwk: { use: undefined, key_ops: ['sign', 'deriveBits'] } }),
    generateTestKey({ alg: 'ES256' }),
    generateTestKey({ alg: 'ES256', kid: `${MARK} key` }),
  ]);
  const rs256 = await generateTestKey({ alg: 'RS256' });
  return {
    es384,
    es512,
    ed25519,
    encrypting,
    signingOnly,
    forged,
    rs256,
    offCurve: { ...offCurve, publicJwk: { ...offCurve.publicJwk, y: offCurve.publicJwk.x as string } },
    ps256: { ...rs256, kid: 'ps256', alg: 'PS256', publicJwk: { ...rs256.publicJwk, kid: 'ps256', alg: 'PS256' } },
    anyRsa: withoutAlgorithm(rsaKey(2048)),
    exponent3: rsaKey(2048, 3),
    shortRsa: rsaKey(1024),
    forgedRsa: rsaKey(2048),
    secret: symmetricTestKey(randomBytes(32), { kid: 'secret' }),
  };
}

function rsaKey(modulusLength: number, publicExponent = 0x1_00_01): TestKey {
  const alg = 'RS256';
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength, publicExponent });
  const kid = randomBytes(8).toString('hex');
  const material: JsonWebKey = createPublicKey(privateKey).export({ format: 'jwk' });
  return { kid, alg, privateKey, publicJwk: { ...(material as { kty: string }), kid, alg, use: 'sig' } };
}

function withoutAlgorithm(key: TestKey): TestKey {
  const { alg: _alg, use: _use, ...publicJwk } = key.publicJwk;
  return { ...key, publicJwk: publicJwk as TestKey['publicJwk'] };
}
