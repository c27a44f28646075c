import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { invalidToken, McpAuthError } from '../../lib/core/error.js';
import { ExpiringMap } from '../../lib/token/expiring-map.js';
import { CachedVerifier, type RememberedVerification } from '../../lib/token/cached-verifier.js';
import { CacheableVerifier, type Verification } from '../../lib/token/verification.js';
import { resetRecorded } from '../support/expectations.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { expectAccepted, expectRejected } from '../support/tokens.js';
import { until } from '../support/until.js';

/** Counts, and says what it is told to say. */
class Scripted extends CacheableVerifier {
  readonly asked: string[] = [];
  /** Makes the verification of a token, or throws. */
  answer: (token: string) => Verification | Promise<Verification>;

  constructor(private readonly now: () => number) {
    super();
    this.answer = () => this.good();
  }

  override async verify(token: string): Promise<Verification> {
    this.asked.push(token);
    await Promise.resolve();
    return this.answer(token);
  }

  good(more: Partial<Verification> = {}, expiresIn = 3_600): Verification {
    const token = {
      issuer: 'https://as.example',
      subject: 'alice',
      scopes: ['a'],
      audience: ['r'],
      expiresAt: this.now() / 1000 + expiresIn,
      claims: { roles: ['x'], nested: { deep: [{ er: 1 }] } },
    };
    return { token, reusableUntil: this.now() + 300_000, isCurrent: () => true, ...more };
  }
}

/** Keeps what a store was told, to look at it. */
class Transparent extends ExpiringMap<RememberedVerification> {
  readonly entries = new Map<string, { value: RememberedVerification; until: number }>();

  constructor() {
    super(10, () => 0);
  }

  override set(key: string, value: RememberedVerification, end: number): void {
    this.entries.set(key, { value, until: end });
  }
}

