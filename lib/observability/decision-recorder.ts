import { Injectable } from '@nestjs/common';
import type { CallEnd } from '../core/call-outcome.js';
import { statusOf, type McpAuthError } from '../core/error.js';
import { readRpcBody, type RpcBody } from '../request/rpc-body.js';
import { messageFacts, operationNames, shortened } from './request-summary.js';
import { AccessRequirements } from '../authorization/access-requirements.js';
import type { McpMessageFacts } from './event-types.js';
import type { AccessRequest } from '../authorization/access-request.js';
import type { RefusedRequest } from '../authorization/refused-requests.js';
import { Clock } from '../core/clock.js';
import type { HttpRequest } from '../request/http-message.js';
import { AuthEventEmitter } from './event-emitter.js';
import type { McpAuthInfo } from '../core/auth-info.js';
import { RefusalLog, type RefusalRecord } from './refusal-log.js';
import { isQuestion } from '../request/start-question.js';
import { StepUps } from './step-ups.js';

/** The decisions whose duration somebody may want to know. */
const DECISIONS = ['authenticated', 'anonymous', 'refused', 'completed'] as const;

/** Records the decisions about requests in the operator's log and as events. */
@Injectable()
export class DecisionRecorder {
  readonly #stepUps = new StepUps();
  /** What the events about an admitted request have in common. */
  readonly #facts = new WeakMap<AccessRequest, RequestFacts>();

  constructor(
    private readonly events: AuthEventEmitter,
    private readonly log: RefusalLog,
    private readonly clock: Clock,
    private readonly requirements: AccessRequirements,
  ) {}

  /** The decision about a request begins. Does nothing without listeners. */
  recordStart(access: AccessRequest): void {
    if (DECISIONS.some((type) => this.events.hasListeners(type))) access.startedAt = this.clock.monotonic();
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
    if (caller && events.hasListeners('step-up')) this.#steppedUp(request, access, caller);
    // A handler that refuses later did not take this decision.
    access.startedAt = undefined;
  }

  /** A request was refused, by the guard or by its handler. */
  recordRefusedRequest(error: McpAuthError, request: HttpRequest, refused: RefusedRequest): void {
    if (!isQuestion(request)) this.#take(error, refused, operationNames(request, refused.body), refused.body);
  }

  /** A call was refused at the handler of an MCP operation. */
  recordRefusedCall(error: McpAuthError, rpcContext: unknown, refused: RefusedRequest): void {
    const body = rpcBodyOf(rpcContext);
    this.#take(error, refused, operationNames(undefined, body), body);
  }

  /** A call of a handler outside of HTTP routes and MCP was refused. */
  recordRefusedHandler(error: McpAuthError, name: string | undefined, refused: RefusedRequest): void {
    this.#take(error, refused, name === undefined ? [] : [name], refused.body);
  }

  #take(error: McpAuthError, refused: RefusedRequest, operations: string[], body: RpcBody): void {
    const { caller, resource } = refused;
    const scopes = error.scopes.length > 0 ? error.scopes : refused.scopes;
    const record = { error, resource, operations, caller, scopes };
    this.log.write(record);
    if (this.events.hasListeners('refused')) this.#tellRefused(record, body, this.#durationOf(refused));
    if (error.code === 'session_not_found' && this.events.hasListeners('session-refused'))
      this.#tellSessionRefused(record, body);
    if (caller && error.code === 'insufficient_scope' && this.events.hasListeners('step-up')) {
      this.#stepUps.note(caller, [...scopes], this.clock.now());
    }
  }

  #tellRefused(record: RefusalRecord, body: RpcBody, durationMs: number | undefined): void {
    const { error, resource, operations, caller, scopes } = record;
    const { code, reason, origin } = error;
    const clientId = (caller ?? origin)?.clientId;
    this.events.emit({
      type: 'refused',
      code,
      reason,
      status: statusOf(error),
      resource: resource.id,
      operations,
      messages: this.#messagesIn(body, resource.id),
      durationMs,
      issuer: (caller ?? origin)?.issuer,
      clientId: clientId === undefined ? undefined : shortened(clientId),
      principalKey: caller?.principalKey,
      isVerified: caller !== undefined || origin?.isVerified === true,
      scopesNeeded: [...scopes],
    });
  }

  #tellSessionRefused({ error: { reason }, resource, operations, caller }: RefusalRecord, body: RpcBody): void {
    if (reason !== 'session_unknown' && reason !== 'session_of_another') return;
    const { principalKey, clientId } = caller ?? {};
    const facts = { resource: resource.id, operations, messages: this.#messagesIn(body, resource.id) };
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
    const { server, body } = access;
    const { id } = server.resource;
    const facts = { resource: id, operations: operationNames(request, body), messages: this.#messagesIn(body, id) };
    this.#facts.set(access, facts);
    return facts;
  }

  #messagesIn(body: RpcBody, resourceId: string): McpMessageFacts[] {
    return messageFacts(body, (operation) => this.requirements.isDeclared(operation, resourceId));
  }

  /** Milliseconds since the decision began. */
  #durationOf({ startedAt }: { readonly startedAt?: number | undefined }): number | undefined {
    return startedAt === undefined ? undefined : this.clock.monotonic() - startedAt;
  }
}

/** The members that the events about an admitted request have in common. */
interface RequestFacts {
  readonly resource: string;
  readonly operations: string[];
  readonly messages: McpMessageFacts[];
}

function callerFacts({ issuer, clientId, principalKey, scopes }: McpAuthInfo) {
  return { issuer, clientId, principalKey, scopes: [...scopes] };
}

/**
 * The request that `@rekog/mcp-nest` and the bridge of `nestjs-mcp-auth/sdk` pass to a handler; empty if there is none.
 */
function rpcBodyOf(rpcContext: unknown): RpcBody {
  const { mcpRequest } = (rpcContext ?? {}) as { mcpRequest?: object };
  return readRpcBody(mcpRequest && { ...mcpRequest, jsonrpc: '2.0' });
}
