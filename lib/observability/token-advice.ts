import type { Observed } from '../core/safe-text.js';
import { KEYCLOAK } from '../products/keycloak.js';
import { productOf } from '../products/known-products.js';

// Advice about a refused token that depends on its issuer or on its content.

/** The facts that advice depends on, besides the reason. */
export interface AdviceContext {
  /** The resource identifier. */
  readonly resource: string;
  /** The accepted audiences: the resource identifier, or those of the option `audience`. */
  readonly audiences: readonly string[];
  /** A trusted issuer: that of the token, or the only configured one; undefined if neither is known. */
  readonly issuer: string | undefined;
  /** What the check saw. It distinguishes the causes of one reason. */
  readonly seen: Observed;
}

/** How to set the audience in the issuer's product; undefined if the product is unknown. */
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
      `Let the authorization server put ${resource} into aud, as the parameter resource requests (RFC 8707); or, if it has another name for this resource alone, set that as the option audience`
    );
  const option = `The option audience accepts other names than ${resource}: leave it out, or set it to the audience that only tokens for this resource have`;
  return atProduct === undefined ? option : `${option}. ${atProduct}`;
}

/** Advice for a token that is not a JWT. Some authorization servers issue JWTs only for an audience that clients name. */
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
  // A mark with a space is a claim with a value that names another kind. Other marks occur in some access tokens too.
  if (marks !== undefined && !/"[^", ]+ [^"]*"/.test(marks))
    return 'Let the client send the access token, not the ID token; or, if it is the access token, let the authorization server leave these claims out of it';
  if (marks !== undefined) return 'Let the client send the access token, not an ID token or a refresh token';
  if (seen['aud'] !== undefined) {
    const remedy = `Let the authorization server put ${resource} into aud, which distinguishes the token from an ID token`;
    const atProduct = audienceAtProduct(context);
    return atProduct === undefined
      ? `${remedy}; or let it write typ at+jwt into the header (RFC 9068)`
      : `${remedy}. ${atProduct}`;
  }
  if (seen['because']?.includes('token_type'))
    return 'Let the introspection endpoint answer token_type Bearer for access tokens, or name the audience; or, if it reports only access tokens as active, set introspection.accessTokensOnly';
  return 'Let the authorization server put client_id or scope into access tokens, or write typ at+jwt into their header (RFC 9068)';
}

export function adviseOnSubject({ seen, issuer }: AdviceContext): string {
  const shownBy = seen['shown by'];
  // Keycloak writes the claim typ.
  const product = shownBy === '"typ"' ? KEYCLOAK : productOf(issuer);
  if (product?.advice.subject !== undefined) return `${product.name}: ${product.advice.subject}`;
  if (shownBy === '"username"')
    return "Let the authorization server name the user in sub; or, if its user names are never given to another user, set claims: { subject: ['sub', 'username'] }";
  return 'Let the authorization server name the user in sub (RFC 9068 §2.2); or name the claim that does in the option claims.subject';
}

/** Undefined if the scopes of the token can be read, but are not sufficient: the client steps up. */
export function adviseOnScopes({ seen }: AdviceContext): string | undefined {
  const { needs: _needs, ...claims } = seen;
  const values = Object.values(claims);
  if (values.some((value) => value.endsWith('not a scope name')))
    return 'Let the authorization server write each scope as a separate member: a member with a space in it grants nothing';
  const isUsable = (value: string): boolean => /^["[]/.test(value) && value !== '""';
  const isWithoutGrant = (value: string): boolean => value.endsWith('nothing');
  const isReadable = values.every((value) => isUsable(value) || isWithoutGrant(value) || value === 'null');
  if (values.length === 0 || (isReadable && values.some(isUsable))) return undefined;
  if (values.some(isWithoutGrant))
    return 'List the values that grant scopes in the option grants, as the token spells them';
  return 'Let the authorization server grant scopes in one of these claims, as text or as a list; or name the claim with the scopes in the option claims.scopes, or that with the roles in grants';
}

/** Larger times are in milliseconds: as seconds, this is more than three centuries after 1970. */
const MILLISECONDS = 10_000_000_000;

/** Undefined if the times look like seconds. */
export function adviseOnMilliseconds({ seen }: AdviceContext): string | undefined {
  const isFar = ['exp', 'nbf', 'iat'].some((name) => Number(seen[name]) > MILLISECONDS);
  return isFar
    ? 'Let the authorization server write times in seconds since 1970 (RFC 7519 §2): these look like milliseconds'
    : undefined;
}
