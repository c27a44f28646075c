import type { CallEnd } from '../core/call-outcome.js';
import type { SharedStoreOption } from '../shared-state/store-reports.js';
import type { ArgumentsOmitted } from './redacted-arguments.js';
import type { OperationKind } from '../request/rpc-body.js';
import type { ResourceVariables } from '../core/resource-template.js';
import type { McpAuthErrorCode, McpAuthReason } from '../core/error.js';

/**
 * The members of every event. Events are plain, frozen data. They contain no token, no secret, and no claim besides the
 * named ones.
 *
 * Text that clients choose (names of operations, the client of an unverified token) is shortened, but otherwise as
 * sent: escape it when you print it, and do not use it as a label of metrics.
 */
interface EventBase {
  /** Milliseconds since the epoch. */
  readonly time: number;
}

/** A JSON-RPC message of an MCP request. */
export interface McpMessageFacts {
  /** The method, as sent; undefined for a response to a request of the server. */
  readonly method: string | undefined;
  /** What the message uses, such as a tool; of several, the first. Undefined for a message that uses nothing. */
  readonly kind: OperationKind | undefined;
  /** Name of the tool or prompt, URI or URI template, as sent; undefined for a message that uses nothing. */
  readonly name: string | undefined;
  /**
   * Whether a handler or the option `scopes.operations` declares this tool, prompt or template. Only then is `name` suitable
   * as a label of metrics. Always false for a URI, and for tools of the official SDK that nothing declares.
   */
  readonly isDeclared: boolean;
  /**
   * The arguments that the option `eventArguments` lets through. Without that option, and in `refused` and `session-refused`,
   * events have no such member.
   */
  readonly arguments?: unknown;
  /**
   * Why there are no arguments although the option is set: they are longer than 4,096 characters as JSON; JSON cannot express
   * what the function returned; or the function threw.
   */
  readonly argumentsOmitted?: ArgumentsOmitted;
}

/** The trace of a request, to find its spans. */
export interface TraceFacts {
  /** The trace, 32 hexadecimal digits; undefined if none is known. */
  readonly traceId: string | undefined;
  /** The span, 16 hexadecimal digits: that of this server, or that of the client, as `traceSource` says. */
  readonly spanId: string | undefined;
  /**
   * Where both come from: the `active-span` of OpenTelemetry, if `nestjs-mcp-auth/opentelemetry` is in use; or else what the
   * client sent as `traceparent`, in `_meta` of its `message` (SEP-414), or in the `header`. Clients choose the last two, and
   * OpenTelemetry may take `traceId` from them: use them to find spans, and for nothing else.
   */
  readonly traceSource: 'active-span' | 'message' | 'header' | undefined;
}

/** The members of every event about a request. */
interface RequestFacts extends EventBase, TraceFacts {
  /** The `id` of the protected resource. All tenants of a resource have one. */
  readonly resource: string;
  /**
   * The values of the variables in the option `resource`, which name the tenant; no member for a resource without variables. Do
   * not use them as labels of metrics: there may be many tenants.
   */
  readonly resourceVariables?: ResourceVariables;
  /**
   * The operations of the request: `tools/call add-note` for each message of an MCP request, at most twenty; `GET
   * /notes`, without the query, for other routes; `NotesResolver.notes` for GraphQL resolvers and message handlers.
   */
  readonly operations: readonly string[];
  /** The messages of an MCP request, at most twenty; empty for other routes and handlers. */
  readonly messages: readonly McpMessageFacts[];
}

/** A decision of the guard. */
interface DecisionFacts extends RequestFacts {
  /**
   * Milliseconds that the decision took, by a clock that never goes back. Undefined if there was no listener when it began,
   * and for a refusal that a handler threw.
   */
  readonly durationMs: number | undefined;
}

/** A verified caller. */
interface CallerFacts {
  /** The issuer of the token, exactly as configured; for another credential, `credential:` and its name. */
  readonly issuer: string;
  /** The client ID of the token; empty if the token names no client. */
  readonly clientId: string;
  /**
   * Identifies the user, or the client if there is no user: `McpAuthInfo.principalKey`, a hash of issuer and subject.
   */
  readonly principalKey: string;
  /** The granted scopes, without implied ones. */
  readonly scopes: readonly string[];
}

/** A request was admitted with this caller. The check at its handler may still refuse it. */
export interface AuthenticatedEvent extends DecisionFacts, CallerFacts {
  /** Discriminates the event types. */
  readonly type: 'authenticated';
}

/** A request was admitted without a caller (`allowAnonymous`). */
export interface AnonymousEvent extends DecisionFacts {
  /** Discriminates the event types. */
  readonly type: 'anonymous';
}

/**
 * An admitted request has ended: its answer was sent, or its connection closed. Emitted only if there was a listener when the
 * request was admitted, and not for handlers outside HTTP routes and MCP.
 */
export interface CompletedEvent extends RequestFacts, Partial<CallerFacts>, CallEnd {
  /** Discriminates the event types. */
  readonly type: 'completed';
  /** Milliseconds from the first check of the guard to the end of the answer, by a clock that never goes back. */
  readonly durationMs: number;
}

/** A request, or the call of a handler, was refused. */
export interface RefusedEvent extends DecisionFacts {
  /** Discriminates the event types. */
  readonly type: 'refused';
  /** The error code that the client got. */
  readonly code: McpAuthErrorCode;
  /** The reason, which the client does not get. A closed list: suitable as a label of metrics. */
  readonly reason: McpAuthReason;
  /** The HTTP status of the code, even if the answer is a tool result. */
  readonly status: number;
  /** The issuer of the token, if it is trusted; otherwise undefined. */
  readonly issuer: string | undefined;
  /** The client that the token names, verified or not (see `isVerified`); undefined if there is none. */
  readonly clientId: string | undefined;
  /** Only if the caller was verified; otherwise undefined. */
  readonly principalKey: string | undefined;
  /**
   * Whether issuer and client were verified. If false, the token was refused before its signature was verified: anyone
   * can write such a token.
   */
  readonly isVerified: boolean;
  /** All scopes that the request needs, granted or not, as far as known. */
  readonly scopesNeeded: readonly string[];
}

