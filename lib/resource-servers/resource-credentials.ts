import { invalidToken } from '../core/error.js';
import type { MaybePromise } from '../core/maybe-promise.js';
import type { VerifiedToken } from '../core/token-verifier.js';
import type { CachedVerifier } from '../token/cached-verifier.js';

/** Longest credential that is verified, in characters. */
const MAX_LENGTH = 4_096;

/** Visible ASCII. Commas are refused where header fields are read. */
const CREDENTIAL = /^[\x21-\x7E]+$/;

/** A kind of credential that the application verifies, at one resource. */
export class ResourceCredential {
  constructor(
    readonly name: string,
    /** In lower case; undefined for a Bearer credential. */
    readonly header: string | undefined,
    readonly bearerPrefix: string | undefined,
    private readonly verifier: CachedVerifier,
  ) {}

  /**
   * Returns without a promise if the credential is remembered. Does not ask the application about text that cannot be one.
   *
   * @throws {McpAuthError} when the credential is refused, or cannot be verified now.
   */
  verify(credential: string): MaybePromise<VerifiedToken> {
    const { length } = credential;
    const isEmpty = length === (this.bearerPrefix?.length ?? 0);
    if (isEmpty || length > MAX_LENGTH || !CREDENTIAL.test(credential)) {
      throw invalidToken('credential_malformed', undefined, { credential: this.name });
    }
    return this.verifier.verify(credential);
  }
}

/** The credentials that the application verifies itself, at one resource. */
export class ResourceCredentials {
  /** Names of the header fields that contain credentials, in lower case. */
  readonly headers: readonly string[];
  readonly #byHeader: ReadonlyMap<string, ResourceCredential>;
  readonly #byPrefix: readonly (readonly [prefix: string, credential: ResourceCredential])[];

  constructor(all: readonly ResourceCredential[]) {
    this.#byHeader = new Map(all.flatMap((one) => (one.header === undefined ? [] : [[one.header, one] as const])));
    this.#byPrefix = all.flatMap((one) => (one.bearerPrefix === undefined ? [] : [[one.bearerPrefix, one] as const]));
    this.headers = [...this.#byHeader.keys()];
  }

  /** The credential that clients send in this header field. */
  inHeader(header: string): ResourceCredential | undefined {
    return this.#byHeader.get(header);
  }

  /** The credential with the prefix of this Bearer token; undefined for an access token. No two prefixes fit the same token. */
  ofToken(token: string): ResourceCredential | undefined {
    return this.#byPrefix.find(([prefix]) => token.startsWith(prefix))?.[1];
  }
}
