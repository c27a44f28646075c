import { hash, randomUUID } from 'node:crypto';
import { calculateJwkThumbprint, type JWK } from 'jose';
import { generateTestKey, type TestKey, type TestKeyOptions } from './test-key.js';
import { signFaultyProof, type TestProofFault } from './test-proof-fault.js';
import { signToken, type MintOptions } from './test-token.js';

/** What a proof says, besides `jti` and `iat`. */
export interface TestProofOptions extends MintOptions {
  /** The method of the request. */
  readonly method: string;
  /** The URL of the request. A query or a fragment is left out. */
  readonly url: string;
  /** The access token that is sent with the proof. Without it, the proof has no `ath`. */
  readonly token?: string;
  /** The nonce that the server asked for. @default none */
  readonly nonce?: string;
  /** Claims that are added or replace those of a correct proof; `undefined` removes one. */
  readonly claims?: Readonly<Record<string, unknown>>;
  /** What is wrong with the proof. @default nothing */
  readonly fault?: TestProofFault;
}

/** The header fields of a request with a bound token. */
export interface TestProofHeaders {
  /** The token, with the scheme DPoP. */
  readonly Authorization: string;
  /** The proof. */
  readonly DPoP: string;
}

/** The claim `cnf` of a token that is bound to a key (RFC 9449 §6.1). */
export interface TestConfirmation {
  /** The thumbprint of the key. */
  readonly jkt: string;
}

/**
 * A key of a client FOR TESTS ONLY, which proves that an access token is its own.
 *
 * ```ts
 * const key = await TestDpopKey.generate();
 * const token = await issuer.mint({ cnf: key.confirmation });
 * const headers = key.headers({ method: 'POST', url: 'http://localhost:3000/mcp', token });
 * const stale = key.headers({ method: 'POST', url: 'http://localhost:3000/mcp', token, fault: 'stale' });
 * ```
 *
 * @see RFC 9449 §4.2, §6.1
 */
export class TestDpopKey {
  private constructor(
    private readonly key: TestKey,
    /** Makes the proofs with the fault `other-key`. */
    private readonly otherKey: TestKey,
    /** The thumbprint of the public key (RFC 7638), to which a token is bound. */
    readonly thumbprint: string,
    /** The public key in the header of proofs. */
    readonly publicJwk: JWK,
  ) {}

  /**
   * Generates a key.
   *
   * @param options `alg`: that of the proofs; ES256 by default.
   */
  static async generate({ alg = 'ES256' }: Pick<TestKeyOptions, 'alg'> = {}): Promise<TestDpopKey> {
    const options = { alg, jwk: { kid: undefined, alg: undefined, use: undefined } };
    const [key, other] = await Promise.all([generateTestKey(options), generateTestKey(options)]);
    return new TestDpopKey(key, other, await calculateJwkThumbprint(key.publicJwk), key.publicJwk);
  }

  /** The claim `cnf` of a token that is bound to this key. */
  get confirmation(): TestConfirmation {
    return { jkt: this.thumbprint };
  }

  /** The header fields that present a token with a proof. */
  headers(options: TestProofOptions & { readonly token: string }): TestProofHeaders {
    return { Authorization: `DPoP ${options.token}`, DPoP: this.proof(options) };
  }

  /** Signs a proof, good or with a `fault`. Checks nothing, so that you can make other bad proofs, too. */
  proof({ method, url, token, nonce, claims, fault, ...options }: TestProofOptions): string {
    const correct = {
      jti: randomUUID(),
      htm: method,
      htu: url.replace(/[?#].*$/s, ''),
      iat: Math.floor(Date.now() / 1000),
      ...(token !== undefined && { ath: hash('sha256', token, 'base64url') }),
      ...(nonce !== undefined && { nonce }),
    };
    const header = { typ: 'dpop+jwt', jwk: this.publicJwk, kid: undefined, ...options.header };
    const proof = { claims: { ...correct, ...claims }, key: options.key ?? this.key, options: { ...options, header } };
    if (fault !== undefined) return signFaultyProof(fault, proof, this.otherKey);
    return signToken(proof.claims, proof.key, proof.options);
  }
}
