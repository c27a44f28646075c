import type { DpopKey } from '../issuer/dpop-key.js';
import { ServerNonces } from '../issuer/server-nonces.js';

/** A request to an API that has `dpop`. */
export interface ApiRequest {
  /** As it is sent. */
  readonly method: string;
  readonly url: URL;
}

/** What a 401 says that is about the proof, and not about the token (RFC 9449 §7.1, §9). */
const PROOF_ERROR = /(?:^|[\s,])error\s*=\s*"?(use_dpop_nonce|invalid_dpop_proof)\b/i;

/**
 * Presents the tokens for one API with a proof for each request, and remembers the nonces that its servers give.
 *
 * @see RFC 9449 §7, §9
 */
export class ApiProofs {
  readonly #nonces = new ServerNonces();

  constructor(
    private readonly key: DpopKey,
    /** Milliseconds since the epoch. */
    private readonly now: () => number,
  ) {}

  /** The last nonce of the server of this URL; undefined if it gave none. */
  nonceFor(url: URL): string | undefined {
    return this.#nonces.of(url);
  }

  /** Remembers a nonce for the next requests to the server of this URL. */
  remember(url: URL, nonce: unknown): void {
    this.#nonces.remember(url, nonce);
  }

  /** The header fields that present a token in one request. A repeated request needs new ones. */
  async headersFor(token: string, { method, url }: ApiRequest): Promise<{ authorization: string; dpop: string }> {
    const proof = await this.key.prove({ method, url, token, nonce: this.nonceFor(url) }, this.now());
    return { authorization: `DPoP ${token}`, dpop: proof };
  }
}

/** Whether an API refused the proof of a request, so that another token would not help either. */
export function refusesProof(response: Response): boolean {
  return proofErrorIn(response) !== undefined;
}

/** Whether an API wants another nonce in the proof. */
export function asksForNonce(response: Response): boolean {
  return proofErrorIn(response) === 'use_dpop_nonce';
}

function proofErrorIn({ status, headers }: Response): string | undefined {
  if (status !== 401) return undefined;
  return PROOF_ERROR.exec(headers.get('www-authenticate') ?? '')?.[1]?.toLowerCase();
}
