import type { McpAuthReason } from '../core/error.js';
import type { Observed } from '../core/safe-text.js';
import { productOf } from '../products/known-products.js';

/** What a remedy depends on. */
export interface AdviceContext {
  /** The resource identifier. */
  readonly resource: string;
  /** What is accepted as audience: the resource identifier, unless the option says otherwise. */
  readonly audiences: readonly string[];
  /** A trusted one: the token's, or the only one there is. */
  readonly issuer: string | undefined;
  /** What was found: one reason may have several causes, and each is mended elsewhere. */
  readonly seen: Observed;
}

/** Sentences for whoever runs the server; undefined where nothing has to be mended here. */
export function adviceFor(reason: McpAuthReason, circumstances: AdviceContext): string | undefined {
  return OF_CAUSES[reason]?.(circumstances) ?? REMEDIES[reason];
}

type Remedy = (circumstances: AdviceContext) => string | undefined;

/** Those that depend on more than the reason. One that returns nothing leaves it to {@link REMEDIES}. */
const OF_CAUSES: { readonly [Reason in McpAuthReason]?: Remedy } = {
  audience_rejected: ofAudience,
  audience_missing: ofAudience,
  token_malformed: ofOpaqueToken,
  token_encrypted: ofOpaqueToken,
  not_an_access_token: ofKind,
  subject_missing: ofSubject,
  scope_missing: ofScopes,
  lifetime_too_long: ofMilliseconds,
  not_yet_valid: ofMilliseconds,
};

function audienceAt({ resource, issuer }: AdviceContext): string {
  const product = productAt(issuer);
  if (product) return `${product.name}: ${product.advice.audience(resource)}`;
  return `Let the authorization server put ${resource} into aud, as it is asked to by the parameter resource (RFC 8707); or, if it has another name for this resource alone, set that as the option audience`;
}

function productAt(issuer: string | undefined): ReturnType<typeof productOf> {
  return issuer === undefined ? undefined : productOf(issuer);
}

function ofAudience(circumstances: AdviceContext): string {
  const { resource, audiences, issuer } = circumstances;
  if (audiences.includes(resource)) return audienceAt(circumstances);
  const option = `The option audience accepts other names than ${resource}: leave it out, or set it to what tokens for this resource alone have as audience`;
  return productAt(issuer) ? `${option}. ${audienceAt(circumstances)}` : option;
}

/** What servers issue for no audience in particular is often no JWT. */
function ofOpaqueToken(circumstances: AdviceContext): string {
  const { resource, issuer } = circumstances;
  const introspection = 'If it is opaque to resource servers by intent, set the option introspection';
  const product = productAt(issuer);
  if (!product)
    return `${introspection}; or let the authorization server issue JWTs, as some do for a resource that clients name only`;
  return `${introspection}; or have a JWT issued. ${product.name}: ${product.advice.audience(resource)}`;
}

function ofKind({ seen, resource, issuer }: AdviceContext): string {
  const marks = seen['marked by'];
  // A mark with a space in it is a claim with the name of another kind; the others are claims that some access tokens have.
  if (marks !== undefined && !/"[^", ]+ [^"]*"/.test(marks))
    return 'Let the client send the access token: an ID token is none; or, if it is one, let the authorization server leave these claims out of it';
  if (marks !== undefined) return 'Let the client send the access token: an ID token or refresh token is none';
  if (seen['aud'] !== undefined) {
    const product = productAt(issuer);
    const remedy = `Let the authorization server put ${resource} into aud, so that the token can be told from an ID token`;
    return product
      ? `${remedy}. ${product.name}: ${product.advice.audience(resource)}`
      : `${remedy}; or let it write typ at+jwt into the header (RFC 9068)`;
  }
  if (seen['because']?.includes('token_type')) {
    return 'Let the authorization server say token_type Bearer of access tokens, or name the audience; or, if it calls nothing active but access tokens, set introspection.accessTokensOnly';
  }
  return 'Let the authorization server put client_id or scope into access tokens, or write typ at+jwt into their header (RFC 9068)';
}

function ofSubject({ seen, issuer }: AdviceContext): string {
  const product = productAt(issuer)?.name;
  const shownBy = seen['shown by'];
  if (product === 'Keycloak' || shownBy === '"typ"') {
    return 'Keycloak: give the client the client scope basic; or, for lightweight access tokens, turn on "Add to lightweight access token" in the mapper sub of that scope';
  }
  if (shownBy === '"username"')
    return "Let the authorization server name the user in sub; or, if its user names are never given to another user, set claims: { subject: ['sub', 'username'] }";
  return 'Let the authorization server name the user in sub (RFC 9068 §2.2); or name the claim that does in the option claims.subject';
}

