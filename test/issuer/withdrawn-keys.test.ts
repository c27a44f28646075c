import { beforeEach, describe, expect, it } from '@jest/globals';
import type { CryptoKey, JSONWebKeySet } from 'jose';
import { generateTestKey, type TestKey } from 'nestjs-mcp-auth/testing';
import type { KeyHint } from '../../lib/issuer/key-set.js';
import { RemoteKeySet } from '../../lib/issuer/remote-key-set.js';
import { StaticKeySet } from '../../lib/issuer/static-key-set.js';

const TIMES = { freshMs: 1_000, staleMs: 10_000, unknownKeyCoolDownMs: 100, failureCoolDownMs: 50 };

const hintFor = ({ alg, kid }: TestKey): KeyHint => ({ alg, kid });

describe('whether a key set still holds a key', () => {
  let now: number;
  let published: TestKey[];
  let fetches: number;
  let failure: Error | undefined;
  let keys: RemoteKeySet;
  let [first, second]: TestKey[] = [];

  beforeEach(async () => {
    [first, second] = [await generateTestKey({ alg: 'ES256' }), await generateTestKey({ alg: 'ES256' })];
    now = 0;
    fetches = 0;
    failure = undefined;
    published = [first!];
    const load = async (): Promise<JSONWebKeySet> => {
      fetches++;
      if (failure) throw failure;
      // Another object each time, as from the network.
      return structuredClone({ keys: published.map(({ publicJwk }) => publicJwk) });
    };
    keys = new RemoteKeySet(
      load,
      () => now,
      () => undefined,
      TIMES,
    );
  });

  const take = async (key: TestKey): Promise<CryptoKey> => (await keys.candidates(hintFor(key)))[0]!;
  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  it('is so for a key that came from there, and not for another', async () => {
    const key = await take(first!);
    expect(keys.isPublished(key)).toBe(true);
    const [stranger] = await new StaticKeySet({ keys: [first!.publicJwk] }).candidates(hintFor(first!));
    expect(keys.isPublished(stranger!)).toBe(false);
    await settled();
    expect(fetches).toBe(1);
  });

  it('is not so before anything was fetched', async () => {
    const key = await take(first!);
    const fresh = new RemoteKeySet(
      async () => ({ keys: [] }),
      () => now,
      () => undefined,
      TIMES,
    );
    expect(fresh.isPublished(key)).toBe(false);
  });

  it('stays so when the same keys are fetched again', async () => {
    const key = await take(first!);
    now += TIMES.freshMs;
    await take(first!);
    await settled();
    expect(fetches).toBe(2);
    expect(keys.isPublished(key)).toBe(true);
    expect(await take(first!)).toBe(key);
  });

  it('ends when keys without it are fetched', async () => {
    const key = await take(first!);
    published = [second!];
    now += TIMES.unknownKeyCoolDownMs;
    await take(second!);
    expect(keys.isPublished(key)).toBe(false);
  });

  it('ends when other keys join it, until it is taken again', async () => {
    const key = await take(first!);
    published = [first!, second!];
    now += TIMES.unknownKeyCoolDownMs;
    await take(second!);
    expect(keys.isPublished(key)).toBe(false);
    expect(keys.isPublished(await take(first!))).toBe(true);
  });

  it('has keys fetched that are no longer fresh, once for all who ask', async () => {
    const key = await take(first!);
    published = [second!];
    now += TIMES.freshMs;
    expect([keys.isPublished(key), keys.isPublished(key)]).toEqual([true, true]);
    await settled();
    expect(fetches).toBe(2);
    expect(keys.isPublished(key)).toBe(false);
  });

  it('outlasts a failure to fetch, but not for ever', async () => {
    const key = await take(first!);
    failure = new Error('down');
    now += TIMES.staleMs - 1;
    expect(keys.isPublished(key)).toBe(true);
    await settled();
    expect(keys.isPublished(key)).toBe(true);
    now += 1;
    expect(keys.isPublished(key)).toBe(false);
  });

  it('is always so for keys of the configuration', async () => {
    const fixed = new StaticKeySet({ keys: [first!.publicJwk] });
    const [key] = await fixed.candidates(hintFor(first!));
    expect(fixed.isPublished(key!)).toBe(true);
  });
});
