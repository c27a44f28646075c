import { fieldValues, type HeaderSource } from './header-fields.js';

/**
 * The credentials of a request: those in the `Authorization` header, and those in header fields that the options name.
 *
 * - `none`: no credentials at all;
 * - `unsupported`: credentials of another scheme than Bearer and DPoP; treated like none (RFC 6750 §3.1);
 * - `repeated`: more than one `Authorization` field; refused, since no choice between them is safe;
 * - `malformed`: the Bearer scheme, but not followed by exactly one token68;
 * - `bearer`: one access token, not verified yet;
 * - `dpop`: one access token of which the client holds the key, not verified yet; undefined if it is malformed;
 * - `header`: one credential in a header field of its own, not verified yet;
 * - `several`: credentials in more than one place; refused, since no choice between them is safe.
 */
export type Credentials =
  | { readonly kind: 'none' }
  | { readonly kind: 'unsupported' }
  | { readonly kind: 'repeated' }
  | { readonly kind: 'malformed' }
  | BearerCredential
  | { readonly kind: 'dpop'; readonly token: string | undefined }
  | HeaderCredential
  | { readonly kind: 'several' };

/** An access token. Requests on one connection that repeat it have the same object. */
export interface BearerCredential {
  readonly kind: 'bearer';
  readonly token: string;
}

/** A credential in a header field of its own. */
export interface HeaderCredential {
  readonly kind: 'header';
  /** The name of the field, in lower case. */
  readonly header: string;
  /** As sent; perhaps empty. */
  readonly value: string;
}

/** `credentials = auth-scheme 1*SP token68`, and nothing before or after it (RFC 9110 §11.4). */
const BEARER = /^bearer +([A-Za-z0-9._~+/-]+=*)$/i;
/** The same for DPoP (RFC 9449 §7.1). */
const DPOP = /^dpop +([A-Za-z0-9._~+/-]+=*)$/i;
/** `Bearer` as a whole scheme name. A tab, comma or colon after it makes a malformed Bearer credential. */
const BEARER_SCHEME = /^bearer(?![!#$%&'*+.^_`|~0-9A-Za-z-])/i;
const DPOP_SCHEME = /^dpop(?![!#$%&'*+.^_`|~0-9A-Za-z-])/i;

/**
 * The last access token on each connection, with the field that contained it. Most clients repeat their token, and to read it and
 * to hash it again would be a third of the work of the guard (callgrind, Node 24: 36,000 of 100,000 instructions of an MCP call).
 * The token is forgotten with its connection.
 */
const lastOn = new WeakMap<object, { readonly value: string; readonly credential: BearerCredential }>();

/**
 * Reads the access token from the `Authorization` header, and other credentials from the named header fields only. Ignores
 * tokens in the query, the body and cookies (OAuth 2.1 §5.1). Does not look inside the token.
 *
 * @param headers names of further header fields with credentials, in lower case
 * @see RFC 6750 §2.1, OAuth 2.1 §5.1.1
 */
export function readCredentials(source: HeaderSource, headers: readonly string[] = []): Credentials {
  if (headers.length > 0) {
    const inHeaders = headerCredentials(source, headers);
    if (inHeaders) return inHeaders;
  }
  const values = fieldValues(source, 'authorization');
  const [value] = values;
  if (value === undefined) return { kind: 'none' };
  if (values.length > 1) return { kind: 'repeated' };
  const credential = bearerIn(value, source.socket ?? source.raw?.socket);
  if (credential) return credential;
  if (BEARER_SCHEME.test(value)) return { kind: 'malformed' };
  return DPOP_SCHEME.test(value) ? { kind: 'dpop', token: DPOP.exec(value)?.[1] } : { kind: 'unsupported' };
}

function bearerIn(value: string, connection: object | undefined): BearerCredential | undefined {
  const last = connection && lastOn.get(connection);
  if (last?.value === value) return last.credential;
  const token = BEARER.exec(value)?.[1];
  if (token === undefined) return undefined;
  const credential: BearerCredential = { kind: 'bearer', token };
  if (connection) lastOn.set(connection, { value, credential });
  return credential;
}

/** Undefined if none of the fields was sent. An intermediary may have joined two fields with a comma (RFC 9110 §5.3). */
function headerCredentials(request: HeaderSource, headers: readonly string[]): Credentials | undefined {
  const fields = headers.flatMap((header) => fieldValues(request, header).map((value) => ({ header, value })));
  const [field] = fields;
  if (!field) return undefined;
  const isOne = fields.length === 1 && fieldValues(request, 'authorization').length === 0 && !field.value.includes(',');
  return isOne ? { kind: 'header', ...field } : { kind: 'several' };
}
