/** Codes of jose for keys that could not be fetched or used: they say nothing about the token. */
const JOSE_CODES_OF_KEYS: ReadonlySet<string> = new Set([
  'ERR_JOSE_GENERIC',
  'ERR_JWKS_TIMEOUT',
  'ERR_JWKS_INVALID',
  'ERR_JWK_INVALID',
]);

/** Names of the errors of `jsonwebtoken`, which `@nestjs/jwt` uses. */
const JSONWEBTOKEN_NAMES: ReadonlySet<unknown> = new Set(['JsonWebTokenError', 'TokenExpiredError', 'NotBeforeError']);

/**
 * Whether an error that the application's own verification threw means that the token is bad. It does if it is
 *
 * - an error of jose (by its code) about the token, or about a missing key for it;
 * - an error of jsonwebtoken (by its name);
 * - marked as `invalid_token`, in `code`, `errorCode` or `error`: the errors of the MCP SDKs, and what the application chooses
 *   to throw;
 * - Nest's `UnauthorizedException`, or another exception of Nest with status 401.
 *
 * Any other error does not: a database that is down, or a bug, says nothing about the token. An HTTP status in an error does
 * not count either: a 401 from another service means that *this* server was refused.
 */
export function saysTokenIsBad(error: unknown): boolean {
  if (!(typeof error === 'object' && error !== null)) return false;
  const { name, code, errorCode, error: oauthError, getStatus } = error as Record<string, unknown>;
  if ([code, errorCode, oauthError].includes('invalid_token')) return true;
  if (typeof code === 'string' && /^ERR_J(?:OSE|WT|WS|WE|WK|WKS)_/.test(code)) return !JOSE_CODES_OF_KEYS.has(code);
  if (JSONWEBTOKEN_NAMES.has(name)) return true;
  return typeof getStatus === 'function' && getStatus.call(error) === 401;
}
