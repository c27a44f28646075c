import { beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { setImmediate as turn } from 'node:timers/promises';
import type { JSONWebKeySet } from 'jose';
import { generateTestKey, type TestKey } from 'nestjs-mcp-auth/testing';
import { KeySet } from '../../lib/issuer/key-set.js';
import { RemoteKeySet } from '../../lib/issuer/remote-key-set.js';
import { StaticKeySet } from '../../lib/issuer/static-key-set.js';

const TIMES = { freshMs: 1_000, staleMs: 10_000, unknownKeyCoolDownMs: 300, failureCoolDownMs: 100 };

/** The issuer's side: what a fetch finds, and how many there were. */
class Publisher {
  keys: unknown[] = [];
  /** What a fetch fails with instead. */
  failure: Error | undefined;
  fetches = 0;
  #held: (() => void)[] | undefined;

  readonly load = async (): Promise<JSONWebKeySet> => {
    this.fetches++;
    if (this.#held) await new Promise<void>((release) => this.#held?.push(release));
    if (this.failure) throw this.failure;
    return { keys: [...this.keys] } as JSONWebKeySet;
  };

  /** Lets fetches begin and not end, until {@link release}. */
  hold(): void {
    this.#held = [];
  }

  async release(): Promise<void> {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const release of held) release();
    await turn();
  }
}

let first: TestKey;
let second: TestKey;
beforeAll(async () => {
  [first, second] = await Promise.all([
    generateTestKey({ alg: 'ES256', kid: 'first' }),
    generateTestKey({ alg: 'ES256', kid: 'second' }),
  ]);
});

/** How many keys a set has for this kid; any, where there is none. */
async function found(keys: KeySet, kid?: string, alg = 'ES256'): Promise<number> {
  const header = { alg, ...(kid !== undefined && { kid }) };
  return (await keys.candidates(header)).length;
}

describe('RemoteKeySet', () => {
  let publisher: Publisher;
  let clock: number;
  let failures: unknown[];
  let keys: RemoteKeySet;
  beforeEach(() => {
    publisher = new Publisher();
    publisher.keys = [first.publicJwk];
    clock = 1_000_000;
    failures = [];
    keys = new RemoteKeySet(
      publisher.load,
      () => clock,
      (error) => failures.push(error),
      TIMES,
    );
  });

  it('fetches nothing before it is asked', async () => {
    await turn();
    expect(publisher.fetches).toBe(0);
  });

  it('fetches once, and then knows', async () => {
    expect(await found(keys, 'first')).toBe(1);
    clock += TIMES.freshMs - 1;
    expect(await found(keys, 'first')).toBe(1);
    expect(publisher.fetches).toBe(1);
  });

  it('fetches once for all who ask before there is an answer', async () => {
    publisher.hold();
    const asked = Array.from({ length: 50 }, () => found(keys, 'first'));
    await turn();
    await publisher.release();
    expect(await Promise.all(asked)).toEqual(Array.from({ length: 50 }, () => 1));
    expect(publisher.fetches).toBe(1);
  });

  describe('when the clock is set back', () => {
    const AN_HOUR = 3_600_000;

    it('fetches again after a failure, and does not wait until the clock has caught up', async () => {
      publisher.failure = new Error('down');
      await expect(found(keys, 'first')).rejects.toThrow('down');
      publisher.failure = undefined;
      clock -= AN_HOUR;
      expect(await found(keys, 'first')).toBe(1);
    });

    it('takes keys for as old as the clock was set back', async () => {
      expect(await found(keys, 'first')).toBe(1);
      publisher.keys = [second.publicJwk];
      clock -= AN_HOUR;
      expect(await found(keys, 'first')).toBe(0);
    });

    it('looks for a key it does not have', async () => {
      await found(keys, 'first');
      clock += TIMES.unknownKeyCoolDownMs;
      expect(await found(keys, 'second')).toBe(0);
      publisher.keys.push(second.publicJwk);
      clock -= TIMES.unknownKeyCoolDownMs;
      expect(await found(keys, 'second')).toBe(1);
    });
  });

  describe('a key it does not have', () => {
    beforeEach(async () => {
      await found(keys, 'first');
      publisher.fetches = 0;
      clock += TIMES.unknownKeyCoolDownMs;
    });

    it('is looked for at the issuer', async () => {
      publisher.keys.push(second.publicJwk);
      expect(await found(keys, 'second')).toBe(1);
      expect(publisher.fetches).toBe(1);
    });

    it('is looked for once in a cool-down, in which nobody can tell about any other', async () => {
      expect(await found(keys, 'x')).toBe(0);
      for (const kid of ['y', 'x y', 'z'])
        await expect(found(keys, kid)).rejects.toMatchObject({ name: 'KeyUndecidedError', retryAfterSeconds: 1 });
      expect(await found(keys, 'x')).toBe(0);
      expect(publisher.fetches).toBe(1);
      publisher.keys.push(second.publicJwk);
      clock += TIMES.unknownKeyCoolDownMs - 1;
      await expect(found(keys, 'second')).rejects.toMatchObject({ name: 'KeyUndecidedError' });
      clock += 1;
      expect(await found(keys, 'second')).toBe(1);
      expect(publisher.fetches).toBe(2);
    });

    it('is no matter of doubt where the issuer has that name for something else, or the token has none', async () => {
      expect(await found(keys, 'x')).toBe(0);
      expect(await found(keys, 'first', 'ES384')).toBe(0);
      expect(await found(keys, undefined, 'ES384')).toBe(0);
      expect(publisher.fetches).toBe(1);
    });

    it('is looked for at once, and after any number that were found', async () => {
      for (const kid of ['second', 'third', 'fourth', 'fifth', 'sixth']) {
        publisher.keys.push({ ...second.publicJwk, kid });
        expect(await found(keys, kid)).toBe(1);
      }
      expect(publisher.fetches).toBe(5);
    });

    it('is looked for in vain three times in a row, and then once in 30 seconds, however many are named', async () => {
      const lasting = new RemoteKeySet(
        publisher.load,
        () => clock,
        () => undefined,
        { ...TIMES, freshMs: Infinity, staleMs: Infinity },
      );
      await found(lasting, 'first');
      publisher.fetches = 0;
      const end = clock + 600_000;
      for (let kid = 0; clock < end; clock += 100, kid++) {
        await found(lasting, `made-up-${kid}`).catch((error: Error) => expect(error.name).toBe('KeyUndecidedError'));
        expect(await found(lasting, 'first')).toBe(1);
      }
      expect(publisher.fetches).toBe(3 + 19);
    });

    it('is not looked for again where its name is that of the last', async () => {
      for (let i = 0; i < 10; i++) expect(await found(keys, 'withdrawn')).toBe(0);
      expect(publisher.fetches).toBe(1);
    });

    it('is not put off by those who ask in vain', async () => {
      expect(await found(keys, 'x')).toBe(0);
      publisher.keys.push(second.publicJwk);
      for (let elapsed = 0; elapsed < TIMES.unknownKeyCoolDownMs; elapsed += 10) {
        expect(await found(keys, 'x')).toBe(0);
        clock += 10;
      }
      expect(await found(keys, 'second')).toBe(1);
    });

    it('is found by everybody who waits for the same fetch', async () => {
      publisher.keys.push(second.publicJwk);
      publisher.hold();
      const asked = Array.from({ length: 50 }, () => found(keys, 'second'));
      await turn();
      await publisher.release();
      expect(await Promise.all(asked)).toEqual(Array.from({ length: 50 }, () => 1));
      expect(publisher.fetches).toBe(1);
    });

    it('keeps nobody waiting whose key is there', async () => {
      publisher.hold();
      const unknown = found(keys, 'second');
      await turn();
      expect(await found(keys, 'first')).toBe(1);
      await publisher.release();
      expect(await unknown).toBe(0);
    });

    it('is not called unknown while the issuer does not answer', async () => {
      publisher.failure = new Error('down');
      await expect(found(keys, 'second')).rejects.toThrow('down');
      await expect(found(keys, 'second')).rejects.toThrow('down');
      expect(await found(keys, 'first')).toBe(1);
      expect(publisher.fetches).toBe(1);
    });

    it('is found as soon as the issuer answers again', async () => {
      publisher.failure = new Error('down');
      await expect(found(keys, 'second')).rejects.toThrow('down');
      publisher.failure = undefined;
      publisher.keys.push(second.publicJwk);
      clock += TIMES.failureCoolDownMs;
      expect(await found(keys, 'second')).toBe(1);
    });
  });

  describe('age', () => {
    beforeEach(async () => {
      await found(keys, 'first');
      publisher.fetches = 0;
    });

    it('fetches again in the background, while the old keys serve on', async () => {
      clock += TIMES.freshMs;
      publisher.keys = [second.publicJwk];
      publisher.hold();
      expect(await found(keys, 'first')).toBe(1);
      expect(await found(keys, 'first')).toBe(1);
      expect(publisher.fetches).toBe(1);
      await publisher.release();
      expect(await found(keys, 'second')).toBe(1);
      expect(publisher.fetches).toBe(1);
      clock += TIMES.unknownKeyCoolDownMs;
      expect(await found(keys, 'first')).toBe(0);
    });

    it('uses the old keys for a limited time where fetching fails', async () => {
      publisher.failure = new Error('down');
      clock += TIMES.staleMs - 1;
      expect(await found(keys, 'first')).toBe(1);
      await turn();
      expect(failures).toEqual([publisher.failure]);
      clock += 1;
      await expect(found(keys, 'first')).rejects.toThrow('down');
    });

    it('counts the time from the last fetch that succeeded', async () => {
      clock += TIMES.freshMs;
      await found(keys, 'first');
      await turn();
      publisher.failure = new Error('down');
      clock += TIMES.staleMs - 1;
      expect(await found(keys, 'first')).toBe(1);
    });

    it('waits for new keys where the old ones are too old', async () => {
      clock += TIMES.staleMs;
      publisher.keys = [second.publicJwk];
      expect(await found(keys, 'second')).toBe(1);
      expect(publisher.fetches).toBe(1);
    });

    it('lets a failure in the background harm nobody, and tries again after the cool-down', async () => {
      publisher.failure = new Error('down');
      clock += TIMES.freshMs;
      for (let i = 0; i < 5; i++) expect(await found(keys, 'first')).toBe(1);
      await turn();
      for (let i = 0; i < 5; i++) expect(await found(keys, 'first')).toBe(1);
      expect(publisher.fetches).toBe(1);
      clock += TIMES.failureCoolDownMs;
      publisher.failure = undefined;
      expect(await found(keys, 'first')).toBe(1);
      await turn();
      expect(publisher.fetches).toBe(2);
      expect(failures).toHaveLength(1);
    });
  });

  describe('an issuer that does not answer', () => {
    beforeEach(() => {
      publisher.failure = new Error('down');
    });

    it('makes every token undecided, and says so to the operator', async () => {
      await expect(found(keys, 'first')).rejects.toThrow('down');
      expect(failures).toEqual([publisher.failure]);
    });

    it('is asked once for all who wait', async () => {
      publisher.hold();
      const asked = Array.from({ length: 50 }, () => found(keys, 'first').catch((error: Error) => error.message));
      await turn();
      await publisher.release();
      expect(new Set(await Promise.all(asked))).toEqual(new Set(['down']));
      expect(publisher.fetches).toBe(1);
      expect(failures).toHaveLength(1);
    });

    it('is left alone for a while', async () => {
      for (let i = 0; i < 5; i++) await expect(found(keys, 'first')).rejects.toThrow('down');
      clock += TIMES.failureCoolDownMs - 1;
      await expect(found(keys, 'first')).rejects.toThrow('down');
      expect(publisher.fetches).toBe(1);
      clock += 1;
      await expect(found(keys, 'first')).rejects.toThrow('down');
      expect(publisher.fetches).toBe(2);
    });

    it('is believed again when it answers', async () => {
      await expect(found(keys, 'first')).rejects.toThrow('down');
      publisher.failure = undefined;
      clock += TIMES.failureCoolDownMs;
      expect(await found(keys, 'first')).toBe(1);
    });

    it('is one whose answer is no key set', async () => {
      publisher.failure = undefined;
      publisher.keys = undefined as unknown as unknown[];
      await expect(found(keys, 'first')).rejects.toThrow();
      expect(failures).toHaveLength(1);
    });
  });

  it('has the times of a patient client where it is told none', async () => {
    const patient = new RemoteKeySet(
      publisher.load,
      () => clock,
      (error) => failures.push(error),
    );
    await found(patient, 'first');
    clock += 10 * 60_000 - 1;
    await found(patient, 'first');
    await turn();
    expect(publisher.fetches).toBe(1);
    clock += 1;
    await found(patient, 'first');
    await turn();
    expect(publisher.fetches).toBe(2);
    clock += 6 * 3_600_000;
    publisher.failure = new Error('down');
    await expect(found(patient, 'first')).rejects.toThrow('down');
  });
});

describe.each(['StaticKeySet', 'RemoteKeySet'] as const)('the keys of a %s', (kind) => {
  const setOf = (...keys: unknown[]): KeySet => {
    const jwks = { keys } as JSONWebKeySet;
    return kind === 'StaticKeySet'
      ? new StaticKeySet(jwks)
      : new RemoteKeySet(
          () => Promise.resolve(jwks),
          () => 0,
          () => undefined,
        );
  };

  it('are replaced by none while the issuer publishes the same', async () => {
    const keys = setOf(first.publicJwk);
    const header = { alg: 'ES256', kid: 'first' };
    expect(await keys.replacements(await keys.candidates(header), header)).toEqual([]);
  });

  it('are found by kid', async () => {
    const keys = setOf(first.publicJwk, second.publicJwk);
    expect(await found(keys, 'first')).toBe(1);
    expect(await found(keys, 'third')).toBe(0);
  });

  it('are known at once to whoever asks again', async () => {
    const keys = setOf(first.publicJwk);
    const header = { alg: 'ES256', kid: 'first' };
    const known = await keys.candidates(header);
    expect(keys.candidates(header)).toBe(known);
  });

  it('are all candidates where the header does not tell', async () => {
    const edwards = await generateTestKey({ alg: 'EdDSA' });
    expect(await found(setOf(first.publicJwk, second.publicJwk, edwards.publicJwk))).toBe(2);
    expect(await found(setOf(first.publicJwk, { ...second.publicJwk, kid: 'first' }), 'first')).toBe(2);
  });

  it('are candidates only for what they are for', async () => {
    const keys = setOf(first.publicJwk, { ...second.publicJwk, use: 'enc' });
    expect(await found(keys, 'second')).toBe(0);
    expect(await found(keys, 'first', 'ES384')).toBe(0);
    expect(await found(keys, 'first', 'RS256')).toBe(0);
  });

  it('leave out what cannot be used, one by one', async () => {
    const secret = { kty: 'oct', k: 'AAAA', kid: 'first' };
    const privateKey = { ...second.publicJwk, d: second.privateKey.export({ format: 'jwk' }).d };
    const garbage = [
      null,
      'key',
      7,
      [],
      {},
      { kty: 'EC' },
      { kty: 'EC', crv: 'P-256', x: '!', y: '!', kid: 'first', alg: 'ES256' },
    ];
    expect(await found(setOf(...garbage, secret, privateKey, first.publicJwk), 'first')).toBe(1);
    expect(await found(setOf(privateKey), 'second')).toBe(0);
  });

  it.each(['HS256', 'none', 'dir', 'toString', ''])('have no candidate for alg %j, whatever there is', async (alg) => {
    const secret = { kty: 'oct', k: 'AAAA', kid: 'first', alg };
    expect(await found(setOf(secret, first.publicJwk, { ...first.publicJwk, alg: undefined }), 'first', alg)).toBe(0);
  });

  it('verify, whatever else the pair can do', async () => {
    expect(await found(setOf({ ...first.publicJwk, use: undefined, key_ops: ['sign', 'verify'] }), 'first')).toBe(1);
    expect(await found(setOf({ ...first.publicJwk, use: undefined, key_ops: ['sign'] }), 'first')).toBe(0);
  });

  it('are none in an empty set', async () => {
    expect(await found(setOf(), 'first')).toBe(0);
  });
});
