import { describe, expect, it } from '@jest/globals';
import type { SessionOwnerStore } from '../../lib/shared-state/session-owner-store.js';
import { someKey } from './replay-store.contract.js';

/** What every store of the owners of sessions must do. Two stores share their state, or are one. */
export function sessionOwnerStoreContract(
  name: string,
  stores: () => readonly [SessionOwnerStore, SessionOwnerStore],
): void {
  describe(`${name}, as a store of the owners of sessions`, () => {
    it('knows the owner of a session everywhere, until it is closed', async () => {
      const [one, other] = stores();
      const [session, owner] = [someKey(), `${someKey()} 1700000000000 ${someKey()}`];
      expect(await other.ownerOf(session)).toBeUndefined();
      await one.open(session, owner);
      expect(await other.ownerOf(session)).toBe(owner);
      expect(await one.ownerOf(session)).toBe(owner);
      await other.close(session);
      expect(await one.ownerOf(session)).toBeUndefined();
      await one.close(session);
    });

    it('takes the last owner of a session', async () => {
      const [one, other] = stores();
      const session = someKey();
      await one.open(session, 'alice');
      await other.open(session, 'bob');
      expect(await one.ownerOf(session)).toBe('bob');
    });

    it('keeps long owners', async () => {
      const [one, other] = stores();
      const session = someKey();
      await one.open(session, 'a'.repeat(2_000));
      expect(await other.ownerOf(session)).toBe('a'.repeat(2_000));
    });
  });
}
