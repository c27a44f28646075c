import { ownMember } from '../core/record.js';
import { quoted, redactToken, redactTokens } from '../core/safe-text.js';
import { parseScope } from '../core/scopes.js';

/** A token that an authorization server issued. */
export interface IssuedToken {
  readonly token: string;
  /** How long it is valid, in seconds; undefined if the server does not say it. */
  readonly lifetimeSeconds: number | undefined;
  /** Undefined if the server does not name them: they are those of the request (RFC 6749 §5.1). */
  readonly scopes: readonly string[] | undefined;
}

/** What kind of token the answer must hold. */
export interface ExpectedToken {
  /**
   * In lower case (RFC 6749 §7.1): `bearer`; `dpop` for a token that is bound to the key of the proof (RFC 9449 §5); or `n_a` for
   * a token that is no access token (RFC 8693 §2.2.1).
   */
  readonly tokenType: 'bearer' | 'dpop' | 'n_a';
  /** What `issued_token_type` may be; undefined if the grant has no such member. */
  readonly issuedTokenTypes: readonly string[] | undefined;
}

/**
 * The answer of a token endpoint cannot be used. The message contains no token.
 *
 * @see RFC 6749 §5.1, RFC 8693 §2.2.1
 */
export class TokenAnswerError extends Error {
  override readonly name = 'TokenAnswerError';

  constructor(
    message: string,
    /** `malformed`: no answer of a working token endpoint; `unsuitable`: a token that this request is not about. */
    readonly kind: 'malformed' | 'unsuitable',
  ) {
    super(message);
  }
}

/** The authorization server refused to issue a token. */
export class TokenRefusedError extends Error {
  override readonly name = 'TokenRefusedError';

  constructor(
    /** The error code, such as `invalid_grant` (RFC 6749 §5.2, RFC 8693 §2.2.2). */
    readonly code: string,
    /** The HTTP status. */
    readonly status: number,
    /** A closer code, which Entra ID sends beside the first one; undefined if there is none. */
    readonly suberror: string | undefined,
    /** What the server says about it, without the secrets of the request; for logs only. */
    readonly description: string | undefined,
  ) {
    super(`the token endpoint answered ${status} ${code}`);
  }
}

/** The types as servers write them. */
const TYPE_NAMES: Readonly<Record<ExpectedToken['tokenType'], string>> = { bearer: 'Bearer', dpop: 'DPoP', n_a: 'N_A' };

/** Longest token that is accepted, in characters. It will be sent in a header field, which most servers limit to 16 KiB. */
const MAX_TOKEN_LENGTH = 16_384;

/** Visible ASCII: anything else cannot be in a header field, or would begin another one. */
const TOKEN = /^[\x21-\x7e]+$/;

/** Longest lifetime that is believed, in seconds: ten years. */
const MAX_LIFETIME_SECONDS = 315_360_000;

/**
 * Reads a successful answer. Members that this library does not use are not looked at.
 *
 * @param secrets that the request had, and the answer may repeat
 */
export function readIssuedToken(
  body: Readonly<Record<string, unknown>>,
  expected: ExpectedToken,
  secrets: readonly string[],
): IssuedToken {
  const token = readToken(body);
  const unsuitable = (member: string, seen: unknown, must: string): TokenAnswerError => {
    const shown = typeof seen === 'string' ? withoutSecrets(seen, [token, ...secrets]) : seen;
    return new TokenAnswerError(`its ${member} is ${quoted(shown)}, and must be ${must}`, 'unsuitable');
  };
  const type = ownMember(body, 'token_type');
  if (typeof type !== 'string' || type.toLowerCase() !== expected.tokenType) {
    throw unsuitable('token_type', type, TYPE_NAMES[expected.tokenType]);
  }
  const issued = ownMember(body, 'issued_token_type');
  const { issuedTokenTypes } = expected;
  if (issuedTokenTypes && !issuedTokenTypes.some((one) => one === issued)) {
    throw unsuitable('issued_token_type', issued, issuedTokenTypes.join(' or '));
  }
  return { token, lifetimeSeconds: readLifetime(body), scopes: readScopes(body) };
}

function malformed(what: string): TokenAnswerError {
  return new TokenAnswerError(`in the answer of the token endpoint, ${what}`, 'malformed');
}

function readToken(body: Readonly<Record<string, unknown>>): string {
  const token = ownMember(body, 'access_token');
  if (typeof token !== 'string' || !TOKEN.test(token)) throw malformed('access_token is no text of visible ASCII');
  if (token.length > MAX_TOKEN_LENGTH) throw malformed(`access_token has more than ${MAX_TOKEN_LENGTH} characters`);
  return token;
}

/** Some products write the number as text. */
function readLifetime(body: Readonly<Record<string, unknown>>): number | undefined {
  const written = ownMember(body, 'expires_in');
  if (written === undefined || written === null) return undefined;
  const seconds = typeof written === 'string' && /^\d{1,10}$/.test(written) ? Number(written) : written;
  if (typeof seconds !== 'number' || !(seconds >= 0 && seconds <= MAX_LIFETIME_SECONDS))
    throw malformed('expires_in is no number of seconds');
  return seconds;
}

function readScopes(body: Readonly<Record<string, unknown>>): string[] | undefined {
  const scope = ownMember(body, 'scope');
  if (scope === undefined || scope === null) return undefined;
  if (typeof scope !== 'string') throw malformed('scope is no text');
  return parseScope(scope);
}

/** Shortest secret that is removed from an error code, in characters. A shorter one may be a word of a code by chance. */
const SHORTEST_IN_CODE = 8;

/** The characters of an error code (RFC 6749 §5.2), and a length that no registered one has. */
const ERROR_CODE = /^[\x20\x21\x23-\x5B\x5D-\x7E]{1,100}$/;

/**
 * Reads the answer of a server that refuses; undefined if it names no error.
 *
 * @param secrets that the request had, and the answer may repeat
 */
export function readRefusal(
  body: Readonly<Record<string, unknown>>,
  status: number,
  secrets: readonly string[],
): TokenRefusedError | undefined {
  const code = ownMember(body, 'error');
  if (typeof code !== 'string' || !ERROR_CODE.test(code)) return undefined;
  const suberror = ownMember(body, 'suberror');
  const description = ownMember(body, 'error_description');
  const long = secrets.filter(({ length }) => length >= SHORTEST_IN_CODE);
  return new TokenRefusedError(
    withoutSecrets(code, long),
    status,
    typeof suberror === 'string' && ERROR_CODE.test(suberror) ? withoutSecrets(suberror, long) : undefined,
    typeof description === 'string' ? withoutSecrets(description, secrets) : undefined,
  );
}

/** Longest text that is kept, in characters. */
const MAX_SAID_LENGTH = 500;

function withoutSecrets(text: string, secrets: readonly string[]): string {
  return redactTokens(secrets.reduce(redactToken, text)).slice(0, MAX_SAID_LENGTH);
}
