import { randomBytes } from 'node:crypto';
import { expect, it } from '@jest/globals';
import type { ReplayStore } from 'nestjs-mcp-auth';

const MINUTE = 60_000;

/** A key as the library makes them. */
export const someKey = (): string => randomBytes(32).toString('base64url');

/** A time that is late enough for a store that has just begun. */
export const laterOn = (): number => Date.now() + 10_000;

/** What every {@link ReplayStore} promises. Two stores share their state, or are one. */
export function keepsReplayContract(stores: () => readonly [ReplayStore, ReplayStore]): void {
  it('RFC9449-11.1-a: inserts a key once, whatever the times it is given', async () => {
    const [one, other] = stores();
    const key = someKey();
    expect(await one.insertOnce(key, Date.now() + MINUTE, laterOn())).toBe(true);
    expect(await one.insertOnce(key, Date.now() + MINUTE, laterOn())).toBe(false);
    expect(await other.insertOnce(key, Date.now() + 9 * MINUTE, laterOn())).toBe(false);
    expect(await other.insertOnce(someKey(), Date.now() + MINUTE, laterOn())).toBe(true);
  });

  it('RFC9449-11.1-a: gives true to exactly one of fifty concurrent calls with one key', async () => {
    const [one, other] = stores();
    for (let round = 0; round < 5; round += 1) {
      const key = someKey();
      const insert = (index: number): unknown =>
        (index % 2 ? one : other).insertOnce(key, Date.now() + MINUTE, laterOn());
      const answers = await Promise.all(Array.from({ length: 50 }, (_, index) => insert(index)));
      expect(answers.filter((answer) => answer === true)).toHaveLength(1);
      expect(answers.filter((answer) => answer === false)).toHaveLength(49);
    }
  });

  it('keeps keys apart', async () => {
    const [one] = stores();
    const keys = Array.from({ length: 100 }, someKey);
    const answers = await Promise.all(keys.map((key) => one.insertOnce(key, Date.now() + MINUTE, laterOn())));
    expect(new Set(answers)).toEqual(new Set([true]));
  });
}
