import { HttpException } from '@nestjs/common';

/** Why a consent is refused. */
export type ConsentRefusal = 'not_readable' | 'expired' | 'other_user' | 'other_target' | 'used' | 'undecided';

/** The sentence for the user, and the HTTP status, of each reason. */
const REFUSALS = {
  not_readable: [400, 'This link is incomplete, or it was not made by this server.'],
  expired: [400, 'This link has expired. Ask your MCP client again to get a new one.'],
  other_user: [403, 'This link was made for another user than the one who is signed in here.'],
  other_target: [400, 'This answer belongs to another service than the one that was asked.'],
  used: [400, 'This link was used before. Ask your MCP client again to get a new one.'],
  undecided: [503, 'It is not known whether this link was used before. Try again in a moment.'],
} as const satisfies Readonly<Record<ConsentRefusal, readonly [number, string]>>;

/**
 * A consent that is refused. If a route lets it pass, Nest answers with its status (400, 403 or 503) and its `message`: a
 * sentence for the user, which contains nothing of the link, and nothing of either user.
 */
export class McpAuthConsentError extends HttpException {
  /** Distinguishes it from other errors. */
  override readonly name = 'McpAuthConsentError';

  constructor(
    /**
     * - `not_readable`: there is no value, or it was changed, or sealed for something else or with another secret;
     * - `expired`: it is older than `consent.seconds` allows;
     * - `other_user`: the user who is signed in is not the one whose tool call made the link;
     * - `other_target`: the state was made for another third party;
     * - `used`: the link was finished before;
     * - `undecided`: `consent.replayStore` does not answer.
     */
    readonly reason: ConsentRefusal,
    /** The error behind it; for logs only. */
    cause?: unknown,
  ) {
    const [status, message] = REFUSALS[reason];
    super(message, status, { cause });
  }
}
