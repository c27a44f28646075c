import { createHmac, timingSafeEqual } from 'node:crypto';

/** A new nonce is given out this often, in seconds. */
const PERIOD_SECONDS = 60;

const CODE_BYTES = 16;
const NONCE_LENGTH = Math.ceil(((4 + CODE_BYTES) * 4) / 3);

/**
 * Gives out nonces and recognizes them, without remembering any: a nonce is the time of its period with a message
 * authentication code. Nobody can make one without the secret, not even for a later time. Replicas with one secret
 * recognize each other's.
 *
 * @see RFC 9449 §9
 */
export class DpopNonces {
  /** The nonce of a period, which all answers of that time have. */
  #current: { readonly period: number; readonly nonce: string } | undefined;

  constructor(
    /** The first one makes nonces; the others are recognized, too, while secrets are changed. */
    private readonly secrets: readonly [string, ...string[]],
    /** The resource: a nonce of another one is not recognized. */
    private readonly resource: string,
    /** For how long a nonce is recognized. */
    private readonly lifetimeSeconds: number,
    /** Milliseconds since the epoch. */
    private readonly now: () => number,
  ) {}

  /** The nonce of this period. */
  get current(): string {
    const period = this.#period();
    if (this.#current?.period === period) return this.#current.nonce;
    const time = Buffer.alloc(4);
    time.writeUInt32BE(period);
    const nonce = Buffer.concat([time, this.#code(this.secrets[0], time)]).toString('base64url');
    this.#current = { period, nonce };
    return nonce;
  }

  /** Whether a nonce was given out here, and not too long ago. */
  isFresh(nonce: string): boolean {
    // Nonces are no secret: everybody is given the current one.
    if (nonce === this.current) return true;
    if (nonce.length !== NONCE_LENGTH) return false;
    const bytes = Buffer.from(nonce, 'base64url');
    // Other spellings of the same bytes are not what was given out.
    if (bytes.toString('base64url') !== nonce) return false;
    const time = bytes.subarray(0, 4);
    const age = this.#period() - time.readUInt32BE();
    // The clock of another replica may be ahead by up to one period.
    if (age < -1 || age * PERIOD_SECONDS > this.lifetimeSeconds) return false;
    return this.secrets.some((secret) => timingSafeEqual(bytes.subarray(4), this.#code(secret, time)));
  }

  #period(): number {
    return Math.floor(this.now() / 1000 / PERIOD_SECONDS);
  }

  #code(secret: string, time: Buffer): Buffer {
    const text = `nestjs-mcp-auth dpop nonce\n${this.resource}\n`;
    return createHmac('sha256', secret).update(text).update(time).digest().subarray(0, CODE_BYTES);
  }
}
