import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import type { DownstreamTokenStore } from '../../lib/shared-state/downstream-token-store.js';
import { someKey } from './replay-store.contract.js';

const MINUTE = 60_000;

export const someGeneration = (): string => randomBytes(16).toString('base64url');

/** What every store of tokens for APIs must do. Two stores share their state, or are one. */
export function downstreamTokenStoreContract(
  name: string,
  stores: () => readonly [DownstreamTokenStore, DownstreamTokenStore],
): void {
  describe(`${name}, as a store of tokens for APIs`, () => {
    it('has what was set last, everywhere, and for one owner and key', async () => {
      const [one, other] = stores();
      const [owner, key, generation] = [someKey(), someKey(), someGeneration()];
      expect((await one.get(owner, key, generation, MINUTE)).value ?? undefined).toBeUndefined();
      await one.set(owner, key, 'a.first', MINUTE);
      await other.set(owner, key, 'a.second', MINUTE);
      expect(await one.get(owner, key, someGeneration(), MINUTE)).toEqual({ generation, value: 'a.second' });
      expect((await one.get(owner, someKey(), someGeneration(), MINUTE)).value).toBeUndefined();
      expect((await one.get(someKey(), key, someGeneration(), MINUTE)).value).toBeUndefined();
    });

    it('gives an owner one generation, whoever asks first', async () => {
      const [one, other] = stores();
      const owner = someKey();
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          (index % 2 === 0 ? one : other).get(owner, someKey(), someGeneration(), MINUTE),
        ),
      );
      expect(new Set(answers.map(({ generation }) => generation)).size).toBe(1);
    });

    it('gives an owner another generation', async () => {
      const [one, other] = stores();
      const [owner, key, generation] = [someKey(), someKey(), someGeneration()];
      await one.get(owner, key, someGeneration(), MINUTE);
      await other.forget(owner, generation, MINUTE);
      expect((await one.get(owner, key, someGeneration(), MINUTE)).generation).toBe(generation);
      const unknown = someKey();
      await one.forget(unknown, generation, MINUTE);
      expect((await other.get(unknown, key, someGeneration(), MINUTE)).generation).toBe(generation);
    });

    it('forgets a value, unless another one has replaced it', async () => {
      const [one, other] = stores();
      const [owner, key] = [someKey(), someKey()];
      const valueNow = async (): Promise<string | undefined> =>
        (await one.get(owner, key, someGeneration(), MINUTE)).value;
      await one.set(owner, key, 'a.first', MINUTE);
      await other.delete(owner, key, 'a.other');
      expect(await valueNow()).toBe('a.first');
      await other.delete(owner, key, 'a.first');
      expect(await valueNow()).toBeUndefined();
      await other.delete(owner, key, 'a.first');
    });

    it('keeps the longest values', async () => {
      const [one, other] = stores();
      const [owner, key, value] = [someKey(), someKey(), 'a'.repeat(24_064)];
      await one.set(owner, key, value, MINUTE);
      expect((await other.get(owner, key, someGeneration(), MINUTE)).value).toBe(value);
    });
  });
}
