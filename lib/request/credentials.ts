import { fieldValues, type HeaderSource } from './header-fields.js';

/**
 * The credentials in the `Authorization` header of a request.
 *
 * - `none`: no credentials at all;
 * - `unsupported`: credentials of a scheme other than Bearer; treated like none (RFC 6750 §3.1);
 * - `repeated`: more than one `Authorization` field; refused, since no choice between them is safe;
 * - `malformed`: the Bearer scheme, but not followed by exactly one token68;
 * - `bearer`: one access token, not verified yet.
 */
export type Credentials =
  | { readonly kind: 'none' }
  | { readonly kind: 'unsupported' }
  | { readonly kind: 'repeated' }
  | { readonly kind: 'malformed' }
  | { readonly kind: 'bearer'; readonly token: string };

/** `credentials = auth-scheme 1*SP token68`, and nothing before or after it (RFC 9110 §11.4). */
const BEARER = /^bearer +([A-Za-z0-9._~+/-]+=*)$/i;
/** `Bearer` as a whole scheme name. A tab, comma or colon after it makes a malformed Bearer credential. */
const BEARER_SCHEME = /^bearer(?![!#$%&'*+.^_`|~0-9A-Za-z-])/i;

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
  return { kind: BEARER_SCHEME.test(value) ? 'malformed' : 'unsupported' };
}

/** `DPoP` as a whole scheme name (RFC 9449 §7.1). Scheme names are case-insensitive (RFC 9110 §11.1). */
const DPOP_SCHEME = /^dpop(?![!#$%&'*+.^_`|~0-9A-Za-z-])/i;

/** Whether credentials of an unsupported scheme are those of DPoP. The log has advice for that case. */
export function isDpopScheme(request: HeaderSource): boolean {
  return DPOP_SCHEME.test(fieldValues(request, 'authorization')[0] ?? '');
}
