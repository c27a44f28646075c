import type { McpAuthInfo } from '../core/auth-info.js';
import { McpAuthError, unavailable, type McpAuthReason } from '../core/error.js';
import { NotAskedError } from '../core/not-asked-error.js';
import { MetadataUnavailableError } from '../issuer/discovery.js';
import { OutboundError } from '../issuer/outbound-error.js';
import { ClientSecretError } from '../issuer/rotating-secret.js';
import { TokenAnswerError, TokenRefusedError } from '../issuer/token-answer.js';
import { isOutage } from '../issuer/token-endpoint.js';
import type { ResolvedDownstream } from '../options/downstream-options.js';
import { IdentityProviderError, SubjectTokenMissingError } from './identity-provider.js';

/**
 * What an error of the token endpoint means:
 *
 * - `subject`: the token of the caller no longer counts: the client gets another one;
 * - `interaction`: the user has to do something at the authorization server;
 * - `scope`: the caller lacks scopes;
 * - `denied`: this caller gets no token, whatever they do;
 * - `outage`: later it may work;
 * - `operator`: only who runs this server can change it.
 */
export type TokenFailure = 'subject' | 'interaction' | 'scope' | 'denied' | 'outage' | 'operator';

/** By error code: RFC 6749 §5.2, RFC 8693 §2.2.2, OpenID Connect Core §3.1.2.6. An unknown code is for the operator. */
const FAILURES: ReadonlyMap<string, TokenFailure> = new Map<string, TokenFailure>([
  ['invalid_grant', 'subject'],
  ['invalid_token', 'subject'],
  ['interaction_required', 'interaction'],
  ['login_required', 'interaction'],
  ['consent_required', 'interaction'],
  ['account_selection_required', 'interaction'],
  ['insufficient_user_authentication', 'interaction'],
  ['insufficient_scope', 'scope'],
  ['invalid_scope', 'scope'],
  ['access_denied', 'denied'],
  ['temporarily_unavailable', 'outage'],
  ['server_error', 'outage'],
  ['slow_down', 'outage'],
]);

/**
 * What the identity provider means, where it differs. A renewed access token of the caller changes nothing there: the user has to
 * sign in, so that the application gets another subject token. Its policies say who may use which API with which scopes.
 */
const AT_IDENTITY_PROVIDER: ReadonlyMap<string, TokenFailure> = new Map<string, TokenFailure>([
  ['invalid_grant', 'interaction'],
  ['invalid_token', 'interaction'],
  ['invalid_target', 'denied'],
  ['invalid_scope', 'denied'],
  ['insufficient_scope', 'denied'],
]);

/**
 * What the authorization server of an API in another domain means, where it differs. Each ID-JAG is new, so another one would fare
 * no better, and the user cannot consent there: it does not know this user, or refuses them.
 */
const WITH_ID_JAG: ReadonlyMap<string, TokenFailure> = new Map<string, TokenFailure>([
  ['invalid_grant', 'denied'],
  ['invalid_token', 'denied'],
  ['invalid_scope', 'denied'],
  ['insufficient_scope', 'denied'],
  ['consent_required', 'denied'],
  ['account_selection_required', 'denied'],
]);

const NO_OTHER_MEANING: ReadonlyMap<string, TokenFailure> = new Map();

/**
 * What an error means.
 *
 * @param hasIssued whether the server has issued a token for this API before. Then the configuration is right, and what it calls an
 * invalid request is the token of this caller: RFC 8693 §2.2.2 wants that code for it.
 */
export function failureOf(
  error: unknown,
  { grant, dpop }: Pick<ResolvedDownstream, 'grant' | 'dpop'>,
  hasIssued: boolean,
): TokenFailure {
  if (error instanceof SubjectTokenMissingError) return 'interaction';
  // The server does not accept the nonce that it gave.
  if (dpop && error instanceof TokenRefusedError && error.code === 'use_dpop_nonce') return 'outage';
  if (error instanceof IdentityProviderError)
    return meaningOf(error.cause, AT_IDENTITY_PROVIDER, hasIssued ? 'interaction' : 'operator');
  if (grant === 'id-jag') return meaningOf(error, WITH_ID_JAG, 'operator');
  return meaningOf(error, NO_OTHER_MEANING, grant === 'token-exchange' && hasIssued ? 'subject' : 'operator');
}

