import { unavailable } from '../core/error.js';
import { parseUrl } from '../core/resource.js';
import { UnderWayLimit } from '../issuer/cool-down.js';
import type { ExpiringMap } from './expiring-map.js';
import type { IssuerVerifier } from './issuer-verifier.js';
import { SingleFlight } from './single-flight.js';
import { TrustedIssuers, type ConfiguredIssuers, type TrustedIssuer } from './trusted-issuers.js';

/** An issuer that the application says is trusted. */
export interface FoundIssuer {
  /** The same as long as nothing about the issuer changes; undefined where that cannot be told. */
  readonly version: string | undefined;
  /** Makes what verifies its tokens, with keys of its own. */
  readonly create: () => IssuerVerifier;
}

/** Undefined for an issuer that is not trusted. */
export type LookUp = (issuer: string) => Promise<FoundIssuer | undefined>;

/** An issuer that was found, and is kept for the sake of its keys. */
export interface KnownIssuer {
  readonly version: string | undefined;
  readonly trust: TrustedIssuer;
}

/** How long the answer of the application is used, in milliseconds: that an issuer is trusted, and that it is not. */
const TRUSTED_MS = 300_000;
const NOT_TRUSTED_MS = 10_000;

/** Longest issuer that is looked up, in characters. */
const MAX_ISSUER_LENGTH = 2_048;

/** Most issuers that are looked up at a time, besides those that were found before. */
const MAX_UNDER_WAY = 32;

/**
 * The configured issuers, and those that the application looks up when their tokens come, such as one for each tenant.
 * The answer is used for a limited time and then asked for again; the keys of an issuer go on being used if nothing
 * about it has changed, and are dropped with it.
 *
 * Those found and those not found are remembered apart: whoever presents tokens of invented issuers must not be able to
 * push out the real ones.
 */
export class IssuerLookup extends TrustedIssuers {
  readonly #flights = new SingleFlight<TrustedIssuer | undefined>();
  readonly #underWay = new UnderWayLimit(MAX_UNDER_WAY);

  constructor(
    private readonly configured: ConfiguredIssuers,
    private readonly lookUp: LookUp,
    private readonly known: ExpiringMap<KnownIssuer>,
    private readonly notTrusted: ExpiringMap<true>,
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

  /** Of issuers that were found before there are not many: they need not wait for those that somebody made up. */
  async #lookUp(issuer: string, isKnown: boolean): Promise<FoundIssuer | undefined> {
    try {
      return await (isKnown ? this.lookUp(issuer) : this.#underWay.run(() => this.lookUp(issuer)));
    } catch (cause) {
      throw unavailable('issuer_lookup_failed', cause);
    }
  }
}
