import { formatChallenge, type AuthenticationScheme, type Challenge } from '../core/challenge.js';
import { statusOf, type McpAuthError, type McpAuthReason, type RefusalStatus } from '../core/error.js';
import { isScopeToken } from '../core/scopes.js';

/** A refusal as an HTTP answer, independent of the platform. */
export interface Refusal {
  readonly status: RefusalStatus;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: object;
  /** The sentence for the client, which is also in the challenge and the body. */
  readonly description: string;
}

/** What a challenge is built from, besides the error. */
export interface ChallengeContext {
  /** URL of the protected resource metadata. */
  readonly resourceMetadata: string;
  /** The scopes that the challenge names, if the refusal has one. */
  readonly scopes: () => readonly string[];
  /** How the request presented its token. */
  readonly scheme: AuthenticationScheme;
  /** How the resource accepts tokens that are bound to a key; undefined if it does not. */
  readonly dpop: { readonly mode: 'accepted' | 'required'; readonly algorithms: readonly string[] } | undefined;
  /** Whether the resource accepts tokens that are bound to a certificate. Their scheme is Bearer. */
  readonly acceptsCertificates: boolean;
}

/** What a refusal is built from, besides the error. */
export interface RefusalContext extends ChallengeContext {
  /** The nonce that the next proof must have. */
  readonly nonce: string | undefined;
  /** The id of a JSON-RPC request; null if the answer cannot name one; undefined if the body is not a JSON-RPC request. */
  readonly requestId?: string | number | null | undefined;
  /** Whether the client is told the reason, too. */
  readonly exposeErrorDetails: boolean;
}

/**
 * The sentences for clients. They are constants, so an answer reflects no input. Only the names of scopes are added (see
 * {@link descriptionOf}) and, with `exposeErrorDetails`, the reason. A policy can replace that of `access_denied`.
 */
const DESCRIPTIONS = {
  authorization_required: 'Authorization is required.',
  invalid_request: 'The request must carry exactly one Authorization header.',
  invalid_token: 'The access token is invalid or has expired.',
  invalid_dpop_proof: 'The DPoP proof is invalid.',
  use_dpop_nonce: 'The DPoP proof must have the nonce in DPoP-Nonce.',
  insufficient_user_authentication: 'The user has to sign in again, as the challenge says.',
  insufficient_scope: 'The access token lacks a scope that this operation needs.',
  access_denied: 'The caller is not permitted to do this.',
  too_many_requests: 'This client has sent too many requests. Try again later.',
  temporarily_unavailable: 'The access token cannot be verified at the moment.',
  origin_rejected: 'Requests from this origin are not accepted.',
  header_mismatch: 'The Mcp-Method and Mcp-Name headers must say what the body says.',
  batch_rejected:
    'A JSON-RPC batch is not accepted in this protocol version, nor is a request that asks for too much at once.',
  body_not_parsed: 'The body of the request was not read as JSON.',
  resource_not_found: 'Not found.',
  session_not_found: 'There is no such session.',
  task_not_found: 'Failed to retrieve task: Task not found',
} as const;

/** The sentences of reasons for which that of the code would be wrong: the token in the request is not the cause. */
const DESCRIPTIONS_BY_REASON: Partial<Record<McpAuthReason, string>> = {
  policy_unavailable: 'It cannot be decided at the moment whether the caller is permitted to do this.',
  proof_required: 'This operation needs an access token that is bound to a key of the client.',
  several_credentials: 'The request must carry one credential only.',
  downstream_sign_in: 'The user has to sign in again before this server can use an API on behalf of the user.',
  downstream_unavailable: 'An API behind this server cannot be used at the moment.',
};

/**
 * Turns a refusal into status, headers and body. Pure; the one mapping from {@link McpAuthError} to the wire.
 *
 * For a JSON-RPC request, the body is a JSON-RPC error that an MCP client can correlate; otherwise the error object of OAuth.
 * The body contains no challenge parameter that the header leaves out.
 *
 * @see RFC 6750 §3.1; MCP 2026-07-28, Authorization, "Error Handling"
 */
export function toRefusal(error: McpAuthError, context: RefusalContext): Refusal {
  const status = statusOf(error);
  const description = context.exposeErrorDetails
    ? `${descriptionOf(error)} Reason: ${error.message}.`
    : descriptionOf(error);
  const body = bodyOf(error, context, status, description);
  return { status, headers: headersOf(error, context, description), body, description };
}

/** Most scopes in the sentence, and the longest of them in characters. The challenge names all scopes. */
const MAX_SCOPES_NAMED = 10;
const MAX_SCOPE_LENGTH = 100;

/**
 * The sentence for the client. Many clients show their users nothing else, so it names the scopes that the token lacks. The
 * challenge names them, too.
 */
