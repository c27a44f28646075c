import {
  constants,
  createHmac,
  createPublicKey,
  createSecretKey,
  generateKeyPair,
  sign,
  type KeyObject,
  type SignKeyObjectInput,
} from 'node:crypto';
import { promisify } from 'node:util';
import { calculateJwkThumbprint, type JWK } from 'jose';

/**
 * The algorithms that can sign a test token. `EdDSA` and `Ed25519` are two names for the same signature (RFC 8037, RFC 9864).
 * `HS256` is only for attacks on verifiers: see {@link symmetricTestKey}.
 */
export type TestAlgorithm =
  | 'RS256'
  | 'RS384'
  | 'RS512'
  | 'PS256'
  | 'PS384'
  | 'PS512'
  | 'ES256'
  | 'ES384'
  | 'ES512'
  | 'EdDSA'
  | 'Ed25519'
  | 'HS256';

/** A signing key FOR TESTS ONLY. A plain object: `{ ...key, kid: 'other' }` is another key with the same material. */
export interface TestKey {
  /** The `kid` in the header of the tokens that it signs. */
  readonly kid: string;
  /** The algorithm that it signs with, and the `alg` in those headers. */
  readonly alg: TestAlgorithm;
  /** A Node key, which `jose` accepts as it is. */
  readonly privateKey: KeyObject;
  /** The JWK that an issuer publishes. */
  readonly publicJwk: JWK;
}

/** The options of {@link generateTestKey}. */
export interface TestKeyOptions {
  /** @default 'RS256' */
  readonly alg?: Exclude<TestAlgorithm, 'HS256'>;
  /** @default the RFC 7638 thumbprint of the key */
  readonly kid?: string;
  /**
   * Changes to the published JWK, which has `kid`, `alg` and `use: 'sig'` unless this says otherwise: `undefined` removes a
   * member (`{ alg: undefined }`), anything else replaces it (`{ use: 'enc' }`). Does NOT change how the key signs.
   */
  readonly jwk?: Readonly<Record<string, unknown>>;
}

/**
 * Generates a key FOR TESTS ONLY. It is not published: sign with it to forge a token, or pass it to {@link TestIssuer.addKey}.
 * RSA keys have 2048 bits and take a tenth of a second or two; the others are instant.
 */
export async function generateTestKey(options: TestKeyOptions = {}): Promise<TestKey> {
  const alg = options.alg ?? 'RS256';
  const privateKey = await generatePrivateKey(alg);
  const material = createPublicKey(privateKey).export({ format: 'jwk' }) as JWK;
  const kid = options.kid ?? (await calculateJwkThumbprint(material));
  return { kid, alg, privateKey, publicJwk: defined({ ...material, kid, alg, use: 'sig', ...options.jwk }) };
}

/**
 * Makes an HS256 key from a secret, to prove that a verifier refuses shared secrets: sign with the PEM text of an issuer's
 * public key (RFC 8725 §2.1), or publish the `oct` JWK. Its `publicJwk` IS the secret.
 */
export function symmetricTestKey(secret: string | Uint8Array, options: { readonly kid?: string } = {}): TestKey {
  const privateKey = createSecretKey(Buffer.from(secret));
  const kid = options.kid ?? 'symmetric';
  const publicJwk = { ...privateKey.export({ format: 'jwk' }), kid, alg: 'HS256', use: 'sig' } as JWK;
  return { kid, alg: 'HS256', privateKey, publicJwk };
}

/**
 * Signs text with any key, as `alg`.
 * @throws TypeError when this kind of key cannot sign with that algorithm
 * @see RFC 7518 §3, RFC 8037 §3.1
 */
export function signText(text: string, key: KeyObject, alg: TestAlgorithm): Buffer {
  if (!keyTypes(alg).includes(key.asymmetricKeyType ?? key.type)) {
    throw new TypeError(`A key of type ${key.asymmetricKeyType ?? key.type} cannot sign ${alg}`);
  }
  if (alg === 'HS256') return createHmac('sha256', key).update(text).digest();
  return sign(digestOf(alg), Buffer.from(text), { key, ...signatureFormat(alg) });
}

function generatePrivateKey(alg: Exclude<TestAlgorithm, 'HS256'>): Promise<KeyObject> {
  switch (alg) {
    case 'ES256':
      return generateEcKey('P-256');
    case 'ES384':
      return generateEcKey('P-384');
    case 'ES512':
      return generateEcKey('P-521');
    case 'EdDSA':
    case 'Ed25519':
      return promisify(generateKeyPair)('ed25519').then((pair) => pair.privateKey);
    default:
      return promisify(generateKeyPair)('rsa', { modulusLength: 2048 }).then((pair) => pair.privateKey);
  }
}

async function generateEcKey(namedCurve: string): Promise<KeyObject> {
  return (await promisify(generateKeyPair)('ec', { namedCurve })).privateKey;
}

function keyTypes(alg: TestAlgorithm): string[] {
  if (alg === 'HS256') return ['secret'];
  if (alg.startsWith('Ed')) return ['ed25519'];
  return [alg.startsWith('ES') ? 'ec' : 'rsa'];
}

function digestOf(alg: TestAlgorithm): string | null {
  return alg.startsWith('Ed') ? null : `sha${alg.slice(2)}`;
}

function signatureFormat(alg: TestAlgorithm): Omit<SignKeyObjectInput, 'key'> {
  if (alg.startsWith('ES')) return { dsaEncoding: 'ieee-p1363' };
  if (alg.startsWith('PS'))
    return { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
  return {};
}

function defined(members: Record<string, unknown>): JWK {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as unknown as JWK;
}
