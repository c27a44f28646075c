import { compactVerify, createLocalJWKSet, type JSONWebKeySet } from 'jose';
import { signText, type TestAlgorithm, type TestKey } from './test-key.js';

/** How a token differs from a correct one, besides its claims. */
export interface MintOptions {
  /**
   * Members that are added to the protected header or replace its own; `undefined` removes one. Changes only the text of the
   * header, NOT how the token is signed: for example, `{ alg: 'none' }`.
   */
  readonly header?: Readonly<Record<string, unknown>>;
  /** The whole header, signed as given: for duplicate members or invalid JSON. `header` is then ignored. */
  readonly rawHeader?: string;
  /** The whole payload, signed as given: for duplicate members, `1e999` or invalid JSON. The claims are then ignored. */
  readonly payload?: string;
  /** The key that signs instead of the issuer's current key, published or not. */
  readonly key?: TestKey;
  /**
   * The algorithm that signs and that the header names. The key must support it, such as PS256 with the RSA key of RS256.
   * @default the key's
   */
  readonly alg?: TestAlgorithm;
  /** The third part as given, instead of a signature: `''` for an unsecured token. */
  readonly signature?: string;
}

/** Writes a JWS in compact form. Checks nothing, so that it can write what an honest issuer would not. */
export function signToken(claims: Record<string, unknown>, key: TestKey, options: MintOptions): string {
  const alg = options.alg ?? key.alg;
  const header = options.rawHeader ?? JSON.stringify({ alg, typ: 'at+jwt', kid: key.kid, ...options.header });
  const signed = `${base64url(header)}.${base64url(options.payload ?? JSON.stringify(claims))}`;
  return `${signed}.${options.signature ?? signText(signed, key.privateKey, alg).toString('base64url')}`;
}

/** The claims of a JWT that one of these keys signed; undefined for any other text. */
export async function verifiedClaims(jwt: string, keys: JSONWebKeySet): Promise<Record<string, unknown> | undefined> {
  try {
    const { payload } = await compactVerify(jwt, createLocalJWKSet(keys));
    return JSON.parse(Buffer.from(payload).toString()) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

function base64url(text: string): string {
  return Buffer.from(text).toString('base64url');
}
