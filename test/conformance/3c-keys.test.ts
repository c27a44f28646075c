import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createPublicKey, generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto';
import { generateTestKey, type TestKey } from 'nestjs-mcp-auth/testing';
import { expectRefusal, resetRecorded } from '../support/expectations.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { expectAccepted, expectReason, expectRejected, withPart } from '../support/tokens.js';

// Which of the published keys may verify a token, and how often the issuer is asked for them.

/** After this time, one more fetch for a key that the set does not have is allowed, however many were in vain. */
const COOL_DOWN_MS = 30_000;

/** The shortest time between two such fetches that were in vain. */
const PAUSE_MS = 5_000;

/** Time for a thousand requests on a machine that has other things to do. */
const MANY_REQUESTS_MS = 120_000;

describe.each(PLATFORMS)('the keys of an issuer, on %s', (platform) => {
  let server: NotesServer;
  beforeAll(async () => {
    server = await startNotesServer(platform, { issuer: { alg: 'ES256' } });
  });
  afterAll(() => server.close());
  beforeEach(() => {
    resetRecorded(server);
    server.clock.now += COOL_DOWN_MS;
  });

  /** A fresh key in the published set, for which the server will look when it sees its kid. */
  async function fresh(options: Parameters<typeof generateTestKey>[0] = {}): Promise<TestKey> {
    return server.issuer.addKey(await generateTestKey({ alg: 'ES256', ...options }));
  }

  /** Makes sure that the server knows what is published now. */
  async function learn(): Promise<void> {
    server.clock.now += COOL_DOWN_MS;
    await server.issuer.addKey({ alg: 'ES256', kid: randomUUID() });
    await expectRejected(server, await server.mint({}, { header: { kid: randomUUID() } }), 'key_unknown');
    server.clock.now += COOL_DOWN_MS;
  }

  const withoutKid = { header: { kid: undefined } };

  describe('choice of a key', () => {
    const coordinates = { x: randomBytes(32).toString('base64url'), y: randomBytes(32).toString('base64url') };
    const garbage: readonly [string, unknown][] = [
      ['null', null],
      ['a text', 'key'],
      ['a number', 7],
      ['an array', []],
      ['an array of keys', [{ kty: 'EC' }]],
      ['an empty object', {}],
      ['an unknown kty', { kty: 'XX', kid: 'g' }],
      ['kty of another type', { kty: 7, kid: 'g' }],
      ['kty __proto__', { kty: '__proto__', kid: 'g' }],
      ['a broken RSA key', { kty: 'RSA', n: '!', e: 'AQAB', kid: 'g', alg: 'RS256' }],
      ['an RSA key without exponent', { kty: 'RSA', n: 'AQAB', kid: 'g' }],
      ['an EC point that is not on the curve', { kty: 'EC', crv: 'P-256', ...coordinates, kid: 'g', alg: 'ES256' }],
      ['an EC key without coordinates', { kty: 'EC', crv: 'P-256', kid: 'g', alg: 'ES256' }],
      ['an unknown curve', { kty: 'EC', crv: 'secp256k1', ...coordinates, kid: 'g' }],
      ['key_ops of another type', { kty: 'EC', crv: 'P-256', ...coordinates, key_ops: 'verify', kid: 'g' }],
      ['ext of another type', { kty: 'EC', crv: 'P-256', ...coordinates, ext: 'yes', kid: 'g' }],
      ['a kid of another type', { kty: 'EC', crv: 'P-256', ...coordinates, kid: 7 }],
      ['a secret', { kty: 'oct', k: 'AAAA', kid: 'g' }],
    ];

    it.each(garbage)('RFC7517-5-a: is not spoilt by %s in the set', async (_what, entry) => {
      server.issuer.publish(entry);
      try {
        const key = await fresh();
        await expectAccepted(server, await server.mint({}, { key }));
        await expectRejected(server, await server.mint({}, { header: { kid: 'g' } }), 'key_unknown');
      } finally {
        server.issuer.withdraw(entry);
      }
    });

    it.each([
      { use: 'enc' },
      { use: 'SIG' },
      { use: ['sig'] },
      { use: undefined, key_ops: ['encrypt'] },
      { use: undefined, key_ops: ['sign'] },
      { use: undefined, key_ops: [] },
      { use: 'enc', key_ops: ['verify'] },
      { alg: 'ECDH-ES' },
      { alg: 'ES384' },
      { alg: 'none' },
    ])('RFC7517-5-a: does not verify with a key that is published as %j', async (jwk) => {
      const key = await fresh({ jwk });
      await expectRejected(server, await server.mint({}, { key }), 'key_unknown');
    });

    it.each([
      { use: undefined },
      { key_ops: ['verify'] },
      { use: undefined, key_ops: ['verify', 'sign'] },
      { alg: undefined },
      { use: undefined, alg: undefined },
      { x5c: ['garbage'], unknown: { member: 1 } },
    ])('RFC7517-5-a: verifies with a key that is published as %j', async (jwk) => {
      const key = await fresh({ jwk });
      await expectAccepted(server, await server.mint({}, { key }));
    });

    it('RFC7517-5-a: tries every key that fits where the token has no kid', async () => {
      const [second, third] = [await fresh(), await fresh()];
      await learn();
      for (const key of [server.issuer.key, second, third]) {
        await expectAccepted(server, await server.mint({}, { key, ...withoutKid }));
      }
      const forged = await generateTestKey({ alg: 'ES256' });
      await expectRejected(server, await server.mint({}, { key: forged, ...withoutKid }), 'signature_invalid');
    });

    it('RFC7517-5-a: tries every key with that kid where several have it', async () => {
      const [one, two] = [await fresh({ kid: 'twice' }), await fresh({ kid: 'twice' })];
      await expectAccepted(server, await server.mint({}, { key: two }));
      await expectAccepted(server, await server.mint({}, { key: one }));
      const forged = await generateTestKey({ alg: 'ES256', kid: 'twice' });
      await expectRejected(server, await server.mint({}, { key: forged }), 'signature_invalid');
    });

    it('RFC7517-5-a: tells keys of one kid apart by what they can do', async () => {
      const [edwards, encrypting] = [
        await fresh({ alg: 'EdDSA', kid: 'mixed' }),
        await fresh({ kid: 'mixed', jwk: { use: 'enc' } }),
      ];
      await expectAccepted(server, await server.mint({}, { key: edwards }));
      await expectRejected(server, await server.mint({}, { key: encrypting }), 'key_unknown');
    });

    it('RFC7517-5-a: does not verify with a key whose private half is public', async () => {
      const key = await generateTestKey({ alg: 'ES256' });
      await server.issuer.addKey({
        ...key,
        publicJwk: { ...key.publicJwk, d: key.privateKey.export({ format: 'jwk' }).d as string },
      });
      await expectRejected(server, await server.mint({}, { key }), 'key_unknown');
    });
  });

  describe('strength of a key', () => {
    it.each([512, 1024, 2040])('RFC7518-3-a: does not verify with an RSA key of %i bits', async (modulusLength) => {
      const key = await server.issuer.addKey(rsaKey(modulusLength));
      await expectRejected(server, await server.mint({}, { key }), 'signature_invalid');
    });

    it('RFC7518-3-a: a weak key does not stand in the way of a good one', async () => {
      const weak = { ...rsaKey(1024), kid: 'weak-and-good' };
      const good = await generateTestKey({ alg: 'RS256', kid: 'weak-and-good' });
      for (const key of [weak, good])
        await server.issuer.addKey({ ...key, publicJwk: { ...key.publicJwk, kid: key.kid } });
      await expectAccepted(server, await server.mint({}, { key: good }));
      await expectAccepted(server, await server.mint({}, { key: good, ...withoutKid }));
      await expectRejected(server, await server.mint({}, { key: weak }), 'signature_invalid');
    });

    const order = 'FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551';
    it.each([
      ['all zero', Buffer.alloc(64)],
      ['with r zero', Buffer.concat([Buffer.alloc(32), randomBytes(32)])],
      ['with s zero', Buffer.concat([randomBytes(32), Buffer.alloc(32)])],
      ['of the order of the curve', Buffer.from(order + order, 'hex')],
      ['all ones', Buffer.alloc(64, 0xff)],
    ])('RFC7518-3-a: refuses an ES256 signature %s', async (_what, signature) => {
      const token = withPart(await server.mint(), 2, () => signature.toString('base64url'));
      await expectRejected(server, token, 'signature_invalid');
    });

    it('RFC7518-3-a: refuses RSA signatures that are no number below the modulus', async () => {
      const key = await fresh({ alg: 'RS256' });
      for (const bytes of [Buffer.alloc(256), Buffer.alloc(256, 0xff), Buffer.from([1])]) {
        const token = withPart(await server.mint({}, { key }), 2, () => bytes.toString('base64url'));
        await expectRejected(server, token, 'signature_invalid');
      }
    });
  });
});

