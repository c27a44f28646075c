import type { McpAuthReason } from '../core/error.js';
import {
  adviseOnAudience,
  adviseOnMilliseconds,
  adviseOnOpaqueToken,
  adviseOnScopes,
  adviseOnSubject,
  adviseOnTokenKind,
  type AdviceContext,
} from './token-advice.js';

/**
 * The level of the log line about a refusal:
 *
 * - `warn`: such requests fail until this server, the authorization server or a client is changed;
 * - `log`: nothing needs to be changed, but an operator who looks for attacks wants to see it;
 * - `debug`: normal for every client: it signs in, its token expires, it steps up.
 */
export type RefusalLevel = 'warn' | 'log' | 'debug';

/** What the operator should do; the result is undefined if nothing needs to be changed. */
type Advice = string | ((context: AdviceContext) => string | undefined);

interface RefusalLine {
  readonly level: RefusalLevel;
  readonly advice?: Advice;
}

/** The level of the log line for each reason, and what the operator should do. */
export const REFUSAL_ADVICE: Readonly<Record<McpAuthReason, RefusalLine>> = {
  no_credentials: { level: 'debug' },
  unsupported_scheme: { level: 'log' },
  dpop_scheme: warn(
    'Set the option dpop to "accepted"; or turn off DPoP in the client, or for this client at the authorization server',
  ),
  repeated_credentials: { level: 'log' },
  several_credentials: { level: 'log' },
  malformed_credentials: { level: 'log' },
  token_too_large: { level: 'log' },
  token_malformed: warn(adviseOnOpaqueToken),
  token_unroutable: warn(
    'Set introspection.tokenPrefix of the authorization server that issues such tokens, or let it issue JWTs',
  ),
  token_inactive: { level: 'debug' },
  token_encrypted: warn(adviseOnOpaqueToken),
  header_rejected: { level: 'log' },
  type_rejected: warn(
    'Let the authorization server issue access tokens with typ at+jwt, and the client send the access token',
  ),
  algorithm_rejected: warn(
    'Let the authorization server sign with one of those; or list that one in algorithms, if it is asymmetric',
  ),
  issuer_unknown: warn(
    'If its tokens are meant to be accepted, list it in authorizationServers exactly as the token spells it: a slash at the end counts',
  ),
  key_unknown: warn(
    'See that the authorization server publishes this key, and that jwks or jwksUri, if it is set, is up to date',
  ),
  signature_invalid: warn(
    'See that the keys are those of this issuer, if jwks or jwksUri is set; otherwise the token was forged or damaged',
  ),
  audience_missing: warn(adviseOnAudience),
  audience_rejected: warn(adviseOnAudience),
  expiry_missing: warn('Let the authorization server issue tokens that expire'),
  expired: { level: 'debug' },
  not_yet_valid: {
    level: 'warn',
    advice: (context) =>
      adviseOnMilliseconds(context) ?? 'Set the clocks right; or, for nbf, raise clockToleranceSeconds',
  },
  lifetime_too_long: {
    level: 'warn',
    advice: (context) =>
      adviseOnMilliseconds(context) ??
      'Let the authorization server issue tokens that expire sooner, or raise maxTokenLifetimeSeconds',
  },
  time_malformed: warn('Let the authorization server write times as numbers of seconds since 1970 (RFC 7519 §2)'),
  claim_missing: warn("Let the authorization server issue tokens by RFC 9068, or set profile to 'compatible'"),
  claim_malformed: warn(
    'Let the authorization server write that claim as text, and an audience as text or a list of texts; or name another claim in the option claims',
  ),
  not_an_access_token: warn(adviseOnTokenKind),
  sender_constrained: warn(
    'For DPoP (cnf.jkt), set the option dpop to "accepted"; for certificates (cnf.x5t#S256), the option mutualTls',
  ),
  bound_token_without_proof: { level: 'log' },
  unbound_token: warn(
    'Turn on DPoP for this client at the authorization server, so that its tokens have cnf.jkt; or, with mutualTls "required", certificate-bound tokens (cnf.x5t#S256)',
  ),
  proof_required: { level: 'log' },
  certificate_missing: warn(
    'See that the server or its proxy asks clients for their certificates, and that the proxy passes them on in mutualTls.certificate.header',
  ),
  certificate_untrusted: warn('If this peer is your proxy, add its address to mutualTls.certificate.trustedProxies'),
  certificate_malformed: warn(
    'Let the proxy replace the header field, and write one certificate in the format of mutualTls.certificate',
  ),
  certificate_of_another: { level: 'log' },
  proof_missing: { level: 'log' },
  proof_repeated: { level: 'log' },
  proof_malformed: { level: 'log' },
  proof_algorithm_rejected: warn('Let the client sign with one of those, or list that one in dpop.algorithms'),
  proof_key_rejected: { level: 'log' },
  proof_signature_invalid: { level: 'log' },
  proof_of_another_request: warn(
    'See that clients reach this server at the resource identifier, also behind a proxy that changes paths',
  ),
  proof_out_of_time: warn('Set the clocks of client and server right'),
  proof_of_another_token: { level: 'log' },
  proof_of_another_key: { level: 'log' },
  proof_replayed: { level: 'log' },
  nonce_needed: { level: 'debug' },
  replay_undecided: warn('See that dpop.replayStore is reachable and has room; in memory, raise dpop.maxProofs'),
  too_many_proofs: warn('If this client may send so many, raise dpop.maxProofsPerKey'),
  revoked: { level: 'log' },
  outlives_revocations: warn(
    'Let the authorization server issue tokens that expire sooner, or raise revocation.maxTokenSeconds to their longest life',
  ),
  revocations_unreadable: warn(
    'See the line about the store of revocations: it says why revocation.store cannot be read',
  ),
  subject_missing: warn(adviseOnSubject),
  no_principal: warn('In the option claims, name the claims in which this authorization server puts subject or client'),
  scopes_of_failed: warn(
    'Let scopesOf return a list of scope names for the claims of every token, synchronously; an empty one for none',
  ),
  verifier_failed: { level: 'log' },
  verifier_unavailable: warn('See the line about the configured verifier: it failed without a result for the token'),
  credential_malformed: { level: 'log' },
  credential_unknown: { level: 'log' },
  credential_rejected: warn(
    'Let verify return { subject, scopes } and, if they are known, clientId, expiresAt in seconds, kind and claims; or undefined for an unknown credential',
  ),
  credential_unavailable: warn('See the line about this credential: its function verify failed without a result'),
  scope_missing: { level: 'debug', advice: adviseOnScopes },
  authentication_insufficient: { level: 'debug' },
  upstream_rejected: { level: 'debug' },
  downstream_sign_in: { level: 'debug' },
  downstream_consent: { level: 'debug' },
  downstream_denied: { level: 'log' },
  downstream_subject: warn(
    'Let the caller come with an access token of an issuer in subjectIssuers of this API; or use the grant client-credentials',
  ),
  downstream_unavailable: warn('See the line about the tokens for this API: it says what the token endpoint answered'),
  policy_denied: { level: 'log' },
  policy_unavailable: warn(
    'See that what the policy asks, such as the decision point of authzen(), is reachable and answers as it must',
  ),
  policy_not_asked: { level: 'log' },
  handler_unauthenticated: warn(
    'See that the request goes through a Nest route, with the guard before it; over stdio see the option stdio',
  ),
  graphql_request_missing: warn(
    'Pass the request to the context of GraphQLModule as req: context: ({ req }) => ({ req })',
  ),
  websocket_unauthenticated: warn(
    'Let clients send the access token in the Authorization header of the upgrade request, to a gateway on the port of the application; or declare the handler @Public() and protect it yourself',
  ),
  message_unauthenticated: warn(
    'Remove the requirements of the handler or declare it @Public(), and protect the broker itself',
  ),
  context_unauthenticated: warn(
    'Remove the requirements of the handler or declare it @Public(), and protect it yourself',
  ),
  resource_mismatch: warn(
    'See that the handler, and the route that leads to it, name the same resource in @ProtectedResource()',
  ),
  origin_not_allowed: warn(
    'If it is yours, list the origin in allowedOrigins. A Host must be that of the resource: let the proxy pass on the Host of the client, or list the name that it writes there in allowedHosts',
  ),
  headers_contradict_body: { level: 'log' },
  batch_not_allowed: { level: 'log' },
  too_many_messages: { level: 'log' },
  too_many_operations: { level: 'log' },
  body_unseen: warn(
    'Let Nest parse JSON bodies before the guard: remove bodyParser: false, or add app.use(express.json()) before the routes; on Fastify, keep the content type parser of application/json. If only some clients are refused, let them send Content-Type: application/json',
  ),
  session_unknown: { level: 'debug' },
  session_of_another: { level: 'log' },
  session_undecided: warn('See that the store of the option sessions is reachable'),
  event_unknown: { level: 'log' },
  task_unknown: { level: 'debug' },
  task_of_another: { level: 'log' },
  task_list_elsewhere: { level: 'warn' },
  issuer_unreachable: warn('See the line about the keys of this issuer: it says why they cannot be fetched'),
  key_undecided: { level: 'warn' },
  tenant_unknown: { level: 'debug' },
  tenant_malformed: warn(
    'If it is a request of a client, let the proxy pass on the Host of the client and the path as sent: the tenant is read from them',
  ),
  tenant_lookup_failed: warn('See the line about the look-up: the function resolveTenant failed'),
  path_of_no_resource: warn(
    'If the parameter names a tenant, write it as a variable in `resource`, with the option `resolveTenant`; otherwise write the path of the resource as a route of its own',
  ),
  resource_undecided: warn('Name the resource of the route with @ProtectedResource(), or declare the route @Public()'),
  issuer_lookup_failed: warn('See the line about the look-up: the function trustedIssuer failed'),
  introspection_failed: warn(
    'See the line about introspection at this issuer, and that its client ID and secret are right',
  ),
};

function warn(advice: Advice): RefusalLine {
  return { level: 'warn', advice };
}

/** The level of a reason; `log` for an unknown one: a handler in JavaScript may name any, and its client must get an answer. */
export function levelOf(reason: McpAuthReason): RefusalLevel {
  return Object.hasOwn(REFUSAL_ADVICE, reason) ? REFUSAL_ADVICE[reason].level : 'log';
}

/** Advice for the operator, in sentences; undefined if nothing needs to be changed. */
export function adviceFor(reason: McpAuthReason, context: AdviceContext): string | undefined {
  const advice = Object.hasOwn(REFUSAL_ADVICE, reason) ? REFUSAL_ADVICE[reason].advice : undefined;
  return typeof advice === 'function' ? advice(context) : advice;
}
