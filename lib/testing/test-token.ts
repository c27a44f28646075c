import { signText, type TestAlgorithm, type TestKey } from './test-key.js';

/** How a token differs from a good one beyond its claims. */
export interface MintOptions {
  /**
   * Members added to the protected header or replacing its own; `undefined` removes one. Only text: `{ alg: 'none' }` changes
   * what the header says, NOT how the token is signed.
   */
  readonly header?: Readonly<Record<string, unknown>>;
  /**
   * The whole header, signed as it stands: for duplicate members or invalid JSON. `header` is then ignored.
   */
  readonly rawHeader?: string;
  /**
   * The whole payload, signed as it stands: for duplicate members, `1e999` or invalid JSON. The claims are then ignored.
   */
  readonly payload?: string;
  /** Signs instead of the issuer's current key, published or not. */
  readonly key?: TestKey;
  /**
   * Signs, and names in the header, another algorithm that the same key can do, such as PS256 with the RSA key of RS256.
   * @default the key's
   */
  readonly alg?: TestAlgorithm;
  /** The third part as it stands, instead of a signature: `''` for an unsecured token. */
  readonly signature?: string;
}

/** Writes a JWS in compact form. Checks nothing, so that it can write what no honest issuer would. */
export function signToken(claims: Record<string, unknown>, key: TestKey, options: MintOptions): string {
  const alg = options.alg ?? key.alg;
  const header = options.rawHeader ?? JSON.stringify({ alg, typ: 'at+jwt', kid: key.kid, ...options.header });
  const signed = `${base64url(header)}.${base64url(options.payload ?? JSON.stringify(claims))}`;
  return `${signed}.${options.signature ?? signText(signed, key.privateKey, alg).toString('base64url')}`;
}

function base64url(text: string): string {
  return Buffer.from(text).toString('base64url');
}
