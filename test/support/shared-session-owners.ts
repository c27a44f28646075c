import type { SessionOwnerStore } from '../../lib/shared-state/session-owner-store.js';

/** A store of the owners of sessions that several replicas of one test share. Can be made to fail, and to wait. */
export class SharedSessionOwners implements SessionOwnerStore {
  readonly owners = new Map<string, string>();
  /** While set, every call fails with it. */
  outage: Error | undefined;
  /** What `open` waits for. */
  pause: Promise<void> = Promise.resolve();
  /** Number of calls. */
  calls = 0;
  /** Answered instead of an owner. */
  nonsense: unknown;

  async open(session: string, owner: string): Promise<void> {
    this.#called();
    await this.pause;
    this.owners.set(session, owner);
  }

  async ownerOf(session: string): Promise<string | undefined> {
    this.#called();
    await Promise.resolve();
    return this.nonsense === undefined ? this.owners.get(session) : (this.nonsense as string);
  }

  async close(session: string): Promise<void> {
    this.#called();
    await Promise.resolve();
    this.owners.delete(session);
  }

  #called(): void {
    this.calls += 1;
    if (this.outage) throw this.outage;
  }
}
