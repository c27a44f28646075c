import type { IncomingHttpHeaders } from 'node:http';
import { calculateJwkThumbprint, decodeProtectedHeader, EmbeddedJWK, jwtVerify } from 'jose';

/** What a token endpoint needs to verify proofs. */
export interface TokenProofHost {
  /** The URL of the endpoint. */
  readonly url: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** The nonce that proofs must have; undefined for none. */
  readonly nonce: () => string | undefined;
}

/** What a proof says about the token to issue. */
export type ProofOutcome =
  | { readonly kind: 'unbound' }
  | { readonly kind: 'bound'; readonly jkt: string }
  | { readonly kind: 'refused'; readonly error: 'invalid_dpop_proof' | 'use_dpop_nonce' };

const REFUSED = { kind: 'refused', error: 'invalid_dpop_proof' } as const;

/** How far the `iat` of a proof may be from now, in seconds. */
const WINDOW_SECONDS = 300;

/** Verifies the proofs at the token endpoint of a `TestIssuer`, FOR TESTS ONLY. Each is accepted once (RFC 9449 §5, §8). */
export class TestTokenProofs {
  readonly #used = new Set<string>();

  constructor(private readonly host: TokenProofHost) {}

  async outcomeOf({ dpop: proof }: IncomingHttpHeaders): Promise<ProofOutcome> {
    if (proof === undefined) return { kind: 'unbound' };
    if (typeof proof !== 'string') return REFUSED;
    try {
      return await this.#verify(proof);
    } catch {
      return REFUSED;
    }
  }

  async #verify(proof: string): Promise<ProofOutcome> {
    const { jwk } = decodeProtectedHeader(proof);
    const { payload } = await jwtVerify(proof, EmbeddedJWK, { typ: 'dpop+jwt' });
    const { jti, htm, htu, iat = NaN, ath, nonce } = payload;
    const isRight =
      typeof jti === 'string' && !this.#used.has(jti) && htm === 'POST' && htu === this.host.url && ath === undefined;
    if (!isRight || !jwk || !(Math.abs(iat - this.host.now() / 1000) <= WINDOW_SECONDS)) return REFUSED;
    this.#used.add(jti);
    const wanted = this.host.nonce();
    if (wanted !== undefined && nonce !== wanted) return { kind: 'refused', error: 'use_dpop_nonce' };
    return { kind: 'bound', jkt: await calculateJwkThumbprint(jwk) };
  }
}
