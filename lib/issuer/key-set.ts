import type { CryptoKey } from 'jose';
import type { MaybePromise } from '../core/maybe-promise.js';
import { NotAskedError } from '../core/not-asked-error.js';

/** What the header of a token says about its key. Not verified. */
export interface KeyHint {
  readonly alg: string;
  readonly kid?: string | undefined;
}

/** The verification keys of one issuer. Never contains keys of several issuers. */
export abstract class KeySet {
  /**
   * The keys that could have signed a token with this header: one, or several if the header does not name one. Empty if the
   * issuer publishes none. Leaves out keys that cannot be used (private, too short, malformed).
   *
   * Returns without a promise if the same keys were selected before.
   *
   * @throws {KeyUndecidedError} when the issuer may publish such a key by now, but may not be asked again yet; another error
   * when the keys of the issuer cannot be fetched.
   */
  abstract candidates(hint: KeyHint): MaybePromise<readonly CryptoKey[]>;

  /**
   * The keys that the issuer published since in place of the tried keys, none of which verified the token. Empty if there are
   * none.
   *
   * @throws when the token does not name a key, and the keys of the issuer cannot be fetched.
   */
  abstract replacements(tried: readonly CryptoKey[], hint: KeyHint): Promise<readonly CryptoKey[]>;

  /** Fetches the keys if none are cached, so that no token waits for them. Reports a failure, and does not throw it. */
  abstract warmUp(): Promise<void>;

  /**
   * Whether the issuer still publishes a key that this set returned, by the last fetch. Also false for a key of an earlier key
   * set, even if the present one contains it again: call {@link candidates} again.
   */
  abstract isPublished(key: CryptoKey): boolean;
}

/** A token names an unknown key, and the issuer may not be asked yet whether it publishes that key. */
export class KeyUndecidedError extends NotAskedError {
  override readonly name = 'KeyUndecidedError';

  constructor(retryAfterSeconds: number) {
    super('The issuer was asked for its keys a moment ago, and is asked again only after a pause', retryAfterSeconds);
  }
}
