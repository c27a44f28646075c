import { Injectable } from '@nestjs/common';
import type { CallEnd } from '../core/call-outcome.js';
import { statusOf, type McpAuthError } from '../core/error.js';
import { readRpcBody, type Operation, type RpcBody } from '../request/rpc-body.js';
import { messageFacts, operationNames, shortened } from './request-summary.js';
import { AccessRequirements } from '../authorization/access-requirements.js';
import type { McpMessageFacts, TraceFacts } from './event-types.js';
import { spanInHeader, spanInMessage } from '../request/trace-context.js';
import type { AccessRequest } from '../authorization/access-request.js';
import type { RefusedRequest } from '../authorization/refused-requests.js';
import { Clock } from '../core/clock.js';
import type { HttpRequest } from '../request/http-message.js';
import { ResolvedOptions } from '../options/options.js';
import { redactedArguments, type ArgumentFacts } from './redacted-arguments.js';
import { AuthEventEmitter } from './event-emitter.js';
import type { ResourceVariables } from '../core/resource-template.js';
import type { ResolvedResource } from '../options/resource-options.js';
import type { McpAuthInfo } from '../core/auth-info.js';
import { RefusalLog, type RefusalRecord } from './refusal-log.js';
import { isQuestion } from '../request/start-question.js';
import { StepUps } from './step-ups.js';

/** Records the decisions about requests in the operator's log and as events. */
@Injectable()
export class DecisionRecorder {
  readonly #stepUps = new StepUps();
  /** What the events about an admitted request have in common. */
  readonly #facts = new WeakMap<AccessRequest, RequestFacts>();
  /** The requests of admitted callers, whom each request has for itself: the handler of a call may refuse it later. */
  readonly #requests = new WeakMap<McpAuthInfo, HttpRequest>();

  constructor(
    private readonly events: AuthEventEmitter,
    private readonly log: RefusalLog,
    private readonly clock: Clock,
    private readonly requirements: AccessRequirements,
    private readonly options: ResolvedOptions,
  ) {}

  /** The decision about a request begins. Does nothing without listeners. */
  recordStart(access: AccessRequest): void {
    if (this.events.areDecisionsHeard) access.startedAt = this.clock.monotonic();
  }

  /** The function to call when an admitted request has ended; undefined without listeners. */
  completionOf(request: HttpRequest, access: AccessRequest): ((end: CallEnd) => void) | undefined {
    if (!this.events.hasListeners('completed')) return undefined;
    const { caller, startedAt = this.clock.monotonic() } = access;
    const facts = { ...this.#factsOf(request, access), ...(caller && callerFacts(caller)) };
    return (end) =>
      this.events.emit({ type: 'completed', ...facts, ...end, durationMs: this.clock.monotonic() - startedAt });
  }

  /** A request was admitted. Does nothing without listeners. */
  recordAdmitted(request: HttpRequest, access: AccessRequest): void {
    const { events } = this;
    const { caller } = access;
    const type = caller ? 'authenticated' : 'anonymous';
    if (events.hasListeners(type)) {
      const facts = { ...this.#factsOf(request, access), durationMs: this.#durationOf(access) };
      if (caller) events.emit({ type: 'authenticated', ...facts, ...callerFacts(caller) });
      else events.emit({ type: 'anonymous', ...facts });
    }
    if (caller && events.hasListeners('refused')) this.#requests.set(caller, request);
    if (caller && events.hasListeners('step-up')) this.#steppedUp(request, access, caller);
    // A handler that refuses later did not take this decision.
    access.startedAt = undefined;
  }

  /** A request was refused, by the guard or by its handler. */
  recordRefusedRequest(error: McpAuthError, request: HttpRequest, refused: RefusedRequest): void {
    if (!isQuestion(request)) this.#take(error, refused, sentIn(request, refused.body));
  }

  /** A call was refused at the handler of an MCP operation. */
  recordRefusedCall(error: McpAuthError, rpcContext: unknown, refused: RefusedRequest): void {
    const message = messageOf(rpcContext);
    const body = readRpcBody(message);
    const request = refused.caller && this.#requests.get(refused.caller);
    this.#take(error, refused, { operations: operationNames(undefined, body), body, message, request });
  }

  /** A call of a handler outside of HTTP routes and MCP was refused. */
  recordRefusedHandler(error: McpAuthError, name: string | undefined, refused: RefusedRequest): void {
    this.#take(error, refused, { operations: name === undefined ? [] : [name], body: refused.body });
  }

  #take(error: McpAuthError, refused: RefusedRequest, sent: Sent): void {
    const { caller, resource } = refused;
    const scopes = error.scopes.length > 0 ? error.scopes : refused.scopes;
    const record = { error, resource, operations: sent.operations, caller, scopes };
    this.log.write(record);
    if (this.events.hasListeners('refused')) this.#tellRefused(record, sent, this.#durationOf(refused));
    if (error.code === 'session_not_found' && this.events.hasListeners('session-refused'))
      this.#tellSessionRefused(record, sent);
    if (caller && error.code === 'insufficient_scope' && this.events.hasListeners('step-up')) {
      this.#stepUps.note(caller, [...scopes], this.clock.now());
    }
  }

  #tellRefused(record: RefusalRecord, sent: Sent, durationMs: number | undefined): void {
    const { error, resource, caller, scopes } = record;
    const { code, reason, origin } = error;
    const clientId = (caller ?? origin)?.clientId;
    this.events.emit({
      type: 'refused',
      code,
      reason,
      status: statusOf(error),
      ...this.#requestFacts(sent, resource),
      durationMs,
      issuer: (caller ?? origin)?.issuer,
      clientId: clientId === undefined ? undefined : shortened(clientId),
      principalKey: caller?.principalKey,
      isVerified: caller !== undefined || origin?.isVerified === true,
      scopesNeeded: [...scopes],
    });
  }

