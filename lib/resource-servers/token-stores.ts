import type { RememberedVerification } from '../token/cached-verifier.js';
import { ExpiringMap, StorePart, type ExpiringStore } from '../token/expiring-map.js';
import type { KnownIssuer } from '../token/issuer-lookup.js';

/** Where the verifier of one resource remembers tokens and issuers. Each is created when it is first needed. */
export interface TokenStores {
  verified(): ExpiringStore<RememberedVerification>;
  /** The hashes of inactive tokens, for each issuer by itself. */
  inactive(): ExpiringStore<true>;
  knownIssuers(): ExpiringStore<KnownIssuer>;
  notTrusted(): ExpiringStore<true>;
}

/** Most issuers that are remembered for each resource, besides the configured ones. */
const MAX_LOOKED_UP_ISSUERS = 1_000;

/** The stores of a resource of its own. */
export class OwnStores implements TokenStores {
  constructor(
    private readonly maxTokens: number,
    /** Milliseconds since the epoch. */
    private readonly now: () => number,
  ) {}

  verified(): ExpiringStore<RememberedVerification> {
    return new ExpiringMap(this.maxTokens, this.now);
  }

  inactive(): ExpiringStore<true> {
    return new ExpiringMap(this.maxTokens, this.now);
  }

  knownIssuers(): ExpiringStore<KnownIssuer> {
    return new ExpiringMap(MAX_LOOKED_UP_ISSUERS, this.now);
  }

  notTrusted(): ExpiringStore<true> {
    return new ExpiringMap(MAX_LOOKED_UP_ISSUERS, this.now);
  }
}

/** The stores that all tenants of a template share, so that their number does not multiply the memory. */
export class SharedStores {
  readonly #own: OwnStores;
  #verified: ExpiringStore<RememberedVerification> | undefined;
  #inactive: ExpiringStore<true> | undefined;
  #knownIssuers: ExpiringStore<KnownIssuer> | undefined;
  #notTrusted: ExpiringStore<true> | undefined;
  #parts = 0;

  constructor(maxTokens: number, now: () => number) {
    this.#own = new OwnStores(maxTokens, now);
  }

  /** The stores of one verifier. It finds nothing that another one has remembered, not even one of the same tenant. */
  part(): TokenStores {
    const name = (): string => String((this.#parts += 1));
    return {
      verified: () => new StorePart((this.#verified ??= this.#own.verified()), name()),
      inactive: () => new StorePart((this.#inactive ??= this.#own.inactive()), name()),
      knownIssuers: () => new StorePart((this.#knownIssuers ??= this.#own.knownIssuers()), name()),
      notTrusted: () => new StorePart((this.#notTrusted ??= this.#own.notTrusted()), name()),
    };
  }
}
