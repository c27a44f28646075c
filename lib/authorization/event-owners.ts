import { Injectable } from '@nestjs/common';
import { McpAuthError } from '../core/error.js';
import { ownerOf, type CallerAt } from './caller-key.js';
import { OwnedIds } from './owned-ids.js';

/** Most event ids that are remembered. Clients resume a stream after one of its last events. */
const LIMITS = { perOwner: 5_000, inAll: 200_000 };

/**
 * Remembers the ids of the events that were sent to each caller (protocol versions up to 2025-11-25). For such an id, an MCP
 * framework replays all later events to whoever asks. In memory.
 *
 * Ids are unique for one client only, so two callers may have received the same id.
 *
 * @see MCP 2025-11-25, Transports, "Resumability and Redelivery"
 */
@Injectable()
export class EventOwners {
  readonly #sent = new OwnedIds<undefined>(LIMITS);

  /** Remembers an event that is sent to this caller. */
  note(eventId: string, caller: CallerAt): void {
    const owner = ownerOf(caller);
    this.#sent.add(`${owner} ${eventId}`, owner, undefined);
  }

  /**
   * Refuses an event id that was not sent to this caller, whether another caller received it or not.
   *
   * @throws {McpAuthError} `session_not_found`
   */
  check(eventId: string, caller: CallerAt): void {
    const owner = ownerOf(caller);
    const sent = this.#sent.use(`${owner} ${eventId}`, owner);
    if (!sent || sent === 'of another') throw new McpAuthError('session_not_found', 'event_unknown');
  }
}
