import { Injectable } from '@nestjs/common';
import { McpAuthError } from '../core/error.js';
import type { McpAuthInfo } from '../core/auth-info.js';
import { ANONYMOUS, ownerOf } from './caller-key.js';
import { OwnedIds } from './owned-ids.js';

/** Sessions remembered at most. A session that is forgotten is answered with 404. */
const LIMITS = { perOwner: 1_000, inAll: 100_000 };

/** Callers without a token are many, and together one owner. */
const MAX_ANONYMOUS_SESSIONS = 10_000;

/**
 * Remembers who opened which MCP session (protocol versions up to 2025-11-25): a session id is an address, and whoever
 * knows it must still be the one it was given to. In memory, as the sessions of the MCP frameworks themselves.
 *
 * @see MCP, Security Best Practices, "Session Hijacking"
 */
@Injectable()
export class SessionOwners {
  readonly #owners = new OwnedIds<undefined>(LIMITS);

  /** Remembers a session that the MCP framework has just opened for this caller. */
  open(sessionId: string, caller: McpAuthInfo | undefined): void {
    const owner = ownerOf(caller);
    this.#owners.add(sessionId, owner, undefined, owner === ANONYMOUS ? MAX_ANONYMOUS_SESSIONS : undefined);
  }

  /** Whether somebody opened it. */
  has(sessionId: string): boolean {
    return this.#owners.get(sessionId) !== undefined;
  }

  close(sessionId: string): void {
    this.#owners.delete(sessionId);
  }

  /**
   * Refuses the session of somebody else, in the same words as one that does not exist.
   *
   * @throws {McpAuthError} `session_not_found`, after which a client opens a new session.
   */
  check(sessionId: string, caller: McpAuthInfo | undefined): void {
    const session = this.#owners.use(sessionId, ownerOf(caller));
    if (!session) throw new McpAuthError('session_not_found', 'session_unknown');
    if (session === 'of another') throw new McpAuthError('session_not_found', 'session_of_another');
  }
}
