import { unavailable } from '../core/error.js';
import { parseUrl } from '../core/resource.js';
import { UnderWayLimit } from '../issuer/cool-down.js';
import type { ExpiringStore } from './expiring-map.js';
import type { IssuerVerifier } from './issuer-verifier.js';
import { SingleFlight } from './single-flight.js';
import { TrustedIssuers, type ConfiguredIssuers, type TrustedIssuer } from './trusted-issuers.js';

/** An issuer that the application trusts. */
export interface FoundIssuer {
  /** Stays the same while nothing about the issuer changes; undefined if changes cannot be detected. */
  readonly version: string | undefined;
  /** Creates the verifier of its tokens, with keys of its own. */
  readonly create: () => IssuerVerifier;
}

/** Asks the application about an issuer; undefined if it is not trusted. */
export type LookUp = (issuer: string) => Promise<FoundIssuer | undefined>;

/** An issuer that was found. Remembered to keep its keys. */
export interface KnownIssuer {
  readonly version: string | undefined;
  readonly trust: TrustedIssuer;
}

/** How long the answer of the application is used, in milliseconds: for a trusted issuer, and for one that is not trusted. */
const TRUSTED_MS = 300_000;
const NOT_TRUSTED_MS = 10_000;

/** Longest issuer that is looked up, in characters. */
const MAX_ISSUER_LENGTH = 2_048;

/** Most lookups of unknown issuers at a time. */
const MAX_UNDER_WAY = 32;

/**
 * The configured issuers, and issuers that the application looks up when a token names them, such as one for each tenant. An
 * answer is used for a limited time, then the application is asked again. The keys of an issuer stay in use while nothing about
 * it changes, and are dropped with it.
 *
 * Trusted and unknown issuers are remembered separately, so that tokens with invented issuers cannot evict the trusted ones.
 */
export class IssuerLookup extends TrustedIssuers {
  readonly #flights = new SingleFlight<TrustedIssuer | undefined>();
  readonly #underWay = new UnderWayLimit(MAX_UNDER_WAY);

  constructor(
    private readonly configured: ConfiguredIssuers,
    private readonly lookUp: LookUp,
    private readonly known: ExpiringStore<KnownIssuer>,
    private readonly notTrusted: ExpiringStore<true>,
    /** Milliseconds since the epoch. */
    private readonly now: () => number,
  ) {
    super();
  }

  override async find(issuer: string): Promise<TrustedIssuer | undefined> {
    const configured = this.configured.find(issuer);
    if (configured) return configured;
    if (issuer.length > MAX_ISSUER_LENGTH || !parseUrl(issuer)) return undefined;
    return this.#flights.run(issuer, () => this.#find(issuer));
  }

  async #find(issuer: string): Promise<TrustedIssuer | undefined> {
    const known = this.known.get(issuer);
    const askedAt = this.now();
    if (known && askedAt < known.trust.until) return known.trust;
    if (this.notTrusted.get(issuer)) return undefined;
    const found = await this.#lookUp(issuer, known !== undefined);
    if (!found) {
      this.known.delete(issuer);
      this.notTrusted.set(issuer, true, askedAt + NOT_TRUSTED_MS);
      return undefined;
    }
    const isUnchanged = known !== undefined && found.version !== undefined && found.version === known.version;
    const trust = { verifier: isUnchanged ? known.trust.verifier : found.create(), until: askedAt + TRUSTED_MS };
    this.known.set(issuer, { version: found.version, trust }, Infinity);
    return trust;
  }

  /** Limits lookups of unknown issuers only: known issuers are few, and must not wait for invented ones. */
  async #lookUp(issuer: string, isKnown: boolean): Promise<FoundIssuer | undefined> {
    try {
      return await (isKnown ? this.lookUp(issuer) : this.#underWay.run(() => this.lookUp(issuer)));
    } catch (cause) {
      throw unavailable('issuer_lookup_failed', cause);
    }
  }
}
