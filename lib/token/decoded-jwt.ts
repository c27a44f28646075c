import { isUtf8 } from 'node:buffer';
import { LRUCache } from 'lru-cache';
import { deepFreeze } from '../core/deep-freeze.js';
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

const REPLACEMENT_CHARACTER = '\uFFFD';

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
  if (!isBase64url(signature)) throw invalidToken('token_malformed');
  return { header: headerOf(header), claims: parseObject(payload) };
}

/** Headers that were parsed before: all tokens that were signed with one key begin alike. */
const headers = new LRUCache<string, Readonly<Record<string, unknown>>>({ max: 100 });

/** Longest encoded header that is remembered, in characters; those of real tokens have about a hundred. */
const MAX_REMEMBERED_HEADER = 512;

function headerOf(part: string): Readonly<Record<string, unknown>> {
  const known = headers.get(part);
  if (known) return known;
  const header = deepFreeze(parseObject(part));
  if (part.length <= MAX_REMEMBERED_HEADER) headers.set(part, header);
  return header;
}

function parseObject(part: string): Record<string, unknown> {
  if (!isBase64url(part)) throw invalidToken('token_malformed');
  const bytes = Buffer.from(part, 'base64url');
  const text = bytes.toString();
  // What is no UTF-8 was replaced by something that is.
  if (text.includes(REPLACEMENT_CHARACTER) && !isUtf8(bytes)) throw invalidToken('token_malformed');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The cause would quote the token.
    throw invalidToken('token_malformed');
  }
  if (!isRecord(value)) throw invalidToken('token_malformed');
  return value;
}

const BASE64URL = /^[\w-]+$/;

/** What may stand at the end, its bits that mean nothing being zero; by the number of characters over a multiple of four. */
const LAST_CHARACTERS: readonly (string | undefined)[] = [undefined, '', 'AQgw', 'AEIMQUYcgkosw048'];

/**
 * Whether it is base64url in its canonical spelling: several strings for one token would be several cache keys.
 *
 * @see RFC 4648 §3.5
 */
function isBase64url(part: string): boolean {
  const last = LAST_CHARACTERS[part.length % 4];
  return BASE64URL.test(part) && (last === undefined || last.includes(part.slice(-1)));
}
