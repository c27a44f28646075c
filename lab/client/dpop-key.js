/** A key of a client, and proofs with it (RFC 9449). */
import { createHash, generateKeyPairSync, randomUUID, sign } from 'node:crypto';

export class DpopKey {
  #privateKey;
  #jwk;

  constructor() {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    this.#privateKey = privateKey;
    this.#jwk = publicKey.export({ format: 'jwk' });
  }

  /** @param {{ method: string, url: string, token?: string }} request `token`: the access token that goes with the proof */
  proof({ method, url, token }) {
    const header = encoded({ typ: 'dpop+jwt', alg: 'ES256', jwk: this.#jwk });
    const claims = encoded({
      jti: randomUUID(),
      htm: method,
      htu: url,
      iat: Math.floor(Date.now() / 1_000),
      ...(token !== undefined && { ath: createHash('sha256').update(token).digest('base64url') }),
    });
    const signed = Buffer.from(`${header}.${claims}`);
    return `${signed}.${sign('sha256', signed, { key: this.#privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
  }
}

function encoded(value) {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
