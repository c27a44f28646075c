import { channel } from 'node:diagnostics_channel';
import { Injectable } from '@nestjs/common';
import { Subject, type Observable } from 'rxjs';
import { deepFreeze } from '../core/deep-freeze.js';
import { Clock } from '../core/clock.js';
import type { SpanIds } from '../request/trace-context.js';
import type { McpAuthEvent } from './event-types.js';
import { SafeObservable, tellOfFailure } from './safe-observable.js';
import { logger } from './logger.js';

type EventType = McpAuthEvent['type'];
type Without<Event> = Event extends McpAuthEvent ? Omit<Event, 'time'> : never;

/** Created once per process, as Node recommends: looking up a channel by name costs more than publishing to it. */
const CHANNELS = {
  authenticated: channel('nestjs-mcp-auth:authenticated'),
  anonymous: channel('nestjs-mcp-auth:anonymous'),
  completed: channel('nestjs-mcp-auth:completed'),
  refused: channel('nestjs-mcp-auth:refused'),
  'step-up': channel('nestjs-mcp-auth:step-up'),
  'session-refused': channel('nestjs-mcp-auth:session-refused'),
  'keys-refreshed': channel('nestjs-mcp-auth:keys-refreshed'),
  'issuer-unreachable': channel('nestjs-mcp-auth:issuer-unreachable'),
  'issuer-recovered': channel('nestjs-mcp-auth:issuer-recovered'),
  'token-requested': channel('nestjs-mcp-auth:token-requested'),
  revoked: channel('nestjs-mcp-auth:revoked'),
  'store-unreachable': channel('nestjs-mcp-auth:store-unreachable'),
  'store-recovered': channel('nestjs-mcp-auth:store-recovered'),
} satisfies Record<EventType, unknown>;

/** The channels of the events that tell a duration. */
const DECISIONS = [CHANNELS.authenticated, CHANNELS.anonymous, CHANNELS.refused, CHANNELS.completed];

/**
 * Emits events to the subscribers in this application, and to the channels of `node:diagnostics_channel`, to which
 * other tools can subscribe. Call {@link hasListeners} before you build an event: usually there are no listeners.
 */
@Injectable()
export class AuthEventEmitter {
  readonly #subject = new Subject<McpAuthEvent>();
  readonly events$: Observable<McpAuthEvent>;
  /** Reads the active span of a tracing library. `nestjs-mcp-auth/opentelemetry` sets it. */
  activeSpan: () => SpanIds | undefined = () => undefined;

  constructor(private readonly clock: Clock) {
    this.events$ = new SafeObservable(this.#subject, tellOfFailure(logger));
  }

  hasListeners(type: EventType): boolean {
    return this.#subject.observed || CHANNELS[type].hasSubscribers;
  }

  /** Whether there are listeners to any event about a decision. */
  get areDecisionsHeard(): boolean {
    return this.#subject.observed || DECISIONS.some(({ hasSubscribers }) => hasSubscribers);
  }

  /** Adds the time and freezes the event: all subscribers get the same object. */
  emit(event: Without<McpAuthEvent>): void {
    const complete = deepFreeze({ time: this.clock.now(), ...event }) as McpAuthEvent;
    const { type } = complete;
    if (CHANNELS[type].hasSubscribers) CHANNELS[type].publish(complete);
    this.#subject.next(complete);
  }
}
