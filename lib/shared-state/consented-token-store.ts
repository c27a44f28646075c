/**
 * Keeps what users allowed at third parties, such as access and refresh tokens. Yours: it encrypts what it keeps, if it should, and
 * refreshes what has expired. Replicas must share it. A call that takes longer than five seconds counts as one that rejects.
 */
export interface ConsentedTokenStore {
  /**
   * What was set last; undefined if there is nothing, or nothing that can be used. A rejection reaches the tool.
   *
   * @param owner 43 characters of base64url: a hash of the user and of the protected resource. The same user at another resource,
   * or at another tenant, is another owner
   * @param to the name of the third party
   */
  get(owner: string, to: string): unknown;
  /** Keeps a value in place of the one before. */
  set(owner: string, to: string, token: unknown): void | Promise<void>;
  /** Forgets the value, if there is one. */
  delete(owner: string, to: string): void | Promise<void>;
}
