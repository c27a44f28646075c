import { Injectable } from '@nestjs/common';
import { McpAuthError } from '../core/error.js';
import type { McpAuthInfo } from '../core/auth-info.js';
import { ownerOf } from './caller-key.js';
import { OwnedIds } from './owned-ids.js';

/** Event ids remembered at most. Clients resume a stream after one of the last events, if at all. */
const LIMITS = { perOwner: 5_000, inAll: 200_000 };

/**
 * Remembers the ids of the events that were sent to each caller (protocol versions up to 2025-11-25): with the id of an
 * event, an MCP framework replays what came after it, to whoever asks. In memory.
 *
 * Ids need to be unique for one client only, so that two callers may have been sent the same one.
 *
 * @see MCP 2025-11-25, Transports, "Resumability and Redelivery"
 */
@Injectable()
export class EventOwners {
  readonly #sent = new OwnedIds<undefined>(LIMITS);

  /** Remembers an event that is sent to this caller. */
  note(eventId: string, caller: McpAuthInfo | undefined): void {
    const owner = ownerOf(caller);
    this.#sent.add(`${owner} ${eventId}`, owner, undefined);
  }

  /**
   * Refuses the id of an event that this caller was not sent, whether anybody else was or not.
   *
   * @throws {McpAuthError} `session_not_found`
   */
  check(eventId: string, caller: McpAuthInfo | undefined): void {
    const owner = ownerOf(caller);
    const sent = this.#sent.use(`${owner} ${eventId}`, owner);
    if (!sent || sent === 'of another') throw new McpAuthError('session_not_found', 'event_unknown');
  }
}
