/**
 * What the authorization servers do meanwhile: they rotate their keys, and are down, slow, or lie. Whoever checks an answer asks
 * here whether a server could be asked.
 */
import { TestIssuer } from '../../dist/testing/index.js';

const FAULTS = [
  'down',
  'hang',
  'error',
  'flapping',
  'not-found',
  'html',
  'invalid-json',
  'wrong-issuer',
  { slow: 800 },
];

/** How long a fault lasts, in milliseconds. */
const FAULT_MS = 8_000;

/** Milliseconds after a fault in which a server may still not be asked: pauses after failures, and answers that come late. */
const RECOVERY_MS = { jwks: 45_000, introspection: 15_000 };

/** A key is withdrawn when no token that it signed is in use any more. */
const WITHDRAW_AFTER_MS = 400_000;

/** The lifetime of tokens, in seconds. */
const TOKEN_SECONDS = 120;

export class Weather {
  /** What happened, for the plot. @type {{ at: number, what: string }[]} */
  events = [];
  #settledAt = { jwks: -Infinity, introspection: -Infinity };
  #keys = [];

  static async start() {
    const [signing, opaque] = await Promise.all([
      TestIssuer.start({ alg: 'ES256' }),
      TestIssuer.start({ introspection: true }),
    ]);
    return new Weather(signing, opaque);
  }

  constructor(signing, opaque) {
    this.signing = signing;
    this.opaque = opaque;
    this.#keys.push({ key: signing.key, since: performance.now() });
  }

  get authorizationServers() {
    const { clientId, clientSecret } = this.opaque.introspectionClient;
    const auth = { method: 'client_secret_basic', clientSecret };
    return [
      { issuer: this.signing.issuer },
      { issuer: this.opaque.issuer, introspection: { clientId, auth, cacheSeconds: 5, negativeCacheSeconds: 2 } },
    ];
  }

  /** The keys that have signed tokens in use, oldest first. */
  get keys() {
    return this.#keys.map(({ key }) => key);
  }

  /** Milliseconds since a key is published. */
  ageOf(key) {
    return performance.now() - this.#keys.find((one) => one.key === key).since;
  }

  /** Whether an endpoint may not have been usable at some time since then. */
  isUnsettled(endpoint, since) {
    return this.#settledAt[endpoint] > since - RECOVERY_MS[endpoint];
  }

  mint(claims, options = {}) {
    const exp = Math.floor(Date.now() / 1_000) + TOKEN_SECONDS;
    return this.signing.mint({ exp, ...claims }, options);
  }

  /** Changes the weather for a while. */
  async change(random) {
    const kinds = [() => this.#rotate(), () => this.#break('jwks', random), () => this.#break('introspection', random)];
    await kinds[Math.floor(random() * kinds.length)]();
    // They would remember every request.
    this.signing.clearRequests();
    this.opaque.clearRequests();
  }

  async #rotate() {
    this.#note('rotation');
    const key = await this.signing.rotateKeys({ keepOld: true });
    const now = performance.now();
    this.#keys.push({ key, since: now });
    const outdated = this.#keys.filter(
      (_one, index) => (this.#keys[index + 1]?.since ?? now) < now - WITHDRAW_AFTER_MS,
    );
    for (const { key: old } of outdated) this.signing.withdraw(old);
    this.#keys = this.#keys.filter((one) => !outdated.includes(one));
  }

  async #break(endpoint, random) {
    const fault = FAULTS[Math.floor(random() * FAULTS.length)];
    this.#note(`${endpoint}: ${typeof fault === 'object' ? 'slow' : fault}`);
    const issuer = endpoint === 'jwks' ? this.signing : this.opaque;
    this.#settledAt[endpoint] = Infinity;
    issuer.fail(fault, endpoint === 'jwks' ? 'all' : 'introspection');
    await new Promise((resolve) => setTimeout(resolve, FAULT_MS));
    issuer.recover();
    this.#settledAt[endpoint] = performance.now();
  }

  #note(what) {
    this.events.push({ at: performance.now(), what });
  }

  async close() {
    await Promise.all([this.signing.close(), this.opaque.close()]);
  }
}
