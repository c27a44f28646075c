import type { CryptoKey } from 'jose';
import type { MaybePromise } from '../core/maybe-promise.js';
import { NotAskedError } from '../core/not-asked-error.js';

/** What the header of a token says about its key. Nothing of it is verified. */
export interface KeyHint {
  readonly alg: string;
  readonly kid?: string | undefined;
}

/** The verification keys of one issuer. Never holds those of two. */
export abstract class KeySet {
  /**
   * The keys that could have signed a token with this header: one, or several if the header does not name one.
   * Empty if the issuer publishes none. Leaves out keys that cannot be used (private, too short, garbage).
   *
   * Returns without a promise what was selected before.
   *
   * @throws {KeyUndecidedError} when the issuer may publish such a key by now, but may not be asked again yet; another error
   * when the keys of the issuer cannot be fetched.
   */
  abstract candidates(hint: KeyHint): MaybePromise<readonly CryptoKey[]>;

  /**
   * The keys that the issuer may have published since in place of these, none of which verified the token. Empty if there are
   * none.
   *
   * @throws when the token names no key, and nobody can tell now whether there are new ones.
   */
  abstract replacements(tried: readonly CryptoKey[], hint: KeyHint): Promise<readonly CryptoKey[]>;

  /**
   * Fetches the keys if none are cached, so that no token waits for them. Does not throw: reports a failure like any other.
   */
  abstract warmUp(): Promise<void>;

  /**
   * Whether the issuer still publishes a key that came from here, as far as that is known without asking. Also false for a
   * key of an earlier key set, even if the present one contains it again: ask for it again.
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
