import type { AuthenticationRequirement } from './authentication.js';
import { NotAskedError } from './not-asked-error.js';
import { REASONS, type McpAuthReason } from './refusal-reasons.js';
import { messageForClient, NOTHING_OBSERVED, quotedAll, type Observed } from './safe-text.js';

export type { McpAuthReason } from './refusal-reasons.js';

/**
 * What a refusal means on the wire:
 *
 * | code | status | challenge |
 * |---|---|---|
 * | `authorization_required` | 401 | without `error`: no usable credentials came (RFC 6750 §3.1) |
 * | `invalid_request` | 400 | `error="invalid_request"` |
 * | `invalid_token` | 401 | `error="invalid_token"` |
 * | `invalid_dpop_proof` | 401 | a DPoP challenge with `error="invalid_dpop_proof"` (RFC 9449 §7.1) |
 * | `use_dpop_nonce` | 401 | a DPoP challenge with the same code, and a header field `DPoP-Nonce` (RFC 9449 §9) |
 * | `insufficient_user_authentication` | 401 | the same code, with `acr_values` and `max_age` (RFC 9470) |
 * | `insufficient_scope` | 403 | `error="insufficient_scope"`, naming every scope the operation needs |
 * | `access_denied` | 403 | none: another token of this caller would not help |
 * | `too_many_requests` | 429 | none: the client sends more than this server remembers for one client (RFC 6585 §4) |
 * | `temporarily_unavailable` | 503 | none: the token may be valid, but this server cannot verify it |
 *
 * Requests that break a rule of the MCP transport on which authorization depends get an answer without a challenge:
 *
 * | code | status | |
 * |---|---|---|
 * | `origin_rejected` | 403 | the origin of the page, or the host name, is not allowed |
 * | `header_mismatch` | 400 | JSON-RPC error -32020: a header contradicts the body |
 * | `batch_rejected` | 400 | JSON-RPC error -32600: this protocol version has no batches, or the request names too much at once |
 * | `body_not_parsed` | 400 | the body was not parsed as JSON before the guard |
 * | `resource_not_found` | 404 | there is no such tenant, or no such resource; whatever the token |
 * | `session_not_found` | 404 | the session or event does not exist, or belongs to another principal |
 * | `task_not_found` | 200 | JSON-RPC error -32602, as MCP frameworks answer: the task does not exist, or belongs to another principal |
 */
export type McpAuthErrorCode =
  | 'authorization_required'
  | 'invalid_request'
  | 'invalid_token'
  | 'invalid_dpop_proof'
  | 'use_dpop_nonce'
  | 'insufficient_user_authentication'
  | 'insufficient_scope'
  | 'access_denied'
  | 'too_many_requests'
  | 'temporarily_unavailable'
  | 'origin_rejected'
  | 'header_mismatch'
  | 'batch_rejected'
  | 'body_not_parsed'
  | 'resource_not_found'
  | 'session_not_found'
  | 'task_not_found';

/** The HTTP status of each code, even if the client gets the refusal in another form. */
const STATUSES = {
  invalid_request: 400,
  header_mismatch: 400,
  batch_rejected: 400,
  body_not_parsed: 400,
  authorization_required: 401,
  invalid_token: 401,
  invalid_dpop_proof: 401,
  use_dpop_nonce: 401,
  insufficient_user_authentication: 401,
  insufficient_scope: 403,
  access_denied: 403,
  origin_rejected: 403,
  resource_not_found: 404,
  session_not_found: 404,
  too_many_requests: 429,
  temporarily_unavailable: 503,
  // As MCP frameworks answer: after 404, a client gives up its session.
  task_not_found: 200,
} as const satisfies Readonly<Record<McpAuthErrorCode, number>>;

/** The HTTP statuses of refusals. */
export type RefusalStatus = (typeof STATUSES)[McpAuthErrorCode];

/** The HTTP status of a refusal. */
export function statusOf({ code }: Pick<McpAuthError, 'code'>): RefusalStatus {
  return STATUSES[code];
}

/** The arguments of {@link McpAuthError}, besides code and reason. */
export interface McpAuthErrorDetails {
  /** Every scope that the refused operation needs, granted or not. */
  readonly scopes?: readonly string[];
  /** Those that the token lacks, as far as known; the client gets them. */
  readonly missingScopes?: readonly string[];
  /** How the user must have signed in; only with `insufficient_user_authentication`. */
  readonly authentication?: AuthenticationRequirement;
  /** Seconds after which the client should retry; only with `temporarily_unavailable` and `too_many_requests`. */
  readonly retryAfterSeconds?: number;
  /** What the client is told instead of the sentence of the code; only with `access_denied`. Shortened, on one line. */
  readonly clientMessage?: string | undefined;
  /** The error behind the refusal; for logs only, never sent. */
  readonly cause?: unknown;
  /** The observed values behind the refusal, by name; for logs only, never sent. Must not contain secrets. */
  readonly seen?: Readonly<Record<string, unknown>>;
}

/** The origin that a refused token claims; for the operator only. */
export interface TokenOrigin {
  /** A trusted issuer. The origin of other tokens is unknown. */
  readonly issuer: string;
  readonly clientId: string | undefined;
  /**
   * Whether the claim was verified. If false, the token was refused before its signature was verified: anyone can write
   * such a token.
   */
  readonly isVerified: boolean;
  /** Whether the token is opaque: the issuer is then the one that introspects such tokens. */
  readonly isOpaque?: boolean | undefined;
}

/**
 * Marks the error for other copies of this package. Its number changes with the members from which answers are made.
 */
