import { randomUUID } from 'node:crypto';
import type { RevocationChanges, RevocationStore, StoredRevocation } from '../../lib/shared-state/revocation-store.js';

/** A store that several replicas of one test share. Can be made to fail, and to lose its content. */
export class SharedRevocations implements RevocationStore {
  #entries: StoredRevocation[] = [];
  #epoch = randomUUID();
  /** While set, every call fails with it. */
  outage: Error | undefined;
  /** Most entries in one answer. */
  pageSize = 100;
  /** Number of calls of `changes`. */
  reads = 0;

  get entries(): readonly StoredRevocation[] {
    return this.#entries;
  }

  /** Like a restart without persistence. */
  lose(): void {
    this.#entries = [];
    this.#epoch = randomUUID();
  }

  async add(revocation: StoredRevocation): Promise<void> {
    await Promise.resolve();
    if (this.outage) throw this.outage;
    this.#entries.push({ ...revocation });
  }

  async changes(after: string | undefined): Promise<RevocationChanges> {
    this.reads += 1;
    await Promise.resolve();
    if (this.outage) throw this.outage;
    const [epoch, position] = after?.split(' ') ?? [];
    const isFromStart = epoch !== this.#epoch;
    const begin = isFromStart ? 0 : Number(position);
    const end = Math.min(begin + this.pageSize, this.#entries.length);
    return {
      revocations: this.#entries.slice(begin, end),
      cursor: `${this.#epoch} ${end}`,
      isFromStart,
      hasMore: end < this.#entries.length,
    };
  }
}
