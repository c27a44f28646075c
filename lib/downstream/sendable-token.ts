/** Longest token of the application that is sent, in characters. */
const MAX_TOKEN_LENGTH = 16_384;

/** Whether a function of the application returned what a token looks like: visible ASCII of a limited length. */
export function isSendableToken(value: unknown): value is string {
  return typeof value === 'string' && value.length <= MAX_TOKEN_LENGTH && /^[\x21-\x7e]+$/.test(value);
}
