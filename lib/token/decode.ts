import { isUtf8 } from 'node:buffer';
import { invalidToken } from '../core/error.js';
import { isRecord } from '../core/record.js';

/** A JWT whose form is sound. Nothing in it is trusted yet. */
export interface DecodedJwt {
  readonly header: Readonly<Record<string, unknown>>;
  readonly claims: Readonly<Record<string, unknown>>;
}

/**
 * Longest access token that is looked at, in characters. Node refuses headers of more than 16 KiB by default
 * anyway; this holds behind HTTP/2 and raised limits too.
 */
export const MAX_TOKEN_LENGTH = 16_384;

/**
 * Whether a token presents itself as a signed JWT: three parts, of which the first begins like a JSON object. Whether it
 * is one, {@link decodeJwt} says.
 */
export function hasJwtForm(token: string): boolean {
  const [header = '', ...others] = token.split('.');
  return others.length === 2 && /^\s*\{/.test(Buffer.from(header, 'base64url').toString());
}

/**
 * Takes a compact JWS apart: exactly three base64url parts in their canonical spelling, header and payload being
 * JSON objects in UTF-8. Does NOT verify anything.
 *
 * Of a repeated member the last one counts, as in `JSON.parse` and in jose, so that both see the same token.
 *
 * @throws {McpAuthError} `invalid_token`
 * @see RFC 7519 §7.2, RFC 7515 §5.2
 */
export function decodeJwt(token: string): DecodedJwt {
  if (token.length > MAX_TOKEN_LENGTH) throw invalidToken('token_too_large');
  const parts = token.split('.');
  if (parts.length === 5) throw invalidToken('token_encrypted');
  const [header, payload, signature] = parts;
  if (parts.length !== 3 || !header || !payload || !signature) throw invalidToken('token_malformed');
  decodeBase64url(signature);
  return { header: parseObject(header), claims: parseObject(payload) };
}

function parseObject(part: string): Record<string, unknown> {
  const bytes = decodeBase64url(part);
  // Otherwise what is no UTF-8 would be replaced by something that is.
  if (!isUtf8(bytes)) throw invalidToken('token_malformed');
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString());
  } catch {
    // The cause would quote the token.
    throw invalidToken('token_malformed');
  }
  if (!isRecord(value)) throw invalidToken('token_malformed');
  return value;
}

/** Refuses every spelling but the canonical one: several strings for one token would be several cache keys. */
function decodeBase64url(part: string): Buffer {
  const bytes = Buffer.from(part, 'base64url');
  if (bytes.toString('base64url') !== part) throw invalidToken('token_malformed');
  return bytes;
}
