import type { McpAuthReason } from './core/error.js';

/** How loud the line about a refusal is. */
export type RefusalLevel = 'warn' | 'log' | 'debug';

/**
 * - `warn`: something here, at the authorization server or in a client has to be changed before such requests can work;
 * - `log`: nothing has to be changed, and an operator who looks for attacks will want to see it;
 * - `debug`: what happens to every client every day: it signs in, its token expires, it steps up.
 */
export const REFUSAL_LEVELS: { readonly [Reason in McpAuthReason]: RefusalLevel } = {
  no_credentials: 'debug',
  unsupported_scheme: 'log',
  dpop_scheme: 'warn',
  repeated_credentials: 'log',
  malformed_credentials: 'log',
  token_too_large: 'log',
  token_malformed: 'warn',
  token_unroutable: 'warn',
  token_inactive: 'debug',
  token_encrypted: 'warn',
  header_rejected: 'log',
  type_rejected: 'warn',
  algorithm_rejected: 'warn',
  issuer_unknown: 'warn',
  key_unknown: 'warn',
  signature_invalid: 'warn',
  audience_missing: 'warn',
  audience_rejected: 'warn',
  expiry_missing: 'warn',
  expired: 'debug',
  not_yet_valid: 'warn',
  lifetime_too_long: 'warn',
  time_malformed: 'warn',
  claim_missing: 'warn',
  claim_malformed: 'warn',
  not_an_access_token: 'warn',
  sender_constrained: 'warn',
  subject_missing: 'warn',
  no_principal: 'warn',
  verifier_failed: 'log',
  verifier_unavailable: 'warn',
  scope_missing: 'debug',
  authentication_insufficient: 'debug',
  upstream_rejected: 'debug',
  policy_denied: 'log',
  policy_not_asked: 'log',
  handler_unauthenticated: 'warn',
  graphql_request_missing: 'warn',
  websocket_unauthenticated: 'warn',
  message_unauthenticated: 'warn',
  context_unauthenticated: 'warn',
  resource_mismatch: 'warn',
  origin_not_allowed: 'warn',
  headers_contradict_body: 'log',
  batch_not_allowed: 'log',
  too_many_messages: 'log',
  too_many_operations: 'log',
  session_unknown: 'debug',
  session_of_another: 'log',
  issuer_unreachable: 'warn',
  issuer_lookup_failed: 'warn',
  introspection_failed: 'warn',
};