  #tellSessionRefused({ error: { reason }, resource, caller }: RefusalRecord, sent: Sent): void {
    if (reason !== 'session_unknown' && reason !== 'session_of_another') return;
    const { principalKey, clientId } = caller ?? {};
    const facts = this.#requestFacts(sent, resource);
    this.events.emit({ type: 'session-refused', reason, ...facts, principalKey, clientId });
  }

  #steppedUp(request: HttpRequest, access: AccessRequest, caller: McpAuthInfo): void {
    const now = this.clock.now();
    const refused = this.#stepUps.take(caller, access.server.hierarchy, now);
    if (!refused) return;
    this.events.emit({
      type: 'step-up',
      ...this.#factsOf(request, access),
      ...callerFacts(caller),
      scopesNeeded: refused.scopes,
      afterMs: now - refused.at,
    });
  }

  #factsOf(request: HttpRequest, access: AccessRequest): RequestFacts {
    const known = this.#facts.get(access);
    if (known) return known;
    const { eventArguments: redact } = this.options;
    const tell = redact && ((operation: Operation) => redactedArguments(operation, redact, access.caller?.token));
    const facts = this.#requestFacts(sentIn(request, access.body), access.server.resource, tell);
    this.#facts.set(access, facts);
    return facts;
  }

  #requestFacts(
    { operations, body, message, request }: Sent,
    resource: ResolvedResource,
    argumentsOf: (operation: Operation) => ArgumentFacts = () => ({}),
  ): RequestFacts {
    const messages = messageFacts(body, (operation) => ({
      isDeclared: this.requirements.isDeclared(operation, resource.id),
      ...argumentsOf(operation),
    }));
    const { id, tenant } = resource;
    const ofTenant = tenant && { resourceVariables: tenant.variables };
    return { resource: id, ...ofTenant, operations, messages, ...this.#traceOf(message, request) };
  }

  /** The span of this server is better to find than that of the client, and a message is more exact than its transport. */
  #traceOf(message: unknown, request: HttpRequest | undefined): TraceFacts {
    const active = this.events.activeSpan();
    if (active) return { ...active, traceSource: 'active-span' };
    const inMessage = spanInMessage(message);
    if (inMessage) return { ...inMessage, traceSource: 'message' };
    const inHeader = request && spanInHeader(request);
    if (inHeader) return { ...inHeader, traceSource: 'header' };
    return NO_TRACE;
  }

  /** Milliseconds since the decision began. */
  #durationOf({ startedAt }: { readonly startedAt?: number | undefined }): number | undefined {
    return startedAt === undefined ? undefined : this.clock.monotonic() - startedAt;
  }
}

/** The members that events about a request have in common. */
interface RequestFacts extends TraceFacts {
  readonly resource: string;
  readonly resourceVariables?: ResourceVariables;
  readonly operations: string[];
  readonly messages: McpMessageFacts[];
}

/** What a client sent, for events. */
interface Sent {
  readonly operations: string[];
  readonly body: RpcBody;
  /** The MCP message, parsed; anything else for other requests. */
  readonly message?: unknown;
  /** Undefined for a call without an HTTP request. */
  readonly request?: HttpRequest | undefined;
}

const NO_TRACE: TraceFacts = { traceId: undefined, spanId: undefined, traceSource: undefined };

function sentIn(request: HttpRequest, body: RpcBody): Sent {
  return { operations: operationNames(request, body), body, message: request.body, request };
}

function callerFacts({ issuer, clientId, principalKey, scopes }: McpAuthInfo) {
  return { issuer, clientId, principalKey, scopes: [...scopes] };
}

/**
 * The message that `@rekog/mcp-nest` and the bridge of `nestjs-mcp-auth/sdk` pass to a handler; undefined if there is none.
 */
function messageOf(rpcContext: unknown): object | undefined {
  const { mcpRequest } = (rpcContext ?? {}) as { mcpRequest?: object };
  return mcpRequest && { ...mcpRequest, jsonrpc: '2.0' };
}
