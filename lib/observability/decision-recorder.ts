import { Injectable } from '@nestjs/common';
import type { McpAuthError } from '../core/error.js';
import { readRpcBody } from '../request/rpc-body.js';
import { statusOf } from '../core/error.js';
import { askedFor, shortened } from './request-summary.js';
import type { Demand, RefusalFacts } from '../authorization/authorizer.js';
import { Clock } from '../core/clock.js';
import { nodeRequest, type HttpRequest } from '../request/http-message.js';
import { McpAuthEvents } from './event-emitter.js';
import type { McpAuthInfo } from '../core/auth-info.js';
import { McpAuthRefusalLog, type RefusalRecord } from './refusal-log.js';
import { isQuestion } from '../request/start-question.js';
import { StepUps } from './step-ups.js';

/** Takes down what was decided about requests: for the operator's log, and for whoever listens to events. */
@Injectable()
export class McpAuthDecisions {
  readonly #stepUps = new StepUps();
  /** Who made a request that was then refused, by Node's request. */
  readonly #callers = new WeakMap<object, McpAuthInfo>();

  constructor(
    private readonly events: McpAuthEvents,
    private readonly log: McpAuthRefusalLog,
    private readonly clock: Clock,
  ) {}

  /** A request was let in. Does nothing where nobody listens. */
  admitted(request: HttpRequest, demand: Demand, caller: McpAuthInfo | undefined): void {
    const { events } = this;
    if (!caller) {
      if (events.isHeard('anonymous')) events.emit({ type: 'anonymous', ...requestFacts(request, demand) });
      return;
    }
    if (events.isHeard('authenticated')) {
      events.emit({ type: 'authenticated', ...requestFacts(request, demand), ...callerFacts(caller) });
    }
    if (events.isHeard('step-up')) this.#steppedUp(request, demand, caller);
  }

  /** Keeps who the caller was, for {@link refusedRequest}: where a request is refused, that is not known any more. */
  noteCaller(request: HttpRequest, caller: McpAuthInfo | undefined): void {
    if (caller) this.#callers.set(nodeRequest(request), caller);
  }

  /** A request was refused, by the guard or by its handler. */
  refusedRequest(error: McpAuthError, request: HttpRequest, facts: RefusalFacts, caller?: McpAuthInfo): void {
    if (isQuestion(request)) return;
    this.#take(error, facts, askedFor(request, facts.body), caller ?? this.#callers.get(nodeRequest(request)));
  }

  /** A call was refused at the handler of an MCP operation. */
  refusedCall(error: McpAuthError, rpcContext: unknown, facts: RefusalFacts, caller: McpAuthInfo | undefined): void {
    this.#take(error, facts, askedFor(undefined, rpcBodyOf(rpcContext)), caller);
  }

  /** A handler outside of HTTP routes and MCP was refused. */
  refusedHandler(error: McpAuthError, name: string | undefined, facts: RefusalFacts, caller: McpAuthInfo | undefined): void {
    this.#take(error, facts, name === undefined ? [] : [name], caller);
  }

  #take(error: McpAuthError, facts: RefusalFacts, operations: string[], caller: McpAuthInfo | undefined): void {
    const scopes = error.scopes.length > 0 ? error.scopes : facts.scopes;
    const record = { error, resource: facts.resource, operations, caller, scopes };
    this.log.write(record);
    if (this.events.isHeard('refused')) this.#tellRefused(record);
    if (error.code === 'session_not_found' && this.events.isHeard('session-refused')) this.#tellSessionRefused(record);
    if (caller && error.code === 'insufficient_scope' && this.events.isHeard('step-up')) {
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

  #steppedUp(request: HttpRequest, demand: Demand, caller: McpAuthInfo): void {
    const now = this.clock.now();
    const refused = this.#stepUps.take(caller, demand.server.hierarchy, now);
    if (!refused) return;
    this.events.emit({
      type: 'step-up',
      ...requestFacts(request, demand),
      ...callerFacts(caller),
      scopesNeeded: refused.scopes,
      afterMs: now - refused.at,
    });
  }
}

function requestFacts(request: HttpRequest, { server, body }: Demand): { resource: string; operations: string[] } {
  return { resource: server.resource.id, operations: askedFor(request, body) };
}

function callerFacts({ issuer, clientId, principalKey, scopes }: McpAuthInfo) {
  return { issuer, clientId, principalKey, scopes: [...scopes] };
}

/** The request that `@rekog/mcp-nest` and the bridge of `nestjs-mcp-auth/sdk` hand to a handler; nothing where there is none. */
function rpcBodyOf(rpcContext: unknown): RefusalFacts['body'] {
  const { mcpRequest } = (rpcContext ?? {}) as { mcpRequest?: object };
  return readRpcBody(mcpRequest && { ...mcpRequest, jsonrpc: '2.0' });
}