/** @param invalidRequest what `invalid_request` means */
function meaningOf(
  error: unknown,
  differing: ReadonlyMap<string, TokenFailure>,
  invalidRequest: TokenFailure,
): TokenFailure {
  if (error instanceof TokenRefusedError) {
    const meaning = (code: string): TokenFailure | undefined => differing.get(code) ?? FAILURES.get(code);
    // Entra ID answers invalid_grant, and consent_required beside it.
    if (error.suberror !== undefined && meaning(error.suberror) === 'interaction') return 'interaction';
    return error.code === 'invalid_request' ? invalidRequest : (meaning(error.code) ?? 'operator');
  }
  if (error instanceof TokenAnswerError) return error.kind === 'malformed' ? 'outage' : 'operator';
  if (error instanceof ClientSecretError) return error.kind === 'failed' ? 'outage' : 'operator';
  if (error instanceof OutboundError) return isOutage(error) || error.status === 200 ? 'outage' : 'operator';
  if (error instanceof NotAskedError || error instanceof MetadataUnavailableError) return 'outage';
  return 'operator';
}

/**
 * Whether a refusal of the caller may be a mistake of the operator, while no caller has got a token. Entra ID calls a token of the
 * caller that is for another application an invalid grant, too. A missing consent may be that of an administrator.
 */
export function mayBeMistake(failure: TokenFailure, error: unknown, { grant }: ResolvedDownstream): boolean {
  if (failure === 'denied') return true;
  if (failure === 'subject') return grant === 'jwt-bearer';
  return failure === 'interaction' && (error instanceof IdentityProviderError || lacksConsent(error));
}

function lacksConsent(error: unknown): boolean {
  return error instanceof TokenRefusedError && [error.code, error.suberror].includes('consent_required');
}

/** The refusal of the caller; undefined if the failure is for the operator. */
export function refusalFor(
  failure: TokenFailure,
  error: unknown,
  api: ResolvedDownstream,
  caller: McpAuthInfo | undefined,
): McpAuthError | undefined {
  const seen = seenIn(error, api);
  const missingScopes = api.stepUpScopes.filter((scope) => caller?.scopes.includes(scope) !== true);
  const isConsentUseful = caller !== undefined && missingScopes.length > 0;
  if ((failure === 'scope' || failure === 'interaction') && isConsentUseful) {
    const details = { scopes: api.stepUpScopes, missingScopes, seen };
    return new McpAuthError('insufficient_scope', 'downstream_consent', details);
  }
  switch (failure) {
    case 'subject':
      return new McpAuthError('invalid_token', 'upstream_rejected', { seen });
    case 'interaction':
      return new McpAuthError('insufficient_user_authentication', 'downstream_sign_in', {
        authentication: { acr: [], maxAgeSeconds: 0 },
        seen,
      });
    case 'denied':
      return new McpAuthError('access_denied', 'downstream_denied', { seen });
    case 'outage':
      return unavailable('downstream_unavailable', causeOf(error));
    case 'scope':
    case 'operator':
      return undefined;
  }
}

/** The refusal of a caller whose token this server must not or cannot send to the authorization server; undefined if it may. */
export function subjectRefusal(
  api: ResolvedDownstream,
  caller: McpAuthInfo | undefined,
  now: number,
): McpAuthError | undefined {
  if (!caller) return new McpAuthError('authorization_required', 'no_credentials');
  if (caller.expiresAt * 1000 <= now)
    return new McpAuthError('invalid_token', 'expired', { seen: { exp: caller.expiresAt } });
  // The function of the application decides, and the token of the caller stays here.
  if (api.grant === 'id-jag') return undefined;
  const reason: McpAuthReason = 'downstream_subject';
  if (caller.credential !== undefined)
    return new McpAuthError('access_denied', reason, { seen: { api: api.name, credential: caller.credential } });
  if (!api.subjectIssuers.includes(caller.issuer))
    return new McpAuthError('access_denied', reason, { seen: { api: api.name, issuer: caller.issuer } });
  return undefined;
}

/** The error of the server that answered. */
export function causeOf(error: unknown): unknown {
  return error instanceof IdentityProviderError ? error.cause : error;
}

/** What the log shows of the answer. Clients never get it. */
function seenIn(error: unknown, { name }: ResolvedDownstream): Readonly<Record<string, unknown>> {
  const cause = causeOf(error);
  if (!(cause instanceof TokenRefusedError)) return { api: name };
  return { api: name, error: cause.code, suberror: cause.suberror, description: cause.description };
}
