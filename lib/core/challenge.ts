import { isScopeToken } from './scopes.js';

/** The parameters of one Bearer challenge. Absent values and empty lists are not written. */
export interface Challenge {
  /** A registered code; absent if the request had no usable credentials (RFC 6750 §3.1). */
  readonly error?: ChallengeError | undefined;
  /** For the developer of the client. Must NOT contain anything from the request. */
  readonly errorDescription?: string | undefined;
  /** All scopes of the refused operation (RFC 6750 §3). */
  readonly scopes?: readonly string[] | undefined;
  /** Acceptable authentication context classes, in order of preference (RFC 9470 §3). */
  readonly acrValues?: readonly string[] | undefined;
  /** Greatest age of the authentication, in seconds (RFC 9470 §3). */
  readonly maxAgeSeconds?: number | undefined;
  /** URL of the protected resource metadata (RFC 9728 §5.1). */
  readonly resourceMetadata: string;
}

/** The codes registered for a Bearer challenge (RFC 6750 §3.1, RFC 9470 §3). `error=` has no other values. */
export type ChallengeError =
  | 'invalid_request'
  | 'invalid_token'
  | 'insufficient_scope'
  | 'insufficient_user_authentication';

/**
 * Writes the value of `WWW-Authenticate`. Every challenge of this library is written here: no parameter can be
 * repeated, unquoted or forgotten.
 *
 * @see RFC 6750 §3, RFC 9110 §11.6.1, RFC 9728 §5.1
 */
export function formatChallenge(challenge: Challenge): string {
  const parameters: [name: string, value: string | undefined][] = [
    ['error', challenge.error],
    ['error_description', challenge.errorDescription],
    ['scope', listOf(challenge.scopes)],
    ['acr_values', listOf(challenge.acrValues)],
    ['max_age', challenge.maxAgeSeconds?.toString()],
    ['resource_metadata', challenge.resourceMetadata],
  ];
  const written = parameters.filter(([, value]) => value !== undefined);
  return `Bearer ${written.map(([name, value]) => `${name}=${quote(value as string)}`).join(', ')}`;
}

/**
 * A quoted-string of the characters that RFC 6750 §3 allows in `error_description`. Drops all others, also `"` and `\`,
 * instead of escaping them: the section allows no escapes, and clients do not read them.
 */
function quote(value: string): string {
  return `"${value.replace(/[^\x20-\x21\x23-\x5B\x5D-\x7E]/g, '')}"`;
}

/** Scope names, separated by single spaces. Leaves out invalid names: a space in one would make it several. */
function listOf(values: readonly string[] = []): string | undefined {
  const names = values.filter(isScopeToken);
  return names.length > 0 ? names.join(' ') : undefined;
}
