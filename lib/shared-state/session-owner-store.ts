/**
 * Remembers who opened which MCP session, for replicas that share the sessions of their MCP framework. The store gets hashes,
 * neither ids of sessions nor names.
 */
export interface SessionOwnerStore {
  /**
   * Remembers the owner of a session, in place of an earlier one. The session may be forgotten when it has not been used for a
   * while: the client then opens another.
   *
   * Throws, or rejects, if the owner may not have been remembered.
   *
   * @param session 43 characters of base64url
   * @param owner text of at most 2,000 characters that only the library reads
   */
  open(session: string, owner: string): void | Promise<void>;
  /**
   * What {@link open} got last for this session; undefined if the session was closed, is forgotten, or never was. Counts as a use of
   * the session.
   *
   * Throws, or rejects, if the store cannot say it: the request then gets 503, as after five seconds without an answer.
   */
  ownerOf(session: string): string | undefined | Promise<string | undefined>;
  /** Forgets a session. An unknown session is not an error. */
  close(session: string): void | Promise<void>;
}
