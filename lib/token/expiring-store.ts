/**
 * Remembers values for a limited time, in limited space. It may forget any of them earlier, so that whoever asks must
 * be able to do without; it never returns one late.
 *
 * Keys hold no secret: what is remembered about a token is kept under its hash.
 */
export abstract class ExpiringStore<Value> {
  /** Undefined where there is no value, or none any more. */
  abstract get(key: string): Promise<Value | undefined>;

  /**
   * Replaces the value that is there, and its time.
   *
   * @param until from when on the value is gone, in milliseconds since the epoch
   */
  abstract set(key: string, value: Value, until: number): Promise<void>;

  /** Does nothing where there is no value. */
  abstract delete(key: string): Promise<void>;
}
