import { createPrivateKey, createPublicKey, generateKeyPairSync, hash, randomUUID, type KeyObject } from 'node:crypto';
import type { JWK } from 'jose';
import { SignJWT } from 'jose/jwt/sign';
import type { SigningKey } from './client-authentication.js';

/** The request that a proof is for. */
export interface ProvedRequest {
  /** As it is sent. */
  readonly method: string;
  readonly url: URL;
  /** The access token that is sent with the proof; undefined for a request for a token. */
  readonly token?: string | undefined;
  /** The nonce that the server gave; undefined if it gave none. */
  readonly nonce: string | undefined;
}

/** Shortest RSA key, in bits (RFC 7518 §3.3). */
const MIN_RSA_BITS = 2_048;

/**
 * A key of this server to which authorization servers bind tokens. It never leaves the object, which shows nothing of it when it
 * is logged.
 *
 * @see RFC 9449 §4.2
 */
export class DpopKey {
  readonly #privateKey: KeyObject;
  readonly #header: { readonly alg: string; readonly typ: 'dpop+jwt'; readonly jwk: JWK };

  /** The thumbprint of the public key (RFC 7638), by which replicas know whether they have the same one. */
  readonly thumbprint: string;

  private constructor(privateKey: KeyObject, alg: string) {
    this.#privateKey = privateKey;
    const jwk = createPublicKey(privateKey).export({ format: 'jwk' }) as JWK;
    this.#header = { alg, typ: 'dpop+jwt', jwk };
    // A public key is exported with the required members alone.
    this.thumbprint = hash('sha256', JSON.stringify(jwk, Object.keys(jwk).toSorted()), 'base64url');
  }

  /** A new key for ES256. */
  static generate(): DpopKey {
    return new DpopKey(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey, 'ES256');
  }

  /** @throws {TypeError} for a short RSA key. The message contains nothing of the key. */
  static of({ jwk, algorithm }: SigningKey): DpopKey {
    const key = createPrivateKey({ key: jwk, format: 'jwk' });
    if ((key.asymmetricKeyDetails?.modulusLength ?? MIN_RSA_BITS) < MIN_RSA_BITS)
      throw new TypeError(`an RSA key must have at least ${MIN_RSA_BITS} bits`);
    return new DpopKey(key, algorithm);
  }

  /**
   * A proof for one request.
   *
   * @param now milliseconds since the epoch
   */
  prove({ method, url, token, nonce }: ProvedRequest, now: number): Promise<string> {
    return new SignJWT({
      jti: randomUUID(),
      htm: method,
      htu: url.origin + url.pathname,
      iat: Math.floor(now / 1000),
      ...(token !== undefined && { ath: hash('sha256', token, 'base64url') }),
      ...(nonce !== undefined && { nonce }),
    })
      .setProtectedHeader(this.#header)
      .sign(this.#privateKey);
  }
}
