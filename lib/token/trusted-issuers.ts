import type { MaybePromise } from '../core/maybe-promise.js';
import type { IssuerVerifier } from './issuer-verifier.js';

/** A trusted issuer of tokens. */
export interface TrustedIssuer {
  readonly verifier: IssuerVerifier;
  /** When the issuer must be looked up again, in milliseconds since the epoch; Infinity for a configured issuer. */
  readonly until: number;
}

/** The trusted issuers of one resource. */
export abstract class TrustedIssuers {
  /**
   * @param issuer from an unverified token. It must equal a trusted issuer code point by code point.
   * @throws {McpAuthError} `temporarily_unavailable` when the lookup fails.
   */
  abstract find(issuer: string): MaybePromise<TrustedIssuer | undefined>;
}

/** The issuers of the configuration. */
export class ConfiguredIssuers extends TrustedIssuers {
  constructor(private readonly verifiers: ReadonlyMap<string, IssuerVerifier>) {
    super();
  }

  override find(issuer: string): TrustedIssuer | undefined {
    const verifier = this.verifiers.get(issuer);
    return verifier && { verifier, until: Infinity };
  }
}
