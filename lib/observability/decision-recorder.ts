import { Injectable } from '@nestjs/common';
import type { CallEnd } from '../core/call-outcome.js';
import { statusOf, type McpAuthError } from '../core/error.js';
import { readRpcBody } from '../request/rpc-body.js';
import { operationNames, shortened } from './request-summary.js';
import type { AccessRequest } from '../authorization/access-request.js';
import type { RefusedRequest } from '../authorization/refused-requests.js';
import { Clock } from '../core/clock.js';
import type { HttpRequest } from '../request/http-message.js';
import { AuthEventEmitter } from './event-emitter.js';
import type { McpAuthInfo } from '../core/auth-info.js';
import { RefusalLog, type RefusalRecord } from './refusal-log.js';
import { isQuestion } from '../request/start-question.js';
import { StepUps } from './step-ups.js';

/** Records the decisions about requests in the operator's log and as events. */
@Injectable()
export class DecisionRecorder {
  readonly #stepUps = new StepUps();

  constructor(
    private readonly events: AuthEventEmitter,
    private readonly log: RefusalLog,
    private readonly clock: Clock,
  ) {}

  /** The decision about a request begins. Does nothing without listeners. */
  recordStart(access: AccessRequest): void {
    if (this.events.hasListeners('completed')) access.startedAt = this.clock.monotonic();
  }

  /** The function to call when an admitted request has ended; undefined without listeners. */
  completionOf(request: HttpRequest, access: AccessRequest): ((end: CallEnd) => void) | undefined {
    if (!this.events.hasListeners('completed')) return undefined;
    const { caller, startedAt = this.clock.monotonic() } = access;
    const facts = { ...requestFacts(request, access), ...(caller && callerFacts(caller)) };
    return (end) =>
      this.events.emit({ type: 'completed', ...facts, ...end, durationMs: this.clock.monotonic() - startedAt });
  }

  /** A request was admitted. Does nothing without listeners. */
  recordAdmitted(request: HttpRequest, access: AccessRequest): void {
    const { events } = this;
    const { caller } = access;
    if (!caller) {
      if (events.hasListeners('anonymous')) events.emit({ type: 'anonymous', ...requestFacts(request, access) });
      return;
    }
    if (events.hasListeners('authenticated')) {
      events.emit({ type: 'authenticated', ...requestFacts(request, access), ...callerFacts(caller) });
    }
    if (events.hasListeners('step-up')) this.#steppedUp(request, access, caller);
  }

  /** A request was refused, by the guard or by its handler. */
  recordRefusedRequest(error: McpAuthError, request: HttpRequest, refused: RefusedRequest): void {
    if (!isQuestion(request)) this.#take(error, refused, operationNames(request, refused.body));
  }

  /** A call was refused at the handler of an MCP operation. */
  recordRefusedCall(error: McpAuthError, rpcContext: unknown, refused: RefusedRequest): void {
    this.#take(error, refused, operationNames(undefined, rpcBodyOf(rpcContext)));
  }

  /** A call of a handler outside of HTTP routes and MCP was refused. */
  recordRefusedHandler(error: McpAuthError, name: string | undefined, refused: RefusedRequest): void {
    this.#take(error, refused, name === undefined ? [] : [name]);
  }

  #take(error: McpAuthError, refused: RefusedRequest, operations: string[]): void {
    const { caller, resource } = refused;
    const scopes = error.scopes.length > 0 ? error.scopes : refused.scopes;
    const record = { error, resource, operations, caller, scopes };
    this.log.write(record);
    if (this.events.hasListeners('refused')) this.#tellRefused(record);
    if (error.code === 'session_not_found' && this.events.hasListeners('session-refused'))
      this.#tellSessionRefused(record);
    if (caller && error.code === 'insufficient_scope' && this.events.hasListeners('step-up')) {
      this.#stepUps.note(caller, [...scopes], this.clock.now());
    }
  }

  #tellRefused({ error, resource, operations, caller, scopes }: RefusalRecord): void {
    const { code, reason, origin } = error;
    const clientId = (caller ?? origin)?.clientId;
    this.events.emit({
      type: 'refused',
      code,
      reason,
      status: statusOf(error),
      resource: resource.id,
      operations,
      issuer: (caller ?? origin)?.issuer,
      clientId: clientId === undefined ? undefined : shortened(clientId),
      principalKey: caller?.principalKey,
      isVerified: caller !== undefined || origin?.isVerified === true,
      scopesNeeded: [...scopes],
    });
  }

  #tellSessionRefused({ error: { reason }, resource, operations, caller }: RefusalRecord): void {
    if (reason !== 'session_unknown' && reason !== 'session_of_another') return;
    const { principalKey, clientId } = caller ?? {};
    this.events.emit({ type: 'session-refused', reason, resource: resource.id, operations, principalKey, clientId });
  }

  #steppedUp(request: HttpRequest, access: AccessRequest, caller: McpAuthInfo): void {
    const now = this.clock.now();
    const refused = this.#stepUps.take(caller, access.server.hierarchy, now);
    if (!refused) return;
    this.events.emit({
      type: 'step-up',
      ...requestFacts(request, access),
      ...callerFacts(caller),
      scopesNeeded: refused.scopes,
      afterMs: now - refused.at,
    });
  }
}

function requestFacts(
  request: HttpRequest,
  { server, body }: AccessRequest,
): { resource: string; operations: string[] } {
  return { resource: server.resource.id, operations: operationNames(request, body) };
}

function callerFacts({ issuer, clientId, principalKey, scopes }: McpAuthInfo) {
  return { issuer, clientId, principalKey, scopes: [...scopes] };
}

/**
 * The request that `@rekog/mcp-nest` and the bridge of `nestjs-mcp-auth/sdk` pass to a handler; empty if there is none.
 */
function rpcBodyOf(rpcContext: unknown): RefusedRequest['body'] {
  const { mcpRequest } = (rpcContext ?? {}) as { mcpRequest?: object };
  return readRpcBody(mcpRequest && { ...mcpRequest, jsonrpc: '2.0' });
}
