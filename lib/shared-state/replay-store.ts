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
   * @returns whether the key was absent. Throws, or rejects, if the store cannot decide: the request then gets 503.
   */
  insertOnce(key: string, until: number): boolean | Promise<boolean>;
}
