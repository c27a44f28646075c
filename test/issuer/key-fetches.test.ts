import { beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { setImmediate as turn } from 'node:timers/promises';
import type { CryptoKey, JSONWebKeySet } from 'jose';
import { generateTestKey, type TestKey } from 'nestjs-mcp-auth/testing';
import type { Purpose } from '../../lib/issuer/purpose.js';
import { RemoteKeySet } from '../../lib/issuer/remote-key-set.js';

// Which tokens share a fetch of the keys of an issuer, and which cause one of their own, with fetches that end when they are told.

const TIMES = { freshMs: 1_000, staleMs: 10_000, unknownKeyCoolDownMs: 300, failureCoolDownMs: 100 };

let first: TestKey;
let second: TestKey;
let third: TestKey;
beforeAll(async () => {
  first = await generateTestKey({ alg: 'ES256', kid: 'first' });
  second = await generateTestKey({ alg: 'ES256', kid: 'second' });
  third = await generateTestKey({ alg: 'ES256', kid: 'third' });
});

let clock: number;
/** Why the issuer was asked, in order. */
let purposes: Purpose[];
/** What ends the fetches, in order. */
let fetches: { readonly resolve: (jwks: JSONWebKeySet) => void; readonly reject: (error: Error) => void }[];
let keys: RemoteKeySet;
beforeEach(() => {
  clock = 1_000_000;
  purposes = [];
  fetches = [];
  keys = keysWith();
});

function keysWith(changes: Partial<typeof TIMES> = {}): RemoteKeySet {
  const load = (purpose: Purpose): Promise<JSONWebKeySet> => {
    purposes.push(purpose);
    return new Promise((resolve, reject) => fetches.push({ resolve, reject }));
  };
  return new RemoteKeySet(
    load,
    () => clock,
    () => undefined,
    { ...TIMES, ...changes },
  );
}

/** Ends the last fetch with these keys. */
async function answer(...published: TestKey[]): Promise<void> {
  await turn();
  fetches.at(-1)?.resolve({ keys: published.map(({ publicJwk }) => publicJwk) } as JSONWebKeySet);
  await turn();
}

async function fail(): Promise<void> {
  await turn();
  fetches.at(-1)?.reject(new Error('down'));
  await turn();
}

/** How many keys there are for the kid, or the error and the seconds to wait. */
async function found(kid: string): Promise<unknown> {
  try {
    return (await keys.candidates({ alg: 'ES256', kid })).length;
  } catch (error) {
    const { name, message, retryAfterSeconds } = error as Error & { retryAfterSeconds?: number };
    return retryAfterSeconds === undefined ? message : [name, retryAfterSeconds];
  }
}

/** The same, where the issuer is asked and answers with the first key. */
async function lookedFor(kid: string): Promise<unknown> {
  const before = fetches.length;
  const looking = found(kid);
  await answer(first);
  expect(fetches).toHaveLength(before + 1);
  return looking;
}

const undecided = (seconds: number): unknown => ['KeyUndecidedError', seconds];

describe('a fetch for a token', () => {
  beforeEach(async () => {
    expect(await lookedFor('first')).toBe(1);
  });

  it('says that it is for one, whatever the token needs', async () => {
    const [key] = await keys.candidates({ alg: 'ES256', kid: 'first' });
    expect(await lookedFor('unknown')).toBe(0);
    clock += TIMES.freshMs;
    expect(await lookedFor('first')).toBe(1);
    clock += TIMES.freshMs;
    expect(keys.isPublished(key!)).toBe(true);
    await answer(first);
    clock += TIMES.staleMs;
    expect(await lookedFor('first')).toBe(1);
    expect(purposes).toEqual(['token', 'token', 'token', 'token', 'token']);
  });

  it('is not shared by a token of a newer key if it began before: such tokens share one more', async () => {
    clock += TIMES.freshMs;
    expect(await found('first')).toBe(1);
    const waiting = [found('second'), found('second')];
    await answer(first);
    expect(fetches).toHaveLength(3);
    await answer(first, second);
    expect(await Promise.all(waiting)).toEqual([1, 1]);
    expect(fetches).toHaveLength(3);
  });

  it('LIB-11: is not repeated for the 100 unknown keys that it looked for together', async () => {
    clock += TIMES.freshMs;
    expect(await found('first')).toBe(1);
    const kids = Array.from({ length: 101 }, (_none, index) => `unknown-${index}`);
    const waiting = kids.map(found);
    await answer(first);
    await answer(first);
    expect(await Promise.all(waiting)).toEqual(kids.map(() => 0));
    expect(await Promise.all(kids.map(found))).toEqual([...kids.slice(1).map(() => 0), undecided(1)]);
    expect(fetches).toHaveLength(3);
  });

  it('may find no key for a token that names none, which is no matter of doubt', async () => {
    const looking = keys.candidates({ alg: 'ES384' });
    await answer(first);
    expect(await looking).toEqual([]);
    expect(await keys.candidates({ alg: 'ES384' })).toEqual([]);
    expect(fetches).toHaveLength(2);
  });

  it('LIB-11: is told of after how many seconds it is possible again', async () => {
    keys = keysWith({ freshMs: Infinity, staleMs: Infinity });
    expect(await lookedFor('first')).toBe(1);
    for (const kid of ['x', 'y', 'z']) {
      expect(await lookedFor(kid)).toBe(0);
      expect(await found(kid)).toBe(0);
      clock += TIMES.unknownKeyCoolDownMs;
    }
    clock -= 1;
    expect([await found('z'), await found('x')]).toEqual([0, undecided(30)]);
    clock += 1;
    expect(await found('z')).toEqual(undecided(30));
    clock += 28_500;
    expect(await found('z')).toEqual(undecided(1));
    expect(fetches).toHaveLength(5);
  });

  it('LIB-11: for a wrong signature leaves those of unknown keys undecided for the pause after it', async () => {
    const tried = await keys.candidates({ alg: 'ES256', kid: 'first' });
    const replaced = keys.replacements(tried, { alg: 'ES256', kid: 'first' });
    await answer(first);
    expect(await replaced).toEqual([]);
    expect(await found('unknown')).toEqual(undecided(1));
    expect(fetches).toHaveLength(2);
  });
});

describe('the keys that replace those that did not verify a token', () => {
  /** Those for the header, or the message of the error. The issuer answers with the keys, if there are any, or fails. */
  async function replacing(tried: readonly CryptoKey[], kid: string | undefined, published?: TestKey[]) {
    const looking = keys.replacements(tried, { alg: 'ES256', kid }).catch((error: Error) => error.message);
    await (published ? answer(...published) : fail());
    return looking;
  }

  it('are those that the issuer published since, whoever else is there', async () => {
    const all = keys.candidates({ alg: 'ES256' });
    await answer(first, second);
    const tried = await all;
    expect(tried).toHaveLength(2);
    expect(await replacing(tried, undefined, [second, first])).toEqual([]);
    clock += TIMES.unknownKeyCoolDownMs;
    const newer = await replacing(tried, undefined, [first, third, second]);
    expect(newer).toEqual(await keys.candidates({ alg: 'ES256', kid: 'third' }));
    expect(newer).toHaveLength(1);
    expect(fetches).toHaveLength(3);
  });

  it('LIB-10: are undecided while the issuer does not answer, unless the token names the key that failed', async () => {
    await lookedFor('first');
    const [key] = await keys.candidates({ alg: 'ES256', kid: 'first' });
    expect(await replacing([key!], undefined)).toBe('down');
    clock += TIMES.failureCoolDownMs;
    expect(await replacing([key!], 'first')).toEqual([]);
    expect(await replacing([], 'first')).toEqual([key]);
    expect(await replacing([], undefined)).toEqual([key]);
    clock += TIMES.unknownKeyCoolDownMs;
    expect(await replacing([key!], undefined, [first])).toEqual([]);
  });
});

describe('a fetch of the start', () => {
  it('is made when the keys are too old', async () => {
    expect(await lookedFor('first')).toBe(1);
    clock += TIMES.staleMs - 1;
    await keys.warmUp();
    expect(fetches).toHaveLength(1);
    clock += 1;
    const start = keys.warmUp();
    await answer(first);
    await start;
    expect(purposes).toEqual(['token', 'start']);
  });

  it('is followed by another for a token that waited for it, if it fails', async () => {
    const start = keys.warmUp();
    const token = found('first');
    await fail();
    await start;
    expect(purposes).toEqual(['start', 'token']);
    await answer(first);
    expect(await token).toBe(1);
    await keys.warmUp();
    expect(fetches).toHaveLength(2);
  });

  it('is followed by none for those who asked at the start, too', async () => {
    keys = keysWith({ failureCoolDownMs: 0 });
    const starts = [keys.warmUp(), keys.warmUp()];
    await fail();
    expect(purposes).toEqual(['start']);
    await Promise.all(starts);
  });
});
