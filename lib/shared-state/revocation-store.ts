/** A revocation as replicas share it. It has no token, and no name of a user: the store gets hashes. */
export interface StoredRevocation {
  /** What is revoked: 43 characters of base64url. */
  readonly key: string;
  /** Tokens with an earlier `iat` are refused; in whole milliseconds since the epoch. */
  readonly issuedBefore: number;
  /** When it may be forgotten, since those tokens have expired; in whole milliseconds since the epoch. */
  readonly until: number;
}

/** What {@link RevocationStore.changes} answers. */
export interface RevocationChanges {
  /** In the order in which they were added. Those that may be forgotten may be left out. */
  readonly revocations: readonly StoredRevocation[];
  /** Where the next call goes on: text of 1 to 256 characters that only the store reads. */
  readonly cursor: string;
  /**
   * Whether the answer begins with the first revocation that the store has: always without a cursor, and also for a cursor that
   * the store does not know, since it lost its content or is another store. A replica then adds again what the store lacks.
   */
  readonly isFromStart: boolean;
  /** Whether there are more now. A store with many may answer in parts: the replica asks for the next part at once. */
  readonly hasMore: boolean;
}

/**
 * Shares revocations among replicas. Each replica keeps a copy in its memory and asks for changes every few hundred
 * milliseconds, so that no request waits for the store.
 *
 * The store keeps a revocation until its `until`. If it loses its content before, as a Redis without persistence does when it
 * restarts, it must be able to say so: put something into the cursor that changes when the content is lost, such as a random id
 * that is created together with the first entry. A number alone would look valid to a store that counts from the start again.
 */
export interface RevocationStore {
  /**
   * Adds a revocation. It is called again with one that the store has, or with a key that it has: of all entries with one key,
   * the greatest `issuedBefore` and the greatest `until` count, so a store may keep every entry, or join them in that way.
   *
   * Throws, or rejects, if the store does not have it for certain. The replica then tries again with every poll.
   */
  add(revocation: StoredRevocation): void | Promise<void>;
  /**
   * The revocations that were added after a cursor; without one, all that are kept. None may be skipped: an entry that becomes
   * visible later must come after every cursor that was given out before. It does no harm to answer with one twice.
   *
   * Throws, or rejects, if the store cannot be read. If it stays so, requests with a token get 503.
   *
   * @param after the `cursor` of an earlier answer, perhaps of another store; undefined at the start of a replica
   */
  changes(after: string | undefined): RevocationChanges | Promise<RevocationChanges>;
}