/**
 * A caller who lacked scopes returned with them and was admitted: the user gave consent. Follows the `authenticated`
 * event of the same request.
 */
export interface StepUpEvent extends RequestFacts, CallerFacts {
  /** Discriminates the event types. */
  readonly type: 'step-up';
  /** The scopes that the refused request needed. */
  readonly scopesNeeded: readonly string[];
  /** Milliseconds since the caller was refused. */
  readonly afterMs: number;
}

/**
 * A request named a session that does not exist, or belongs to another principal. Follows the `refused` event of the
 * same request.
 */
export interface SessionRefusedEvent extends RequestFacts {
  /** Discriminates the event types. */
  readonly type: 'session-refused';
  /** Which of the two; the client gets the same answer for both. */
  readonly reason: 'session_unknown' | 'session_of_another';
  /** The caller; undefined for an anonymous one. */
  readonly principalKey: string | undefined;
  /** The client of the caller; undefined for an anonymous one. */
  readonly clientId: string | undefined;
}

/** The keys of an issuer were fetched. */
export interface KeysRefreshedEvent extends EventBase {
  /** Discriminates the event types. */
  readonly type: 'keys-refreshed';
  /** The issuer of the keys. */
  readonly issuer: string;
  /** Number of keys that the issuer publishes. */
  readonly keys: number;
  /** Number of these keys that are new since the last fetch. */
  readonly added: number;
  /** Number of keys of the last fetch that the issuer no longer publishes. */
  readonly removed: number;
}

/** A part of an authorization server that can become unreachable. */
export type IssuerPart = 'metadata' | 'keys' | 'introspection';

/** A part of an issuer became unreachable. Emitted once per outage. */
export interface IssuerUnreachableEvent extends EventBase {
  /** Discriminates the event types. */
  readonly type: 'issuer-unreachable';
  /** As configured, or as `trustedIssuer` found it. */
  readonly issuer: string;
  /** The unreachable part. */
  readonly what: IssuerPart;
  /** The request, and its error. */
  readonly error: string;
}

/** A part of an issuer is reachable again. */
export interface IssuerRecoveredEvent extends EventBase {
  /** Discriminates the event types. */
  readonly type: 'issuer-recovered';
  /** As configured, or as `trustedIssuer` found it. */
  readonly issuer: string;
  /** The part that was unreachable. */
  readonly what: IssuerPart;
  /** Milliseconds since the first failure. */
  readonly afterMs: number;
}

/**
 * Tokens were revoked in this process, by `McpAuthRevocations` or by a logout token. Replicas that learn of it from the store emit
 * no event.
 */
export interface RevokedEvent extends EventBase {
  /** Discriminates the event types. */
  readonly type: 'revoked';
  /** What was revoked. */
  readonly what: 'principal' | 'session' | 'token' | 'client';
  /** The issuer of the tokens; undefined for a principal that was named by its key. */
  readonly issuer: string | undefined;
  /** Who asked for it: the application, or the authorization server with a logout token. */
  readonly by: 'application' | 'logout';
}

/** A store of the application, which replicas may share, no longer answers as it should. Emitted once per outage. */
export interface StoreUnreachableEvent extends EventBase {
  /** Discriminates the event types. */
  readonly type: 'store-unreachable';
  /** The option that sets the store. */
  readonly store: SharedStoreOption;
  /** The error of the store. */
  readonly error: string;
}

/** A store of the application answers again. */
export interface StoreRecoveredEvent extends EventBase {
  /** Discriminates the event types. */
  readonly type: 'store-recovered';
  /** The option that sets the store. */
  readonly store: SharedStoreOption;
  /** Milliseconds since the first failure. */
  readonly afterMs: number;
}

/** A token for an API behind this server was requested at an authorization server. A token that is used again causes none. */
export interface TokenRequestedEvent extends EventBase {
  /** Discriminates the event types. */
  readonly type: 'token-requested';
  /** The name of the API in the option `downstream`. */
  readonly downstream: string;
  /** The authorization server. */
  readonly issuer: string;
  /**
   * `issued`; or what the failure means: the token of the caller no longer counts (`subject`), the user has to do something
   * (`interaction`), the caller lacks scopes (`scope`) or is refused (`denied`), the server gave no usable answer (`outage`), or the
   * configuration is wrong (`operator`). A closed list: suitable as a label of metrics.
   */
  readonly outcome: 'issued' | 'subject' | 'interaction' | 'scope' | 'denied' | 'outage' | 'operator';
  /** Milliseconds until the answer, by a clock that never goes back. */
  readonly durationMs: number;
  /** The caller for whom it was requested; undefined if this server acts for itself. */
  readonly principalKey: string | undefined;
  /** The client of the caller; undefined if this server acts for itself. */
  readonly clientId: string | undefined;
}

/** Every authorization event, discriminated by `type`. Later versions may add types and members. */
export type McpAuthEvent =
  | AuthenticatedEvent
  | AnonymousEvent
  | CompletedEvent
  | RefusedEvent
  | StepUpEvent
  | SessionRefusedEvent
  | KeysRefreshedEvent
  | IssuerUnreachableEvent
  | IssuerRecoveredEvent
  | TokenRequestedEvent
  | RevokedEvent
  | StoreUnreachableEvent
  | StoreRecoveredEvent;