describe('CachedVerifier', () => {
  let now: number;
  let inner: Scripted;
  let cached: CachedVerifier;
  const clock = (): number => now;
  beforeEach(() => {
    now = 1_700_000_000_000;
    inner = new Scripted(clock);
    cached = new CachedVerifier(inner, new ExpiringMap(10, clock), clock);
  });

  it('verifies a token once, and then remembers', async () => {
    const first = await cached.verify('token');
    expect(await cached.verify('token')).toBe(first);
    expect(inner.asked).toEqual(['token']);
  });

  it('keeps tokens apart', async () => {
    inner.answer = (token) => {
      const verification = inner.good();
      return { ...verification, token: { ...verification.token, subject: token } };
    };
    for (const token of ['a', 'b', 'a', 'b']) expect((await cached.verify(token)).subject).toBe(token);
    expect(inner.asked).toEqual(['a', 'b']);
  });

  it('verifies again after the time for which the verification holds', async () => {
    await cached.verify('token');
    now += 299_999;
    await cached.verify('token');
    expect(inner.asked).toHaveLength(1);
    now += 1;
    await cached.verify('token');
    expect(inner.asked).toHaveLength(2);
  });

  it('counts that time from when the verification began, however long it took', async () => {
    inner.answer = () => {
      const begun = inner.good({ reusableUntil: now + 10_000 });
      now += 9_000;
      return begun;
    };
    await cached.verify('token');
    now += 1_000;
    await cached.verify('token');
    expect(inner.asked).toHaveLength(2);
  });

  it('never remembers beyond exp, where it leaves it to the verifier to say what holds', async () => {
    inner.answer = () => inner.good({}, 10);
    await cached.verify('token');
    now += 9_999;
    await cached.verify('token');
    expect(inner.asked).toHaveLength(1);
    now += 1;
    inner.answer = () => Promise.reject(invalidToken('expired'));
    await expect(cached.verify('token')).rejects.toMatchObject({ reason: 'expired' });
    expect(inner.asked).toHaveLength(2);
  });

  it('remembers nothing whose exp is past, as within the tolerance for clocks', async () => {
    inner.answer = () => inner.good({}, -3);
    await cached.verify('token');
    await cached.verify('token');
    expect(inner.asked).toHaveLength(2);
  });

  it('remembers nothing that is not to be reused', async () => {
    inner.answer = () => inner.good({ reusableUntil: now });
    await cached.verify('token');
    await cached.verify('token');
    expect(inner.asked).toHaveLength(2);
  });

  it('asks before each reuse whether the verification still stands, and forgets one that does not', async () => {
    let stands = true;
    inner.answer = () => inner.good({ isCurrent: () => stands });
    await cached.verify('token');
    await cached.verify('token');
    expect(inner.asked).toHaveLength(1);
    stands = false;
    inner.answer = () => Promise.reject(invalidToken('key_unknown'));
    await expect(cached.verify('token')).rejects.toMatchObject({ reason: 'key_unknown' });
    stands = true;
    await expect(cached.verify('token')).rejects.toMatchObject({ reason: 'key_unknown' });
    expect(inner.asked).toHaveLength(3);
  });

  it('verifies again if the clock was set back to before the token was verified', async () => {
    await cached.verify('token');
    now -= 1;
    await cached.verify('token');
    expect(inner.asked).toHaveLength(2);
  });

  it('verifies once for all who come at the same time', async () => {
    const all = await Promise.all(Array.from({ length: 50 }, () => cached.verify('token')));
    expect(inner.asked).toHaveLength(1);
    expect(new Set(all).size).toBe(1);
  });

  it.each([
    ['a refusal', () => invalidToken('signature_invalid')],
    ['an outage', () => new McpAuthError('temporarily_unavailable', 'issuer_unreachable')],
    ['a bug', () => new TypeError('x is not a function')],
  ])('shares %s with those who wait, and with nobody after that', async (_what, error) => {
    inner.answer = () => Promise.reject(error());
    const all = await Promise.allSettled(Array.from({ length: 5 }, () => cached.verify('token')));
    expect(all.map(({ status }) => status)).toEqual(Array.from({ length: 5 }, () => 'rejected'));
    expect(inner.asked).toHaveLength(1);
    inner.answer = () => inner.good();
    expect(await cached.verify('token')).toMatchObject({ subject: 'alice' });
    expect(inner.asked).toHaveLength(2);
  });

  it('is not stopped by a verifier that throws at once', async () => {
    const thrower = new (class extends CacheableVerifier {
      override verify(): Promise<Verification> {
        throw invalidToken('token_malformed');
      }
    })();
    const verifier = new CachedVerifier(thrower, new ExpiringMap(10, clock), clock);
    await expect(verifier.verify('token')).rejects.toMatchObject({ reason: 'token_malformed' });
    await expect(verifier.verify('token')).rejects.toMatchObject({ reason: 'token_malformed' });
  });

  it('freezes what it returns, all the way down, from the first time on', async () => {
    const token = await cached.verify('token');
    const { claims } = token as unknown as { claims: { roles: string[]; nested: { deep: object[] } } };
    const parts = [
      token,
      token.scopes,
      token.audience,
      claims,
      claims.roles,
      claims.nested,
      claims.nested.deep,
      claims.nested.deep[0],
    ];
    expect(parts.map((part) => Object.isFrozen(part))).toEqual(parts.map(() => true));
    expect(() => claims.roles.push('admin')).toThrow(TypeError);
    expect(await cached.verify('token')).toMatchObject({ claims: { roles: ['x'] } });
  });

  it('freezes claims of any depth and width', async () => {
    const deep = JSON.parse('['.repeat(50_000) + ']'.repeat(50_000)) as unknown[];
    const wide = Array.from({ length: 300_000 }, () => ({}));
    inner.answer = () => {
      const verification = inner.good();
      return { ...verification, token: { ...verification.token, claims: { deep, wide } } };
    };
    await cached.verify('token');
    expect(Object.isFrozen(wide.at(-1))).toBe(true);
  });

  it('keeps a hash for a key, never the token', async () => {
    const store = new Transparent();
    const token = 'a-token-that-nobody-may-see';
    await new CachedVerifier(inner, store, clock).verify(token);
    expect([...store.entries.keys()]).toEqual([createHash('sha256').update(token).digest('base64url')]);
    expect(JSON.stringify([...store.entries])).not.toContain(token);
  });

  it('hands the store nothing that is used no more at once', async () => {
    const store = new Transparent();
    const verifier = new CachedVerifier(inner, store, clock);
    for (const ms of [0, -1]) {
      inner.answer = () => inner.good({ reusableUntil: now + ms });
      await verifier.verify(`token ${ms}`);
    }
    expect(store.entries.size).toBe(0);
  });

  it('hands the store a time that is neither after exp nor after that of the verification', async () => {
    const store = new Transparent();
    const verifier = new CachedVerifier(inner, store, clock);
    inner.answer = (token) => (token === 'short' ? inner.good({}, 10) : inner.good({ reusableUntil: now + 5_000 }));
    await verifier.verify('short');
    await verifier.verify('long');
    expect([...store.entries.values()].map((entry) => entry.until - now)).toEqual([10_000, 5_000]);
  });
});