function descriptionOf({ code, reason, clientMessage, missingScopes }: McpAuthError): string {
  if (code === 'access_denied' && clientMessage !== undefined) return clientMessage;
  // A handler in JavaScript may name any reason.
  const ofReason = Object.hasOwn(DESCRIPTIONS_BY_REASON, reason) ? DESCRIPTIONS_BY_REASON[reason] : undefined;
  if (ofReason !== undefined) return ofReason;
  const isNamed = missingScopes.length > 0 && missingScopes.length <= MAX_SCOPES_NAMED;
  const isFit = missingScopes.every((scope) => isScopeToken(scope) && scope.length <= MAX_SCOPE_LENGTH);
  if (code !== 'insufficient_scope' || !isNamed || !isFit) return DESCRIPTIONS[code];
  return `${DESCRIPTIONS[code].slice(0, -1)}: ${missingScopes.join(' ')}.`;
}

/**
 * The challenges of a refusal, one for each scheme that the resource accepts; undefined if another token of the same caller
 * would not help. The first is for the scheme of the request, and it alone names the error: clients read the first value of each
 * parameter. Scopes and metadata are the same in all.
 */
export function challengeOf(
  error: McpAuthError,
  context: ChallengeContext,
  errorDescription: string = descriptionOf(error),
): string | undefined {
  const ofError = errorParameters(error, errorDescription);
  if (!ofError) return undefined;
  const common = { scopes: context.scopes(), resourceMetadata: context.resourceMetadata };
  return schemesOf(context, error.reason)
    .map((scheme, index) => ({ scheme, ...common, ...(index === 0 && ofError), ...algorithmsFor(scheme, context) }))
    .map(formatChallenge)
    .join(', ');
}

/** The accepted schemes, that of the request first; only those that would do if the refused token has no key. */
function schemesOf(
  { dpop, scheme, acceptsCertificates }: ChallengeContext,
  reason: McpAuthReason,
): AuthenticationScheme[] {
  if (!dpop) return ['Bearer'];
  const offersBearer = reason !== 'proof_required' || acceptsCertificates;
  if (dpop.mode === 'required' || !offersBearer) return ['DPoP'];
  return scheme === 'DPoP' ? ['DPoP', 'Bearer'] : ['Bearer', 'DPoP'];
}

function algorithmsFor(scheme: AuthenticationScheme, { dpop }: ChallengeContext): Pick<Challenge, 'algorithms'> {
  return scheme === 'DPoP' ? { algorithms: dpop?.algorithms } : {};
}

/** Whether a refusal has a challenge. */
export function hasChallenge(error: McpAuthError): boolean {
  return errorParameters(error, '') !== undefined;
}

/** The parameters that only the first challenge has; undefined if the refusal has no challenge. */
function errorParameters(error: McpAuthError, errorDescription: string): Partial<Challenge> | undefined {
  switch (error.code) {
    case 'authorization_required':
      return {};
    case 'invalid_request':
    case 'invalid_token':
    case 'invalid_dpop_proof':
    case 'use_dpop_nonce':
    case 'insufficient_scope':
      return { error: error.code, errorDescription };
    case 'insufficient_user_authentication':
      return {
        error: error.code,
        errorDescription,
        acrValues: error.authentication?.acr,
        maxAgeSeconds: error.authentication?.maxAgeSeconds,
      };
    case 'access_denied':
    case 'too_many_requests':
    case 'temporarily_unavailable':
    case 'origin_rejected':
    case 'header_mismatch':
    case 'batch_rejected':
    case 'body_not_parsed':
    case 'resource_not_found':
    case 'session_not_found':
    case 'task_not_found':
      return undefined;
  }
}

function headersOf(error: McpAuthError, context: RefusalContext, description: string): Record<string, string> {
  const challenge = challengeOf(error, context, description);
  return {
    'Cache-Control': 'no-store',
    ...(challenge !== undefined && {
      'WWW-Authenticate': challenge,
      // Without it, scripts of other origins cannot read the challenge (RFC 9449 §7.1 asks for the same).
      'Access-Control-Expose-Headers':
        context.nonce === undefined ? 'WWW-Authenticate' : 'WWW-Authenticate, DPoP-Nonce',
    }),
    ...(error.code === 'use_dpop_nonce' && context.nonce !== undefined && { 'DPoP-Nonce': context.nonce }),
    ...(error.retryAfterSeconds !== undefined && { 'Retry-After': String(Math.ceil(error.retryAfterSeconds)) }),
  };
}

function bodyOf(error: McpAuthError, context: RefusalContext, status: number, description: string): object {
  if (context.requestId !== undefined) {
    return { jsonrpc: '2.0', id: context.requestId, error: { code: rpcCode(error, status), message: description } };
  }
  // RFC 6750 §3.1: no error code for a request without credentials.
  if (error.code === 'authorization_required') return { error_description: description };
  return { error: error.code, error_description: description };
}

/** The HTTP status, unless MCP or JSON-RPC has a code of its own for the refusal. */
function rpcCode({ code }: McpAuthError, status: number): number {
  if (code === 'header_mismatch') return -32_020;
  if (code === 'task_not_found') return -32_602;
  return code === 'batch_rejected' ? -32_600 : status;
}
