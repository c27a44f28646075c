/** The characters of a nonce (RFC 9449 §8.1), and a length that a header field has room for. */
const NONCE = /^[\x21\x23-\x5B\x5D-\x7E]{1,1024}$/;

/** Whether a text can be the nonce of a server. */
export function isNonce(value: unknown): value is string {
  return typeof value === 'string' && NONCE.test(value);
}

/**
 * The nonces that servers gave for the next proofs, by origin. Any answer may have a new one.
 *
 * @see RFC 9449 §8.2, §9
 */
export class ServerNonces {
  readonly #nonces = new Map<string, string>();

  /** The last nonce of a server; undefined if it gave none. */
  of({ origin }: URL): string | undefined {
    return this.#nonces.get(origin);
  }

  /** Remembers the nonce of an answer, if it is one. */
  remember({ origin }: URL, nonce: unknown): void {
    if (isNonce(nonce)) this.#nonces.set(origin, nonce);
  }
}
