/**
 * What the authorization servers do meanwhile: they rotate their keys, and are down, slow, or lie. Whoever checks an answer asks
 * here whether a server could be asked.
 */
import { randomUUID } from 'node:crypto';
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

/** How logout tokens come to the servers (OpenID Connect Back-Channel Logout 1.0). */
export const LOGOUT = { path: '/backchannel-logout', clientId: 'soak' };

const LOGOUT_EVENTS = { 'http://schemas.openid.net/event/backchannel-logout': {} };

/** How long a fault lasts, in milliseconds. */
const FAULT_MS = 8_000;

/** Milliseconds after a fault in which a server may still not be asked: pauses after failures, and answers that come late. */
const RECOVERY_MS = { jwks: 45_000, introspection: 15_000 };

/** A key is withdrawn when no token that it signed is in use any more. */
const WITHDRAW_AFTER_MS = 400_000;

/** The lifetime of tokens, in seconds. */
const TOKEN_SECONDS = 120;

const KINDS = FAULTS.flatMap((fault) => [
  'rotation',
  { endpoint: 'jwks', fault },
  { endpoint: 'introspection', fault },
]);

function nameOf(kind) {
  if (kind === 'rotation') return kind;
  return `${kind.endpoint}: ${typeof kind.fault === 'object' ? 'slow' : kind.fault}`;
}

export class Weather {
  /** What happened, for the plot. @type {{ at: number, what: string }[]} */
  events = [];
  #settledAt = { jwks: -Infinity, introspection: -Infinity };
  #keys = [];
  /** The kinds of weather that come next, in any order. */
  #ahead = [];

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

  /** A logout token, which ends a session of this issuer. */
  mintLogout(claims, options = {}) {
    const all = {
      aud: LOGOUT.clientId,
      client_id: undefined,
      sub: undefined,
      jti: randomUUID(),
      events: LOGOUT_EVENTS,
    };
    return this.mint({ ...all, ...claims }, { ...options, header: { typ: 'logout+jwt' } });
  }

  /** The kinds of weather that never were. */
  get unseen() {
    const seen = new Set(this.events.map(({ what }) => what));
    return [...new Set(KINDS.map(nameOf))].filter((name) => !seen.has(name));
  }

  /** Changes the weather for a while. Each kind comes once before any comes again; rotations come as often as faults of an endpoint. */
  async change(random) {
    if (this.#ahead.length === 0) this.#ahead = [...KINDS];
    const [kind] = this.#ahead.splice(Math.floor(random() * this.#ahead.length), 1);
    this.#note(nameOf(kind));
    if (kind === 'rotation') await this.#rotate();
    else await this.#break(kind);
    // They would remember every request.
    this.signing.clearRequests();
    this.opaque.clearRequests();
  }

  async #rotate() {
    const key = await this.signing.rotateKeys({ keepOld: true });
    const now = performance.now();
    this.#keys.push({ key, since: now });
    const outdated = this.#keys.filter(
      (_one, index) => (this.#keys[index + 1]?.since ?? now) < now - WITHDRAW_AFTER_MS,
    );
    for (const { key: old } of outdated) this.signing.withdraw(old);
    this.#keys = this.#keys.filter((one) => !outdated.includes(one));
  }

  async #break({ endpoint, fault }) {
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