/** Nothing, where the token has scopes that can be read, and others than those that are needed: the client steps up. */
function ofScopes({ seen }: AdviceContext): string | undefined {
  const { needs: _needs, ...claims } = seen;
  const values = Object.values(claims);
  if (values.some((value) => value.endsWith('no name of a scope')))
    return 'Let the authorization server write each scope as a member of its own: a member with a space in it grants nothing';
  if (values.every((value) => value.startsWith('"') && value !== '""')) return undefined;
  return 'Let the authorization server grant scopes in one of these claims, as text or as a list; or name the claim that it puts them in as the option claims.scopes';
}

/** A date far beyond any life of a token; in seconds, it would be more than three centuries away. */
const MILLISECONDS = 10_000_000_000;

function ofMilliseconds({ seen }: AdviceContext): string | undefined {
  const isFar = ['exp', 'nbf', 'iat'].some((name) => Number(seen[name]) > MILLISECONDS);
  return isFar
    ? 'Let the authorization server write times in seconds since 1970 (RFC 7519 §2): these look like milliseconds'
    : undefined;
}

const REMEDIES: { readonly [Reason in McpAuthReason]?: string } = {
  token_unroutable:
    'Set introspection.tokenPrefix of the authorization server that issues such tokens, or let it issue JWTs',
  issuer_unknown:
    'If its tokens are meant to be accepted, list it in authorizationServers exactly as the token spells it: a slash at the end counts',
  algorithm_rejected:
    'Let the authorization server sign with one of those; or list that one in algorithms, if it is asymmetric',
  type_rejected:
    'Let the authorization server issue access tokens with typ at+jwt, and the client send the access token',
  claim_missing: "Let the authorization server issue tokens by RFC 9068, or set profile to 'compatible'",
  key_unknown:
    'See that the authorization server publishes this key, and that jwks or jwksUri, where it is set, is up to date',
  signature_invalid:
    'See that the keys are those of this issuer, if jwks or jwksUri is set; otherwise the token was forged or damaged',
  sender_constrained:
    'Turn off DPoP (cnf.jkt) or certificate-bound tokens (cnf.x5t#S256) for this client or this resource, at the authorization server or in the client',
  dpop_scheme:
    'Turn off DPoP in the client, or for this client at the authorization server, so that it gets and sends a Bearer token',
  claim_malformed:
    'Let the authorization server write that claim as text, and an audience as text or a list of texts; or name another claim in the option claims',
  time_malformed: 'Let the authorization server write times as numbers of seconds since 1970 (RFC 7519 §2)',
  no_principal: 'Name the claims in which this authorization server puts subject or client in the option claims',
  lifetime_too_long: 'Let the authorization server issue tokens that expire sooner, or raise maxTokenLifetimeSeconds',
  expiry_missing: 'Let the authorization server issue tokens that expire',
  not_yet_valid: 'Set the clocks right; or, for nbf, raise clockToleranceSeconds',
  issuer_unreachable: 'See the line about the keys of this issuer: why they cannot be had stands there',
  introspection_failed: 'See the line about introspection at this issuer, and that its client ID and secret are right',
  issuer_lookup_failed: 'See the line about the look-up: the function trustedIssuer failed',
  verifier_unavailable: 'See the line about the configured verifier: it failed without saying anything about the token',
  origin_not_allowed: 'If it is yours, list the origin in allowedOrigins; as Host only that of the resource is allowed',
  body_unseen:
    'Let Nest parse JSON bodies before the guard: remove bodyParser: false, or add app.use(express.json()) before the routes; on Fastify, keep the content type parser of application/json. If only some clients are refused, let them send Content-Type: application/json',
  handler_unauthenticated:
    'See that the request goes through a Nest route, with the guard before it; over stdio see the option stdio',
  graphql_request_missing: 'Let the context of GraphQLModule have the request as req: context: ({ req }) => ({ req })',
  websocket_unauthenticated:
    'Let clients send the access token in the Authorization header of the upgrade request, to a gateway on the port of the application; or declare the handler @Public() and protect it by means of your own',
  message_unauthenticated:
    'Remove the requirements of the handler or declare it @Public(), and protect the broker by its own means',
  context_unauthenticated:
    'Remove the requirements of the handler or declare it @Public(), and protect it by means of your own',
  resource_mismatch: 'See @ProtectedResource() of the handler and of the route that leads to it',
};
