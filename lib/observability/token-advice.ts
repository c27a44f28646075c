import type { Observed } from '../core/safe-text.js';
import { KEYCLOAK } from '../products/keycloak.js';
import { productOf } from '../products/known-products.js';

// Advice about a refused token that depends on its issuer, or on what was found in the token.

/** What advice depends on, besides the reason. */
export interface AdviceContext {
  /** The resource identifier. */
  readonly resource: string;
  /** The audiences that are accepted: the resource identifier, or those of the option `audience`. */
  readonly audiences: readonly string[];
  /** A trusted issuer: that of the token, or the only configured one. */
  readonly issuer: string | undefined;
  /** What was found. It tells the causes of one reason apart. */
  readonly seen: Observed;
}

/** In the terms of the product; undefined where it is not known. */
function audienceAtProduct({ resource, issuer }: AdviceContext): string | undefined {
  const product = productOf(issuer);
  return product && `${product.name}: ${product.advice.audience(resource)}`;
}

export function adviseOnAudience(context: AdviceContext): string {
  const { resource, audiences } = context;
  const atProduct = audienceAtProduct(context);
  if (audiences.includes(resource))
    return (
      atProduct ??
      `Let the authorization server put ${resource} into aud, as it is asked to by the parameter resource (RFC 8707); or, if it has another name for this resource alone, set that as the option audience`
    );
  const option = `The option audience accepts other names than ${resource}: leave it out, or set it to what tokens for this resource alone have as audience`;
  return atProduct === undefined ? option : `${option}. ${atProduct}`;
}

/** A token that is issued for no particular audience is often not a JWT. */
export function adviseOnOpaqueToken(context: AdviceContext): string {
  const introspection = 'If it is opaque to resource servers by intent, set the option introspection';
  const atProduct = audienceAtProduct(context);
  return atProduct === undefined
    ? `${introspection}; or let the authorization server issue JWTs, as some do for a resource that clients name only`
    : `${introspection}; or have a JWT issued. ${atProduct}`;
}

export function adviseOnTokenKind(context: AdviceContext): string {
  const { seen, resource } = context;
  const marks = seen['marked by'];
  // A mark with a space in it is a claim and its value, which names another kind; some access tokens have the other marks.
  if (marks !== undefined && !/"[^", ]+ [^"]*"/.test(marks))
    return 'Let the client send the access token: an ID token is none; or, if it is one, let the authorization server leave these claims out of it';
  if (marks !== undefined) return 'Let the client send the access token: an ID token or refresh token is none';
  if (seen['aud'] !== undefined) {
    const remedy = `Let the authorization server put ${resource} into aud, so that the token can be told from an ID token`;
    const atProduct = audienceAtProduct(context);
    return atProduct === undefined
      ? `${remedy}; or let it write typ at+jwt into the header (RFC 9068)`
      : `${remedy}. ${atProduct}`;
  }
  if (seen['because']?.includes('token_type'))
    return 'Let the authorization server say token_type Bearer of access tokens, or name the audience; or, if it calls nothing active but access tokens, set introspection.accessTokensOnly';
  return 'Let the authorization server put client_id or scope into access tokens, or write typ at+jwt into their header (RFC 9068)';
}

export function adviseOnSubject({ seen, issuer }: AdviceContext): string {
  const shownBy = seen['shown by'];
  // The claim typ is one that Keycloak writes.
  const product = shownBy === '"typ"' ? KEYCLOAK : productOf(issuer);
  if (product?.advice.subject !== undefined) return `${product.name}: ${product.advice.subject}`;
  if (shownBy === '"username"')
    return "Let the authorization server name the user in sub; or, if its user names are never given to another user, set claims: { subject: ['sub', 'username'] }";
  return 'Let the authorization server name the user in sub (RFC 9068 §2.2); or name the claim that does in the option claims.subject';
}

/** Undefined where the scopes of the token can be read, but are not those that are needed: the client steps up. */
export function adviseOnScopes({ seen }: AdviceContext): string | undefined {
  const { needs: _needs, ...claims } = seen;
  const values = Object.values(claims);
  if (values.some((value) => value.endsWith('not a scope name')))
    return 'Let the authorization server write each scope as a member of its own: a member with a space in it grants nothing';
  if (values.every((value) => value.startsWith('"') && value !== '""')) return undefined;
  return 'Let the authorization server grant scopes in one of these claims, as text or as a list; or name the claim that it puts them in as the option claims.scopes';
}

/** No token lives that long: as seconds, this is more than three centuries after 1970. */
const MILLISECONDS = 10_000_000_000;

/** Undefined where the times look like seconds. */
export function adviseOnMilliseconds({ seen }: AdviceContext): string | undefined {
  const isFar = ['exp', 'nbf', 'iat'].some((name) => Number(seen[name]) > MILLISECONDS);
  return isFar
    ? 'Let the authorization server write times in seconds since 1970 (RFC 7519 §2): these look like milliseconds'
    : undefined;
}
