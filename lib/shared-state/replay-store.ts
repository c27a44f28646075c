/**
 * Remembers what may be used once, such as the id of a DPoP proof. Replicas that share a store refuse what one of them has
 * accepted. The store gets hashes, never a proof or a token.
 *
 * @see RFC 9449 §11.1
 */
export interface ReplayStore {
  /**
   * Inserts the key if it is absent, in one atomic step: of any number of concurrent calls with one key, exactly one gets
   * true.
   *
   * @param key 43 characters of base64url
   * @param until when the key may be forgotten, in whole milliseconds since the epoch: a minute after the proof is no longer
   * accepted, since clocks differ
   * @param madeAt when the proof was made, in whole milliseconds since the epoch, as its sender says. A store that has lost keys
   * cannot decide about what was made before that.
   * @returns whether the key was absent. Throws, or rejects, if the store cannot decide: the request then gets 503, as
   * after five seconds without an answer.
   */
  insertOnce(key: string, until: number, madeAt: number): boolean | Promise<boolean>;
  /**
   * Called once, in the background, when the application has started. Rejects if the store cannot be used, with an error that
   * says what to change: the log then shows it. Requests do not wait for this.
   */
  check?(): Promise<void>;
}
