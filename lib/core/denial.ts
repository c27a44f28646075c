import { messageForClient } from './safe-text.js';

/** What a policy says about a refusal. */
export interface DenialDetails {
  /** For the log of the operator, who sees it shortened and quoted. Clients never get it. Must not contain secrets. */
  readonly reason?: string | undefined;
  /**
   * For the client, which may show it to its user. Sent on one line and with at most 200 characters; control characters,
   * and what looks like a token, are replaced.
   * @default a sentence that says only that the caller is not permitted
   */
  readonly message?: string | undefined;
}

/** Marks a denial, also for other copies of this package. */
const BRAND = Symbol.for('nestjs-mcp-auth:denial:1');

/** A refusal by a policy, for good: another token of this caller would not help. Made by {@link deny}. */
export class Denial {
  /** For the log; undefined if the policy gave none. */
  readonly reason: string | undefined;
  /** For the client, already shortened and safe; undefined if the policy gave none. */
  readonly message: string | undefined;

  /** @internal */
  constructor({ reason, message }: DenialDetails) {
    this.reason = textOf('reason', reason);
    this.message = messageForClient(textOf('message', message) ?? '') || undefined;
    Object.defineProperty(this, BRAND, { value: true });
    Object.freeze(this);
  }
}

/**
 * The answer of a policy that refuses a call and says why: `return deny({ reason: 'tenant is suspended', message: 'Your
 * organisation is suspended.' })`. The client gets `403` without a challenge, as for `false`: it should not request another
 * token.
 *
 * @throws {TypeError} if a member is not text; as an error of the policy, this refuses the call, too.
 */
export function deny(details: DenialDetails = {}): Denial {
  return new Denial(details);
}

/** Whether a policy returned a denial. An object of the same shape, such as one from a client, is none. */
export function isDenial(value: unknown): value is Denial {
  return typeof value === 'object' && value !== null && BRAND in value;
}

function textOf(member: string, value: unknown): string | undefined {
  if (value === undefined || typeof value === 'string') return value;
  throw new TypeError(`deny({ ${member} }) must be text, and is of type ${typeof value}. Write a sentence`);
}
