import { createPrivateKey, type KeyObject } from 'node:crypto';
import type { CryptoKey, JWK } from 'jose';
import { importJWK } from 'jose/key/import';
import {
  ClientSecretPost,
  clockSkew,
  modifyAssertion,
  PrivateKeyJwt,
  TlsClientAuth,
  type Client,
  type ClientAuth,
} from 'oauth4webapi';
import type { ClientCertificate } from './client-certificate.js';
import { RotatingSecret } from './rotating-secret.js';

/**
 * Authenticates this server as a client of an authorization server, by adding to headers or body. It is a function, so that the
 * secret is in no object that could be logged. With `certificate`, the connection must show that one, too. With `secret`, a refused
 * request may be sent again with another one.
 */
export type ClientAuthentication = ClientAuth & {
  readonly certificate?: ClientCertificate;
  readonly secret?: RotatingSecret;
};

/**
 * This server as a client, whose assertions follow the clock of the module.
 *
 * @param now milliseconds since the epoch
 */
export function oauthClient(clientId: string, now: number): Client {
  return { client_id: clientId, [clockSkew]: seconds(now) - seconds(Date.now()) };
}

function seconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000);
}

/**
 * `client_secret_basic`. Id and secret are form-encoded before they are joined, as RFC 6749 §2.3.1 requires. Nothing else is
 * encoded, so that servers that do not decode still recognise ids like `notes-server`.
 */
export function clientSecretBasic(secret: string): ClientAuthentication {
  return (_server, { client_id: id }, _body, headers) => {
    headers.set('authorization', `Basic ${basicCredentials(id, secret)}`);
  };
}

/** The credentials after `Basic` in the header, as sensitive as the secret. */
export function basicCredentials(id: string, secret: string): string {
  return Buffer.from(`${formEncoded(id)}:${formEncoded(secret)}`).toString('base64');
}

/** What a header with {@link basicCredentials} has that must never be shown; empty for no such header. */
export function secretsInBasic(authorization: string | undefined): string[] {
  const credentials = /^Basic (.+)$/.exec(authorization ?? '')?.[1];
  if (credentials === undefined) return [];
  const encoded = Buffer.from(credentials, 'base64').toString().split(':', 2)[1] ?? '';
  const secret = new URLSearchParams(`=${encoded}`).get('') ?? '';
  return [credentials, encoded, secret].filter((one) => one !== '');
}

/** `client_secret_post`: id and secret in the body (RFC 6749 §2.3.1). */
export function clientSecretPost(secret: string): ClientAuthentication {
  return ClientSecretPost(secret);
}

/**
 * A method with a secret that a function of the application returns.
 *
 * @param method {@link clientSecretBasic} or {@link clientSecretPost}
 */
export function rotatingSecret(
  method: (secret: string) => ClientAuthentication,
  source: () => unknown,
): ClientAuthentication {
  const secret = new RotatingSecret(source);
  const authenticate: ClientAuth = async (...request) => method((await secret.current()).text)(...request);
  return Object.assign(authenticate, { secret });
}

/**
 * `tls_client_auth` and `self_signed_tls_client_auth`: the id in the body, and the certificate on the connection (RFC 8705 §2). What
 * distinguishes the two is how the server recognises the certificate.
 */
export function certificateAuthentication(certificate: ClientCertificate): ClientAuthentication {
  return Object.assign(TlsClientAuth(), { certificate });
}

/**
 * `private_key_jwt`: an assertion that is valid for a minute and names the issuer as its audience (RFC 7523 §3). Unlike a
 * secret, it is useless at any other server.
 */
export function privateKeyJwt({ jwk, algorithm, keyId }: SigningKey): ClientAuthentication {
  let imported: Promise<ClientAuth> | undefined;
  const load = async (): Promise<ClientAuth> => {
    const key = (await importJWK(jwk, algorithm)) as CryptoKey;
    const change = (header: Record<string, unknown>, payload: Record<string, unknown>): void => {
      // The name with which the key was registered: Ed25519 has two names.
      header['alg'] = algorithm;
      // A server with a clock one second behind would refuse it, and it is not needed.
      delete payload['nbf'];
    };
    return PrivateKeyJwt({ key, ...(keyId !== undefined && { kid: keyId }) }, { [modifyAssertion]: change });
  };
  return async (...request) => {
    imported ??= load();
    return (await imported)(...request);
  };
}

/** A private key, and how it signs. */
export interface SigningKey {
  readonly jwk: JWK;
  readonly algorithm: string;
  readonly keyId: string | undefined;
}

/** The algorithms that each kind of key can sign with; the first is the default. */
const ALGORITHMS: Readonly<Record<string, readonly string[]>> = {
  rsa: ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  prime256v1: ['ES256'],
  secp384r1: ['ES384'],
  secp521r1: ['ES512'],
  ed25519: ['EdDSA', 'Ed25519'],
};

/**
 * Reads a private key from a JWK, or from PEM text (PKCS #8). The algorithm is that of the JWK, or else the first that the key
 * supports.
 *
 * @throws {TypeError} if the value is not a private key, or cannot sign with this algorithm. The message contains nothing of
 * the key.
 */
export function readSigningKey(source: JWK | string): SigningKey {
  const key = privateKeyFrom(source);
  const { alg, kid } = typeof source === 'string' ? ({} as JWK) : source;
  const kind = key.asymmetricKeyType === 'ec' ? key.asymmetricKeyDetails?.namedCurve : key.asymmetricKeyType;
  const algorithms = ALGORITHMS[kind ?? ''] ?? [];
  const algorithm = alg ?? algorithms[0];
  if (algorithm === undefined || !algorithms.includes(algorithm))
    throw new TypeError('the key cannot sign with its algorithm');
  return { jwk: key.export({ format: 'jwk' }) as JWK, algorithm, keyId: kid };
}

function privateKeyFrom(source: JWK | string): KeyObject {
  try {
    return typeof source === 'string'
      ? createPrivateKey(source)
      : createPrivateKey({ key: { ...source }, format: 'jwk' });
  } catch {
    // The cause could quote the key.
    throw new TypeError('must be a private key');
  }
}

/** @see WHATWG URL, application/x-www-form-urlencoded serializing */
function formEncoded(text: string): string {
  return new URLSearchParams({ '': text }).toString().slice(1);
}
