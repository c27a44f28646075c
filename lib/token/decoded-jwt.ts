import { isUtf8 } from 'node:buffer';
import { LRUCache } from 'lru-cache';
import { deepFreeze } from '../core/deep-freeze.js';
import { invalidToken } from '../core/error.js';
import { isRecord } from '../core/record.js';

/** A well-formed JWT. Nothing in it is verified yet. */
export interface DecodedJwt {
  readonly header: Readonly<Record<string, unknown>>;
  readonly claims: Readonly<Record<string, unknown>>;
}

/**
 * Longest access token that is read, in characters. Node refuses headers over 16 KiB by default; this limit also applies behind
 * HTTP/2 and with raised limits.
 */
export const MAX_TOKEN_LENGTH = 16_384;

const REPLACEMENT_CHARACTER = '\uFFFD';

/**
 * Whether a token looks like a signed JWT: it has three parts, and the first begins like a JSON object. {@link decodeJwt}
 * checks whether it is one.
 */
export function hasJwtForm(token: string): boolean {
  const [header = '', ...others] = token.split('.');
  return others.length === 2 && /^\s*\{/.test(Buffer.from(header, 'base64url').toString());
}

/**
 * Decodes a compact JWS: exactly three base64url parts in canonical form; header and payload are JSON objects in UTF-8. Does
 * NOT verify anything.
 *
 * If a member is repeated, the last one counts, as in `JSON.parse` and in jose, so both read the same token.
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

/** Parsed headers: all tokens that were signed with one key have the same header. */
const headers = new LRUCache<string, Readonly<Record<string, unknown>>>({ max: 100 });

/** Longest encoded header that is remembered, in characters; real ones have about a hundred. */
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
  // Bytes that are not UTF-8 became replacement characters.
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

/** The characters that a part may end with, since its unused bits must be zero; by the length of the part modulo four. */
const LAST_CHARACTERS: readonly (string | undefined)[] = [undefined, '', 'AQgw', 'AEIMQUYcgkosw048'];

/**
 * Whether a part is base64url in canonical form: several spellings of one token would be several cache keys.
 *
 * @see RFC 4648 §3.5
 */
function isBase64url(part: string): boolean {
  const last = LAST_CHARACTERS[part.length % 4];
  return BASE64URL.test(part) && (last === undefined || last.includes(part.slice(-1)));
}