const BRAND = Symbol.for('nestjs-mcp-auth:error:1');

/**
 * A refused request. Its `message` is the sentence of its reason. It contains nothing from the request: neither the
 * token nor a claim.
 */
export class McpAuthError extends Error {
  /**
   * Also true for errors of another copy of this package in the same process, because Nest chooses exception filters by
   * `instanceof`.
   */
  static override [Symbol.hasInstance](value: unknown): boolean {
    if (this !== McpAuthError) return Function.prototype[Symbol.hasInstance].call(this, value);
    return typeof value === 'object' && value !== null && BRAND in value;
  }

  /** Distinguishes it from other errors; the same in every copy of this package. */
  override readonly name = 'McpAuthError';
  /** Every scope that the refused operation needs, granted or not; empty if scopes were not the reason. */
  readonly scopes: readonly string[];
  /** Those that the token lacks; all of them if that is unknown. */
  readonly missingScopes: readonly string[];
  /** How the user must have signed in (RFC 9470 §3); only with `insufficient_user_authentication`. */
  readonly authentication: AuthenticationRequirement | undefined;
  /** Seconds after which the client should retry; only with `temporarily_unavailable` and `too_many_requests`. */
  readonly retryAfterSeconds: number | undefined;
  /** What the client is told instead of the sentence of the code; only with `access_denied`. */
  readonly clientMessage: string | undefined;
  // Private: printing or serialising the error must not show them to a client.
  #seen: Observed;
  #origin: TokenOrigin | undefined;

  /** For handlers: refuses a call that needs these scopes. Name all scopes of the call: then one step-up is enough. */
  static insufficientScope(...scopes: [string, ...string[]]): McpAuthError {
    return new McpAuthError('insufficient_scope', 'scope_missing', { scopes });
  }

  /**
   * For handlers: a service behind this one no longer accepts its credentials for the caller, such as an exchanged
   * token. The client gets `401 invalid_token`, and signs in again.
   */
  static upstreamRejected(cause?: unknown): McpAuthError {
    return new McpAuthError('invalid_token', 'upstream_rejected', { cause });
  }

  constructor(
    /** The error code for the client. */
    readonly code: McpAuthErrorCode,
    /** The reason for the operator. */
    readonly reason: McpAuthReason,
    details: McpAuthErrorDetails = {},
  ) {
    super(REASONS[reason], details.cause === undefined ? undefined : { cause: details.cause });
    this.scopes = details.scopes ?? [];
    this.missingScopes = details.missingScopes ?? this.scopes;
    this.authentication = details.authentication;
    this.retryAfterSeconds = details.retryAfterSeconds;
    this.clientMessage = messageForClient(details.clientMessage ?? '') || undefined;
    // Not enumerable: printing the error does not show it.
    Object.defineProperty(this, BRAND, { value: true });
    this.#seen = details.seen ? quotedAll(details.seen) : NOTHING_OBSERVED;
  }

  /** The observed values behind the refusal: bounded, quoted, on one line; for the operator only. */
  get seen(): Observed {
    return this.#seen;
  }

  /** The origin that the refused token claims, if known; for the operator only. */
  get origin(): TokenOrigin | undefined {
    return this.#origin;
  }

  /**
   * Adds what only the code that read the token knows. Do not call it on errors of the application, which may throw the
   * same error for several requests.
   *
   * @internal
   */
  explain(seen: Readonly<Record<string, unknown>>, origin: TokenOrigin | undefined): this {
    this.#seen = Object.freeze({ ...quotedAll(seen), ...this.#seen });
    this.#origin ??= origin;
    return this;
  }
}

/** An {@link McpAuthError} for a bad token: 401, never 403 or 503. */
export function invalidToken(reason: McpAuthReason, cause?: unknown, seen?: McpAuthErrorDetails['seen']): McpAuthError {
  return new McpAuthError('invalid_token', reason, { cause, ...(seen && { seen }) });
}

/** After how many seconds a client may try again, if the cause does not say it. */
const RETRY_AFTER_SECONDS = 5;

/** An {@link McpAuthError} that nobody can judge the token now: 503, with the time to wait that the cause states. */
export function unavailable(reason: McpAuthReason, cause: unknown): McpAuthError {
  const retryAfterSeconds = cause instanceof NotAskedError ? cause.retryAfterSeconds : RETRY_AFTER_SECONDS;
  return new McpAuthError('temporarily_unavailable', reason, { cause, retryAfterSeconds });
}

/** One thing that is wrong with the configuration. */
export interface ConfigProblem {
  /** Name of the option, such as `scopes.required[1]`, or of the environment variable. */
  readonly option: string;
  /** The value, shortened. */
  readonly seen: string;
  /** Why it is refused. */
  readonly why: string;
  /** What to write instead. */
  readonly write: string;
}

/**
 * The configuration is invalid, so the application does not start. Lists every problem, each with the value, why it is
 * refused, and what to write instead.
 */
export class McpAuthConfigError extends Error {
  /** Distinguishes it from other errors. */
  override readonly name = 'McpAuthConfigError';

  constructor(
    /** Every problem, in the order of the options; at least one. */
    readonly problems: readonly ConfigProblem[],
  ) {
    const count = problems.length === 1 ? 'one problem' : `${problems.length} problems`;
    const lines = problems.map(({ option, seen, why, write }) => `  - ${option}: saw ${seen}; ${why}. ${write}`);
    super(`The configuration of McpAuthModule has ${count}:\n${lines.join('\n')}`);
  }
}
