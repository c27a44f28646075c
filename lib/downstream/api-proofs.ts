import { readChallenges } from '../core/challenge-parser.js';
import type { DpopKey } from '../issuer/dpop-key.js';
import { ServerNonces } from '../issuer/server-nonces.js';

/** A request to an API that has `dpop`. */
export interface ApiRequest {
  /** As it is sent. */
  readonly method: string;
  readonly url: URL;
}

/** The errors that are about the proof, and not about the token (RFC 9449 §7.1, §9). */
const PROOF_ERRORS: ReadonlySet<unknown> = new Set(['use_dpop_nonce', 'invalid_dpop_proof']);

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
  return errorsIn(response).some((error) => PROOF_ERRORS.has(error));
}

/** Whether an API wants another nonce in the proof. */
export function asksForNonce(response: Response): boolean {
  return errorsIn(response).includes('use_dpop_nonce');
}

function errorsIn({ status, headers }: Response): unknown[] {
  if (status !== 401) return [];
  return readChallenges(headers.get('www-authenticate') ?? '').map(({ params }) => params['error']);
}