describe.each(PLATFORMS)('the cache of verified tokens, on %s', (platform) => {
  const FRESH_MS = 10 * 60_000;
  let server: NotesServer;
  beforeAll(async () => {
    server = await startNotesServer(platform, { issuer: { alg: 'ES256' } });
  });
  afterAll(() => server.close());
  beforeEach(() => {
    server.clock.now += FRESH_MS;
    resetRecorded(server);
  });
  afterEach(() => server.issuer.recover());

  it('does not outlive exp by more than the tolerance, which is that of a first use', async () => {
    const now = Math.floor(server.clock.now / 1000);
    server.clock.now = now * 1000;
    const token = await server.mint({ exp: now + 10 });
    await expectAccepted(server, token);
    server.clock.now += 10_000;
    await expectAccepted(server, token);
    server.clock.now += 4_999;
    await expectAccepted(server, token);
    server.clock.now += 1;
    await expectRejected(server, token, 'expired');
  });

  it('serves while the keys cannot be had', async () => {
    const token = await server.mint();
    await expectAccepted(server, token);
    server.issuer.fail('down');
    await expectAccepted(server, token);
  });

  it('accepts a token no longer once its key is known to be withdrawn', async () => {
    const key = await server.issuer.addKey({ alg: 'ES256' });
    const lasting = { exp: Math.floor(server.clock.now / 1000) + 3_600 };
    const [token, other] = [await server.mint(lasting, { key }), await server.mint(lasting)];
    await expectAccepted(server, token);
    await expectAccepted(server, other);
    server.issuer.withdraw(key);
    await expectAccepted(server, token);
    // Somebody presents a key that is not known yet, for which the issuer is asked.
    server.clock.now += 30_000;
    const fresh = await server.issuer.addKey({ alg: 'ES256' });
    await expectAccepted(server, await server.mint({}, { key: fresh }));
    await expectRejected(server, token, 'key_unknown');
    await expectAccepted(server, other);
  });

  it('has the keys fetched again as often as if it were not there', async () => {
    const brief = await startNotesServer(platform, {
      issuer: { alg: 'ES256' },
      options: { cache: { ttlSeconds: 3_600 } },
    });
    try {
      const token = await brief.mint({ exp: Math.floor(brief.clock.now / 1000) + 7_200 });
      await expectAccepted(brief, token);
      const withdrawn = brief.issuer.key;
      await brief.issuer.rotateKeys();
      brief.clock.now += FRESH_MS;
      // A use of the old keys, which has new ones fetched in the background.
      await expectAccepted(brief, token);
      await until(() => brief.issuer.requestCount('jwks') >= 2);
      await expectAccepted(brief, await brief.mint());
      await expectRejected(brief, token, 'key_unknown');
      expect(withdrawn.kid).not.toBe(brief.issuer.key.kid);
    } finally {
      await brief.close();
    }
  });
});
