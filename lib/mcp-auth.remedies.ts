import type { McpAuthReason } from './core/error.js';
import { productOf } from './issuer/products.js';

/** What a remedy depends on. */
export interface Circumstances {
  /** The resource identifier. */
  readonly resource: string;
  /** What is accepted as audience: the resource identifier, unless the option says otherwise. */
  readonly audiences: readonly string[];
  /** A trusted one: the token's, or the only one there is. */
  readonly issuer: string | undefined;
}

/** Sentences for whoever runs the server; undefined where nothing has to be mended here. */
export function remedyFor(reason: McpAuthReason, { resource, audiences, issuer }: Circumstances): string | undefined {
  const product = issuer === undefined ? undefined : productOf(issuer);
  const audience = product
    ? `${product.name}: ${product.audience(resource)}`
    : `Let the authorization server put ${resource} into aud, as it is asked to by the parameter resource (RFC 8707); if it has another name for this resource alone, set that as the option audience`;
  if (reason === 'audience_rejected' || reason === 'audience_missing') {
    if (audiences.includes(resource)) return audience;
    const option = `The option audience accepts other names than ${resource}: leave it out, or set it to what tokens for this resource alone have as audience`;
    return product ? `${option}. ${audience}` : option;
  }
  // What servers issue for no audience in particular is often no JWT.
  if (reason === 'token_malformed' || reason === 'token_encrypted') return `If it is opaque to resource servers by intent, set the option introspection. ${audience}`;
  return REMEDIES[reason];
}

const REMEDIES: { readonly [Reason in McpAuthReason]?: string } = {
  token_unroutable: 'Set introspection.tokenPrefix of the authorization server that issues such tokens, or let it issue JWTs',
  issuer_unknown:
    'If its tokens are meant to be accepted, list it in authorizationServers exactly as the token spells it: a slash at the end counts',
  algorithm_rejected: 'Let the authorization server sign with one of those; or list that one in algorithms, if it is asymmetric',
  type_rejected: 'Let the authorization server issue access tokens with typ at+jwt, and the client send the access token',
  claim_missing: "Let the authorization server issue tokens by RFC 9068, or set profile to 'compatible'",
  key_unknown: 'See that the authorization server publishes this key, and that jwks or jwksUri, where it is set, is up to date',
  signature_invalid: 'See that the keys are those of this issuer, if jwks or jwksUri is set; otherwise the token was forged or damaged',
  not_an_access_token: 'Let the client send the access token: an ID token or refresh token is none',
  sender_constrained: 'Turn off DPoP or certificate-bound tokens for this resource at the authorization server',
  no_principal: 'Name the claims in which this authorization server puts subject or client in the option claims',
  lifetime_too_long: 'Let the authorization server issue tokens that expire sooner, or raise maxTokenLifetimeSeconds',
  expiry_missing: 'Let the authorization server issue tokens that expire',
  not_yet_valid: 'Set the clocks right, or raise clockToleranceSeconds',
  issuer_unreachable: 'See the line about the keys of this issuer: why they cannot be had stands there',
  introspection_failed: 'See the line about introspection at this issuer, and that its client ID and secret are right',
  issuer_lookup_failed: 'See the line about the look-up: the function trustedIssuer failed',
  verifier_unavailable: 'See the line about the configured verifier: it failed without saying anything about the token',
  origin_not_allowed: 'If it is yours, list the origin in allowedOrigins; as Host only that of the resource is allowed',
  handler_unauthenticated: 'See that the request goes through a Nest route, with the guard before it; over stdio see the option stdio',
  resource_mismatch: 'See @ProtectedResource() of the handler and of the route that leads to it',
};
