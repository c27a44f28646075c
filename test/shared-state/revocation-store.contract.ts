import { createHash } from 'node:crypto';
import { beforeEach, describe, expect, it } from '@jest/globals';
import type { RevocationStore, StoredRevocation } from '../../lib/shared-state/revocation-store.js';

const HOUR = 3_600_000;

function revocation(name: string, later = 0): StoredRevocation {
  const key = createHash('sha256').update(name).digest('base64url');
  return { key, issuedBefore: Date.now() + later, until: Date.now() + HOUR + later };
}

/** All that a store has after a cursor, part by part, as a replica reads it. */
export async function readAll(store: RevocationStore, after?: string) {
  const revocations: StoredRevocation[] = [];
  let { cursor, isFromStart, hasMore, ...part } = await store.changes(after);
  revocations.push(...part.revocations);
  while (hasMore) {
    const next = await store.changes(cursor);
    expect(next.isFromStart).toBe(false);
    ({ cursor, hasMore } = next);
    revocations.push(...next.revocations);
  }
  return { revocations, cursor, isFromStart };
}

/**
 * What every store of revocations must do.
 *
 * @param create a store without entries, and a function that makes it lose its content, where a test can
 */
export function revocationStoreContract(
  name: string,
  create: () => Promise<{ store: RevocationStore; lose?: () => Promise<void> | void }>,
): void {
  describe(`${name}, as a store of revocations`, () => {
    let store: RevocationStore;
    let lose: (() => Promise<void> | void) | undefined;
    beforeEach(async () => {
      ({ store, lose } = await create());
    });

    it('LIB-27: begins empty, with a cursor', async () => {
      const { revocations, cursor, isFromStart } = await readAll(store);
      expect(revocations).toEqual([]);
      expect(isFromStart).toBe(true);
      expect(cursor).toMatch(/^.{1,256}$/);
    });

    it('LIB-27: answers with all entries without a cursor, in their order', async () => {
      const [one, two] = [revocation('one'), revocation('two')];
      await store.add(one);
      await store.add(two);
      expect(await readAll(store)).toMatchObject({ revocations: [one, two], isFromStart: true });
    });

    it('LIB-27: answers with new entries alone after a cursor, also after that of an empty store', async () => {
      const empty = await readAll(store);
      const [one, two] = [revocation('one'), revocation('two')];
      await store.add(one);
      const first = await readAll(store, empty.cursor);
      expect(first.revocations).toEqual([one]);
      await store.add(two);
      const second = await readAll(store, first.cursor);
      expect(second).toMatchObject({ revocations: [two], isFromStart: false });
      expect((await readAll(store, second.cursor)).revocations).toEqual([]);
      // An old cursor still works.
      expect((await readAll(store, first.cursor)).revocations).toEqual([two]);
    });

    it('LIB-27: tells of a key that is added again, with its greatest times', async () => {
      const [early, late] = [revocation('one'), revocation('one', 1_000)];
      await store.add(late);
      const { cursor } = await readAll(store);
      await store.add(early);
      await store.add(late);
      const all = (await readAll(store)).revocations;
      expect(all.every(({ key }) => key === late.key)).toBe(true);
      expect(Math.max(...all.map(({ issuedBefore }) => issuedBefore))).toBe(late.issuedBefore);
      expect(Math.max(...all.map(({ until }) => until))).toBe(late.until);
      for (const one of (await readAll(store, cursor)).revocations) expect(one.key).toBe(late.key);
    });

    it('LIB-27: gives many entries to a replica that begins, and to one that goes on', async () => {
      const { cursor } = await readAll(store);
      const many = Array.from({ length: 500 }, (_, index) => revocation(`entry ${index}`));
      await Promise.all(many.map((one) => store.add(one)));
      const keys = (entries: readonly StoredRevocation[]): string[] => entries.map(({ key }) => key).toSorted();
      expect(keys((await readAll(store)).revocations)).toEqual(keys(many));
      expect(keys((await readAll(store, cursor)).revocations)).toEqual(keys(many));
    });

    it('LIB-27: begins again for a cursor that it does not know', async () => {
      const one = revocation('one');
      await store.add(one);
      for (const cursor of ['', 'of another store', '99999999999999-0', '-1', 'x'.repeat(256)]) {
        expect(await readAll(store, cursor)).toMatchObject({ revocations: [one], isFromStart: true });
      }
    });

    it('LIB-27: says that it lost its content, even if it holds as many entries again', async () => {
      if (!lose) return;
      await store.add(revocation('one'));
      const { cursor } = await readAll(store);
      await lose();
      expect(await readAll(store, cursor)).toMatchObject({ revocations: [], isFromStart: true });
      const two = revocation('two');
      await store.add(two);
      expect(await readAll(store, cursor)).toMatchObject({ revocations: [two], isFromStart: true });
    });
  });
}
