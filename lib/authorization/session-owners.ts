import { Injectable } from '@nestjs/common';
import { McpAuthError } from '../core/error.js';
import { ownerOf, type CallerAt } from './caller-key.js';
import { Revocations } from '../revocation/revocations.js';
import type { RevocationSubject } from '../revocation/revocation-subject.js';
import { OwnedIds } from './owned-ids.js';

/** Most sessions that are remembered. A request to a forgotten session gets 404. */
const LIMITS = { perOwner: 1_000, inAll: 100_000 };

/** Anonymous callers are many, but count as one owner. */
const MAX_ANONYMOUS_SESSIONS = 10_000;

/**
 * Remembers who opened which MCP session (protocol versions up to 2025-11-25). A session id does not authenticate: whoever
 * sends it must be the principal who opened the session. In memory, like the sessions of the MCP frameworks.
 *
 * A session ends when the token is revoked that opened it.
 *
 * @see MCP, Security Best Practices, "Session Hijacking"
 */
@Injectable()
export class SessionOwners {
  /** With what can be revoked of the token that opened the session. */
  readonly #owners = new OwnedIds<RevocationSubject | undefined>(LIMITS);

  constructor(private readonly revocations: Revocations) {}

  /** Remembers a session that the MCP framework opened for this caller. */
  open(sessionId: string, caller: CallerAt): void {
    const owner = ownerOf(caller);
    const subject = this.revocations.subjectOf(caller.auth);
    this.#owners.add(sessionId, owner, subject, caller.auth === undefined ? MAX_ANONYMOUS_SESSIONS : undefined);
  }

  /** Whether the session is known. */
  has(sessionId: string): boolean {
    return this.#owners.get(sessionId) !== undefined;
  }

  close(sessionId: string): void {
    this.#owners.delete(sessionId);
  }

  /**
   * Refuses the session of another principal in the same words as a session that does not exist.
   *
   * @throws {McpAuthError} `session_not_found`, after which a client opens a new session.
   */
  check(sessionId: string, caller: CallerAt): void {
    const session = this.#owners.use(sessionId, ownerOf(caller));
    if (!session) throw new McpAuthError('session_not_found', 'session_unknown');
    if (session === 'of another') throw new McpAuthError('session_not_found', 'session_of_another');
    if (session.value === undefined || !this.revocations.isRevoked(session.value)) return;
    this.close(sessionId);
    throw new McpAuthError('session_not_found', 'session_unknown');
  }
}