describe.each(PLATFORMS)('rotation of keys, on %s', (platform) => {
  let server: NotesServer;
  beforeEach(async () => {
    server = await startNotesServer(platform, { issuer: { alg: 'ES256' } });
  });
  afterEach(() => server.close());
  const fetches = (): number => server.issuer.requestCount('jwks');

  /** @returns `Retry-After` */
  async function expectUndecided(token: string): Promise<string | null> {
    resetRecorded(server);
    const response = await server.callTool('ping', token);
    const retryAfter = response.headers.get('retry-after');
    await expectRefusal(server, response, { status: 503, token });
    expectReason(server, 'key_undecided');
    return retryAfter;
  }

  it(
    'RFC8725-3.10-c: asks the issuer twice at most, however many unknown kids come and at whatever moment',
    async () => {
      const answered = await inBatches(1000, 100, async () => {
        const token = await server.mint({}, { header: { kid: randomUUID() } });
        const response = await server.callTool('ping', token);
        await response.text();
        return response.status;
      });
      // Those that the fetch was for are refused; of the others nobody can tell.
      expect(new Set(answered)).toEqual(new Set([401, 503]));
      expect(fetches()).toBeLessThanOrEqual(2);
      expect(server.issuer.requestCount('metadata')).toBe(1);
      expect(server.ran).toEqual([]);
      expectReason(server, 'key_unknown');
      expectReason(server, 'key_undecided');
    },
    MANY_REQUESTS_MS,
  );

  it('RFC8725-3.10-c: goes on to serve good tokens in the meantime, and asks again only after the cool-down', async () => {
    await expectAccepted(server, await server.mint());
    for (let round = 0; round < 3; round++) {
      const before = fetches();
      await expectRejected(server, await server.mint({}, { header: { kid: randomUUID() } }), 'key_unknown');
      for (let i = 0; i < 20; i++) {
        await expectUndecided(await server.mint({}, { header: { kid: randomUUID() } }));
        await expectAccepted(server, await server.mint());
      }
      expect(fetches() - before).toBe(1);
      server.clock.now += COOL_DOWN_MS;
    }
  });

  it('RFC8725-3.10-c: says when to try again where it may not ask the issuer yet', async () => {
    await expectAccepted(server, await server.mint());
    const unknown = (): Promise<string> => server.mint({}, { header: { kid: randomUUID() } });
    await expectRejected(server, await unknown(), 'key_unknown');
    server.clock.now += 1_500;
    expect(await expectUndecided(await unknown())).toBe('4');
  });

  it('RFC8725-3.10-c: refuses all tokens of a key that was just looked for in vain, by one fetch', async () => {
    await expectAccepted(server, await server.mint());
    const before = fetches();
    const header = { kid: 'withdrawn' };
    for (let i = 0; i < 5; i++)
      await expectRejected(server, await server.mint({ sub: `user-${i}` }, { header }), 'key_unknown');
    expect(fetches() - before).toBe(1);
  });

  it('RFC8725-3.10-c: tokens that name a published key under another algorithm are refused, and nobody else is held off', async () => {
    await expectAccepted(server, await server.mint());
    const es384 = await generateTestKey({ alg: 'ES384', kid: server.issuer.key.kid });
    for (let i = 0; i < 3; i++)
      await expectRejected(server, await server.mint({ jti: `${i}` }, { key: es384 }), 'key_unknown');
  });

  it('RFC8725-3.10-c: forged tokens with invented kids put a new key off for seconds, in which good tokens are not called bad', async () => {
    await expectAccepted(server, await server.mint());
    await expectRejected(server, await server.mint({}, { header: { kid: randomUUID() } }), 'key_unknown');
    const old = await server.mint();
    await server.issuer.rotateKeys({ keepOld: true });
    const token = await server.mint();
    await expectUndecided(token);
    await expectAccepted(server, old);
    server.clock.now += PAUSE_MS;
    await expectAccepted(server, token);
  });

  it('RFC8725-3.10-c: a new key works at once, and for everybody who comes with it at the same time', async () => {
    await expectAccepted(server, await server.mint());
    await server.issuer.rotateKeys({ keepOld: true });
    const before = fetches();
    const token = await server.mint();
    const responses = await Promise.all(Array.from({ length: 20 }, () => server.callTool('ping', token)));
    expect(responses.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200));
    await Promise.all(responses.map((response) => response.text()));
    expect(fetches() - before).toBe(1);
  });

  it('RFC8725-3.10-c: keys that are new again and again work at once, without a restart', async () => {
    for (let rotation = 0; rotation < 6; rotation++) {
      await expectAccepted(server, await server.mint());
      await server.issuer.rotateKeys();
    }
    await expectAccepted(server, await server.mint());
  });

  it('RFC8725-3.10-c: a withdrawn key stops working once the keys were fetched again', async () => {
    const old = await server.mint();
    await expectAccepted(server, old);
    await server.issuer.rotateKeys();
    await expectAccepted(server, await server.mint());
    await expectRejected(server, old, 'key_unknown');
  });

  it('RFC8725-3.10-c: a new key that cannot be fetched is not called a bad token', async () => {
    await expectAccepted(server, await server.mint());
    const old = await server.mint();
    await server.issuer.rotateKeys({ keepOld: true });
    server.issuer.fail('error', 'jwks');
    const token = await server.mint();
    resetRecorded(server);
    await expectRefusal(server, await server.callTool('ping', token), { status: 503, token });
    await expectRefusal(server, await server.callTool('ping', token), { status: 503, token });
    await expectAccepted(server, old);
    server.issuer.recover();
    server.clock.now += 2_000;
    await expectAccepted(server, token);
  });

  /** Issuers that do not tell their keys apart, by what they call all of them. */
  const WITHOUT_NAMES: readonly [string, string | undefined][] = [
    ['has no kid', undefined],
    ['keeps its kid', 'always-the-same'],
  ];

  describe.each(WITHOUT_NAMES)('of an issuer whose new key %s', (_what, kid) => {
    let key: TestKey;

    /** The issuer publishes this key and no other. */
    async function replaceKey(): Promise<void> {
      const made = await generateTestKey({ alg: 'ES256' });
      const next = { ...made, publicJwk: { ...made.publicJwk, kid } as TestKey['publicJwk'] };
      server.issuer.withdraw(key ?? server.issuer.key);
      server.issuer.publish(next.publicJwk);
      key = next;
    }

    const signed = (claims = {}, by = key): Promise<string> => server.mint(claims, { key: by, header: { kid } });
    const forged = async (): Promise<string> => signed({}, await generateTestKey({ alg: 'ES256' }));

    beforeEach(async () => {
      await replaceKey();
      server.issuer.withdraw(server.issuer.key);
      await expectAccepted(server, await signed());
      server.issuer.clearRequests();
    });

    it('RFC8725-3.10-c: the new key works at once, for everybody who comes with it, by one fetch', async () => {
      await replaceKey();
      const tokens = await Promise.all(Array.from({ length: 50 }, () => signed()));
      const answers = await Promise.all(tokens.map((token) => server.callTool('ping', token)));
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
      expect(fetches()).toBe(1);
    });

    it('CONF-AUD: new keys under the same name work at once, again and again: a test suite may be run twice', async () => {
      for (let run = 0; run < 6; run++) {
        await replaceKey();
        await expectAccepted(server, await signed());
      }
      expect(fetches()).toBe(6);
    });

    it('RFC8725-3.10-c: the old key does not work any more', async () => {
      const old = await signed();
      await replaceKey();
      await expectAccepted(server, await signed());
      await expectRejected(server, old, 'signature_invalid');
    });

    it('RFC8725-3.10-c: forged tokens cost the issuer one request in a cool-down, and good ones are served meanwhile', async () => {
      for (let round = 1; round <= 3; round++) {
        for (let i = 0; i < 20; i++) {
          await expectRejected(server, await forged(), 'signature_invalid');
          await expectAccepted(server, await signed());
        }
        expect(fetches()).toBe(round);
        server.clock.now += COOL_DOWN_MS;
      }
    });

    it('RFC8725-3.10-c: forged tokens put a new key off until the cool-down is over, and no longer', async () => {
      await expectRejected(server, await forged(), 'signature_invalid');
      await replaceKey();
      await expectRejected(server, await signed(), 'signature_invalid');
      server.clock.now += PAUSE_MS;
      await expectAccepted(server, await signed());
    });

    it('RFC8725-3.10-c: while the issuer is down, nobody can tell, unless the token names a key', async () => {
      server.issuer.fail('error', 'jwks');
      const token = await forged();
      resetRecorded(server);
      if (kid === undefined) await expectRefusal(server, await server.callTool('ping', token), { status: 503, token });
      else await expectRejected(server, token, 'signature_invalid');
      await expectAccepted(server, await signed());
    });
  });

  it('RFC8725-3.10-c: cheap checks come first: a token that is refused anyway costs the issuer nothing', async () => {
    const key = await generateTestKey({ alg: 'ES256' });
    const hopeless = [
      server.mint({ iss: 'https://evil.example' }, { key }),
      server.mint({ aud: 'https://other.example' }, { key }),
      server.mint({ aud: undefined }, { key }),
      server.mint({ exp: 1 }, { key }),
      server.mint({ nbf: 9_999_999_999 }, { key }),
      server.mint({ nonce: 'n' }, { key }),
      server.mint({}, { key, header: { alg: 'HS256' } }),
      server.mint({}, { key, header: { typ: 'logout+jwt' } }),
      server.mint({}, { key, header: { crit: ['x'] } }),
    ];
    for (const token of await Promise.all(hopeless)) {
      resetRecorded(server);
      await expectRefusal(server, await server.callTool('ping', token), { status: 401, error: 'invalid_token', token });
    }
    expect(server.issuer.requests).toEqual([]);
  });
});

/** Runs the function so many times, that many of them at once. */
async function inBatches<T>(times: number, atOnce: number, run: () => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  while (results.length < times) results.push(...(await Promise.all(Array.from({ length: atOnce }, run))));
  return results;
}

/** An RSA key of any size, which {@link generateTestKey} does not make. */
function rsaKey(modulusLength: number): TestKey {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength });
  const kid = randomUUID();
  const publicJwk = { ...createPublicKey(privateKey).export({ format: 'jwk' }), kid, alg: 'RS256', use: 'sig' };
  return { kid, alg: 'RS256', privateKey, publicJwk: publicJwk as TestKey['publicJwk'] };
}
