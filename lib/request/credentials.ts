import { fieldValues, type HeaderSource } from './header-fields.js';

/**
 * The credentials in the `Authorization` header of a request.
 *
 * - `none`: no credentials at all;
 * - `unsupported`: credentials of another scheme than Bearer and DPoP; treated like none (RFC 6750 §3.1);
 * - `repeated`: more than one `Authorization` field; refused, since no choice between them is safe;
 * - `malformed`: the Bearer scheme, but not followed by exactly one token68;
 * - `bearer`: one access token, not verified yet;
 * - `dpop`: one access token of which the client holds the key, not verified yet; undefined if it is malformed.
 */
export type Credentials =
  | { readonly kind: 'none' }
  | { readonly kind: 'unsupported' }
  | { readonly kind: 'repeated' }
  | { readonly kind: 'malformed' }
  | { readonly kind: 'bearer'; readonly token: string }
  | { readonly kind: 'dpop'; readonly token: string | undefined };

/** `credentials = auth-scheme 1*SP token68`, and nothing before or after it (RFC 9110 §11.4). */
const BEARER = /^bearer +([A-Za-z0-9._~+/-]+=*)$/i;
/** The same for DPoP (RFC 9449 §7.1). */
const DPOP = /^dpop +([A-Za-z0-9._~+/-]+=*)$/i;
/** `Bearer` as a whole scheme name. A tab, comma or colon after it makes a malformed Bearer credential. */
const BEARER_SCHEME = /^bearer(?![!#$%&'*+.^_`|~0-9A-Za-z-])/i;
const DPOP_SCHEME = /^dpop(?![!#$%&'*+.^_`|~0-9A-Za-z-])/i;

/**
 * Reads the access token from the `Authorization` header only. Ignores tokens in the query, the body and cookies
 * (OAuth 2.1 §5.1). Does not look inside the token.
 *
 * @see RFC 6750 §2.1, OAuth 2.1 §5.1.1
 */
export function readCredentials(request: HeaderSource): Credentials {
  const values = fieldValues(request, 'authorization');
  const [value] = values;
  if (value === undefined) return { kind: 'none' };
  if (values.length > 1) return { kind: 'repeated' };
  const token = BEARER.exec(value)?.[1];
  if (token !== undefined) return { kind: 'bearer', token };
  if (BEARER_SCHEME.test(value)) return { kind: 'malformed' };
  return DPOP_SCHEME.test(value) ? { kind: 'dpop', token: DPOP.exec(value)?.[1] } : { kind: 'unsupported' };
}
