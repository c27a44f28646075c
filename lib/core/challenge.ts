import { isScopeToken } from './scopes.js';

/** The parameters of one challenge. Absent values and empty lists are not written. */
export interface Challenge {
  /** @default 'Bearer' */
  readonly scheme?: AuthenticationScheme | undefined;
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
  /** The accepted algorithms of proofs; only with the scheme DPoP (RFC 9449 §7.1). */
  readonly algorithms?: readonly string[] | undefined;
  /** URL of the protected resource metadata (RFC 9728 §5.1). */
  readonly resourceMetadata: string;
}

/** How a token is presented: by itself, or with a proof of the key to which it is bound. */
export type AuthenticationScheme = 'Bearer' | 'DPoP';

/** The codes registered for a challenge (RFC 6750 §3.1, RFC 9470 §3, RFC 9449 §12.2). `error=` has no other values. */
export type ChallengeError =
  | 'invalid_request'
  | 'invalid_token'
  | 'insufficient_scope'
  | 'insufficient_user_authentication'
  | 'invalid_dpop_proof'
  | 'use_dpop_nonce';

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
    ['algs', listOf(challenge.algorithms)],
    ['resource_metadata', challenge.resourceMetadata],
  ];
  const written = parameters.filter(([, value]) => value !== undefined);
  return `${challenge.scheme ?? 'Bearer'} ${written.map(([name, value]) => `${name}=${quote(value as string)}`).join(', ')}`;
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
