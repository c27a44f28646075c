import { redactToken, redactTokens } from '../core/safe-text.js';
import type { RedactArguments } from '../options/event-arguments-option.js';
import type { Operation } from '../request/rpc-body.js';

/** Why an event has no arguments although there are some. */
export type ArgumentsOmitted = 'too-long' | 'not-json' | 'redaction-failed';

/** The members of an event about the arguments of a message. */
export interface ArgumentFacts {
  readonly arguments?: unknown;
  readonly argumentsOmitted?: ArgumentsOmitted;
}

/** In characters, as JSON. */
const MAX_LENGTH = 4_096;

/**
 * What an event may tell of the arguments of an operation: what the function of the application returns for a copy of them,
 * without anything that looks like a token, and without the token of the caller.
 */
export function redactedArguments(
  { kind, name, args }: Operation,
  redact: RedactArguments,
  token: string | undefined,
): ArgumentFacts {
  if (args === undefined) return {};
  let redacted: unknown;
  try {
    // A copy: a function that deletes members must not change what the tool gets.
    redacted = redact({ kind, name, args: structuredClone(args) });
  } catch {
    return { argumentsOmitted: 'redaction-failed' };
  }
  return redacted === undefined ? {} : asJson(redacted, token);
}

function asJson(value: unknown, token: string | undefined): ArgumentFacts {
  const text = value instanceof Promise ? undefined : textOf(value);
  if (value instanceof Promise) value.catch(() => undefined);
  if (text === undefined) return { argumentsOmitted: 'not-json' };
  if (text.length > MAX_LENGTH) return { argumentsOmitted: 'too-long' };
  const clean = redactTokens(text);
  try {
    return { arguments: JSON.parse(token === undefined ? clean : redactToken(clean, token)) as unknown };
  } catch {
    // The token was written as a number.
    return { argumentsOmitted: 'not-json' };
  }
}

/** Undefined for what JSON cannot say. */
function textOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}
