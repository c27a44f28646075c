import { hash, randomUUID } from 'node:crypto';
import type { CryptoKey, JWK } from 'jose';
import { calculateJwkThumbprint } from 'jose/jwk/thumbprint';
import { SignJWT } from 'jose/jwt/sign';
import { exportJWK } from 'jose/key/export';
import { generateKeyPair } from 'jose/key/generate/keypair';
import { importJWK } from 'jose/key/import';
import { isRecord, ownMember } from '../../core/record.js';

/** The request that a proof is for. */
export interface ProvenRequest {
  readonly method: string;
  /** Without query. */
  readonly url: string;
  readonly token: string;
  readonly nonce: string | undefined;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** The members of a public key (RFC 7638 §3.2). */
const PUBLIC_MEMBERS = ['kty', 'crv', 'x', 'y', 'n', 'e'];

const DEFAULT_ALGORITHMS: Readonly<Record<string, string>> = {
  'P-256': 'ES256',
  'P-384': 'ES384',
  'P-521': 'ES512',
  Ed25519: 'EdDSA',
};

/** A private key of a client that binds its tokens to it. Nothing shows the key. */
export class DpopKey {
  private constructor(
    /** The thumbprint to which tokens are bound (RFC 9449 §6.1). */
    readonly thumbprint: string,
    readonly alg: string,
    private readonly privateKey: CryptoKey,
    private readonly publicJwk: JWK,
    /** What of the key must not be shown. */
    readonly secrets: readonly string[],
  ) {}

  /** Makes a key that nobody knows. */
  static async generate(alg: string): Promise<DpopKey> {
    const { privateKey, publicKey } = await generateKeyPair(alg);
    const jwk = await exportJWK(publicKey);
    return new DpopKey(await calculateJwkThumbprint(jwk), alg, privateKey as CryptoKey, jwk, []);
  }

  /** Reads a private JWK; undefined if the text is not one that can sign. */
  static async read(text: string): Promise<DpopKey | undefined> {
    try {
      const jwk: unknown = JSON.parse(text);
      if (!isRecord(jwk) || typeof ownMember(jwk, 'd') !== 'string') return undefined;
      const alg = algorithmOf(jwk);
      const members = PUBLIC_MEMBERS.flatMap((name) => (Object.hasOwn(jwk, name) ? [[name, jwk[name]]] : []));
      const publicJwk = Object.fromEntries(members) as JWK;
      const privateKey = (await importJWK({ ...(jwk as JWK), alg }, alg)) as CryptoKey;
      return new DpopKey(await calculateJwkThumbprint(publicJwk), alg, privateKey, publicJwk, secretsIn(jwk));
    } catch {
      return undefined;
    }
  }

  /** @see RFC 9449 §4.2 */
  async prove({ method, url, token, nonce, now }: ProvenRequest): Promise<string> {
    const claims = {
      jti: randomUUID(),
      htm: method,
      htu: url.replace(/[?#].*$/s, ''),
      iat: Math.floor(now / 1000),
      ath: hash('sha256', token, 'base64url'),
      ...(nonce !== undefined && { nonce }),
    };
    const header = { typ: 'dpop+jwt', alg: this.alg, jwk: this.publicJwk };
    return new SignJWT(claims).setProtectedHeader(header).sign(this.privateKey);
  }
}

function algorithmOf(jwk: Readonly<Record<string, unknown>>): string {
  const alg = ownMember(jwk, 'alg');
  if (typeof alg === 'string') return alg;
  const curve = ownMember(jwk, 'crv');
  return (typeof curve === 'string' ? DEFAULT_ALGORITHMS[curve] : undefined) ?? 'RS256';
}

/** The private members (RFC 7518 §6). */
function secretsIn(jwk: Readonly<Record<string, unknown>>): string[] {
  return ['d', 'p', 'q', 'dp', 'dq', 'qi'].flatMap((name) => {
    const value = ownMember(jwk, name);
    return typeof value === 'string' ? [value] : [];
  });
}
