/** The result of {@link DownstreamTokenStore.get}. */
export interface KeptDownstreamToken {
  /** The generation of the owner. */
  readonly generation: string;
  /** The value under the key; undefined if there is none. */
  readonly value?: string | undefined;
}

/**
 * Keeps tokens for other APIs, for replicas that share them. The store gets hashes and encrypted values: no token, and no name of a
 * user or an API. It may lose everything at any time: tokens are then requested again.
 *
 * Each owner has a generation, which is random text, and the library uses only what was kept under the current one. Owners, keys and
 * generations are base64url: 43, 43 and 22 characters. Values have at most 24,064 characters that only the library reads.
 *
 * While the store throws or rejects, takes longer than five seconds, or returns an unusable value, the library requests tokens from
 * the authorization server.
 */
export interface DownstreamTokenStore {
  /**
   * The generation of an owner, and what {@link set} got last under this key. An owner without a generation gets the given one, in
   * one atomic step: of any number of concurrent calls, all answer with the same generation.
   *
   * @param generation for an owner that has none
   * @param forMs how long the generation must be kept from now on, in whole milliseconds
   */
  get(
    owner: string,
    key: string,
    generation: string,
    forMs: number,
  ): KeptDownstreamToken | Promise<KeptDownstreamToken>;
  /**
   * Keeps a value in place of the one before.
   *
   * @param forMs after how many whole milliseconds it must be forgotten
   */
  set(owner: string, key: string, value: string, forMs: number): void | Promise<void>;
  /** Forgets a value, unless another one has replaced it. */
  delete(owner: string, key: string, value: string): void | Promise<void>;
  /**
   * Gives an owner another generation, so that nothing is used any longer that was kept before. Throws, or rejects, if that is not
   * certain.
   *
   * @param forMs how long the generation must be kept, in whole milliseconds
   */
  forget(owner: string, generation: string, forMs: number): void | Promise<void>;
}
