import type { McpAuthErrorCode, McpAuthReason } from '../core/error.js';

/**
 * What every event has. Events are plain, frozen data, and hold no token, no secret, and no claim besides those named.
 *
 * Text that clients choose (names of operations, the client of a token that was not verified) is shortened, and otherwise as
 * it was sent: escape it where you print it, and do not make labels of metrics from it.
 */
interface EventBase {
  /** Milliseconds since the epoch. */
  readonly time: number;
}

/** What an event about a request says of it. */
interface RequestFacts extends EventBase {
  /** The `id` of the protected resource. */
  readonly resource: string;
  /**
   * What was asked for: `tools/call add-note` for each message of an MCP request, twenty at most; `GET /notes`, without the
   * query, for other routes; `NotesResolver.notes` for GraphQL resolvers and handlers of messages.
   */
  readonly operations: readonly string[];
}

/** A verified caller. */
interface CallerFacts {
  /** Who issued the token, exactly as configured. */
  readonly issuer: string;
  /** Empty where the token names none. */
  readonly clientId: string;
  /** Stands for the user, or for the client where there is none: `McpAuthInfo.principalKey`, a hash of issuer and subject. */
  readonly principalKey: string;
  /** As granted; implied scopes are not added. */
  readonly scopes: readonly string[];
}

/** A request was let in, with this caller. What happens at its handler may still be refused. */
export interface AuthenticatedEvent extends RequestFacts, CallerFacts {
  /** Tells it from other events. */
  readonly type: 'authenticated';
}

/** A request was let in without a caller, by `allowAnonymous`. */
export interface AnonymousEvent extends RequestFacts {
  /** Tells it from other events. */
  readonly type: 'anonymous';
}

/** A request, or the call of a handler, was refused. */
export interface RefusedEvent extends RequestFacts {
  /** Tells it from other events. */
  readonly type: 'refused';
  /** What the client was told. */
  readonly code: McpAuthErrorCode;
  /** What the client was not told; one of a closed list, so that it can be a label of metrics. */
  readonly reason: McpAuthReason;
  /** The HTTP status that stands for the code, also where the answer is a tool result. */
  readonly status: number;
  /** A trusted one; undefined where it is not known whose token it is. */
  readonly issuer: string | undefined;
  /** The client that the token names, verified or not, see `isVerified`; undefined where there is none. */
  readonly clientId: string | undefined;
  /** Only where the caller was verified. */
  readonly principalKey: string | undefined;
  /**
   * Whether issuer and client were verified. If not, the token was refused before its signature was looked at: anybody can
   * write one with their names.
   */
  readonly isVerified: boolean;
  /** All scopes that the request needs, held or not, as far as that is known. */
  readonly scopesNeeded: readonly string[];
}

/** A caller who lacked scopes came back with them, and was let in: consent was given. Comes after its `authenticated`. */
export interface StepUpEvent extends RequestFacts, CallerFacts {
  /** Tells it from other events. */
  readonly type: 'step-up';
  /** What was asked for. */
  readonly scopesNeeded: readonly string[];
  /** Milliseconds since the caller was refused. */
  readonly afterMs: number;
}

/** A session that does not exist, or belongs to somebody else, was asked for. Comes after its `refused`. */
export interface SessionRefusedEvent extends RequestFacts {
  /** Tells it from other events. */
  readonly type: 'session-refused';
  /** Which of the two it was; the client is told the same. */
  readonly reason: 'session_unknown' | 'session_of_another';
  /** Who asked; undefined for an anonymous caller. */
  readonly principalKey: string | undefined;
  /** The client that asked; undefined for an anonymous caller. */
  readonly clientId: string | undefined;
}

/** The keys of an issuer were fetched. */
export interface KeysRefreshedEvent extends EventBase {
  /** Tells it from other events. */
  readonly type: 'keys-refreshed';
  /** Whose keys they are. */
  readonly issuer: string;
  /** How many keys it publishes. */
  readonly keys: number;
  /** How many of them were not there the last time. */
  readonly added: number;
  /** How many of the last time are not there any more. */
  readonly removed: number;
}

/** What of an issuer cannot be had. */
export type IssuerPart = 'metadata' | 'keys' | 'introspection';

/** Something of an issuer cannot be had any more. Once, until it can. */
export interface IssuerUnreachableEvent extends EventBase {
  /** Tells it from other events. */
  readonly type: 'issuer-unreachable';
  /** As configured, or as `trustedIssuer` found it. */
  readonly issuer: string;
  /** What of it. */
  readonly what: IssuerPart;
  /** What was tried, and what came of it. */
  readonly error: string;
}

/** What could not be had of an issuer can be had again. */
export interface IssuerRecoveredEvent extends EventBase {
  /** Tells it from other events. */
  readonly type: 'issuer-recovered';
  /** As configured, or as `trustedIssuer` found it. */
  readonly issuer: string;
  /** What of it. */
  readonly what: IssuerPart;
  /** Milliseconds since it was first noticed. */
  readonly afterMs: number;
}

/** What happens to do with authorization, told apart by `type`. Later versions may add types and members. */
export type McpAuthEvent =
  | AuthenticatedEvent
  | AnonymousEvent
  | RefusedEvent
  | StepUpEvent
  | SessionRefusedEvent
  | KeysRefreshedEvent
  | IssuerUnreachableEvent
  | IssuerRecoveredEvent;
