import { withinTime, type TimeLimit } from '../core/deadline.js';
import { describeError } from '../core/safe-text.js';

/** Longest token of the application that is sent, in characters. */
const MAX_TOKEN_LENGTH = 16_384;

/** Whether a function of the application returned what a token looks like: visible ASCII of a limited length. */
export function isSendableToken(value: unknown): value is string {
  return typeof value === 'string' && value.length <= MAX_TOKEN_LENGTH && /^[\x21-\x7e]+$/.test(value);
}

/** A function of the application gave no token. The message contains nothing of what it returned. */
export class TokenFunctionError extends TypeError {
  override readonly name = 'TokenFunctionError';

  constructor(
    /** Where the function stands in the options. */
    readonly option: string,
    what: string,
  ) {
    super(`the function ${option} ${what}`);
  }
}

/**
 * Asks a function of the application for a token, within the time of a request.
 *
 * @returns a value of any shape
 * @throws {TokenFunctionError} if it throws, or takes too long
 */
export async function askForToken(option: string, ask: () => unknown, limit: TimeLimit): Promise<unknown> {
  try {
    return await withinTime(ask, limit);
  } catch (error) {
    // That of JSON.parse quotes the text, which may be a token.
    const what = error instanceof SyntaxError ? 'a SyntaxError, whose text may quote a token' : describeError(error);
    throw new TokenFunctionError(option, `threw: ${what}`);
  }
}
