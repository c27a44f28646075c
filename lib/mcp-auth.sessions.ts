import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { McpAuthError } from './core/error.js';
import type { McpAuthInfo } from './mcp-auth.info.js';

/** Sessions remembered at most; the one that was not used for longest is forgotten first, and answered with 404. */
const MAX_SESSIONS = 100_000;

/**
 * Remembers who opened which MCP session (protocol versions up to 2025-11-25): a session id is an address, and whoever
 * knows it must still be the one it was given to. In memory, as the sessions of the MCP frameworks themselves.
 *
 * @see MCP, Security Best Practices, "Session Hijacking"
 */
@Injectable()
export class McpAuthSessions {
  readonly #owners = new LRUCache<string, string>({ max: MAX_SESSIONS });

  /** Remembers a session that the MCP framework has just opened for this caller. */
  open(sessionId: string, caller: McpAuthInfo | undefined): void {
    this.#owners.set(sessionId, ownerKey(caller));
  }

  close(sessionId: string): void {
    this.#owners.delete(sessionId);
  }

  /**
   * Refuses the session of somebody else, in the same words as one that does not exist. The same user with a new token
   * is the same caller; the same user with another client is not.
   *
   * @throws {McpAuthError} `session_not_found`, after which a client opens a new session.
   */
  check(sessionId: string, caller: McpAuthInfo | undefined): void {
    const owner = this.#owners.get(sessionId);
    if (owner === undefined) throw new McpAuthError('session_not_found', 'session_unknown');
    if (owner !== ownerKey(caller)) throw new McpAuthError('session_not_found', 'session_of_another');
  }
}

function ownerKey(caller: McpAuthInfo | undefined): string {
  return caller ? JSON.stringify([caller.principalKey, caller.clientId]) : 'anonymous';
}
