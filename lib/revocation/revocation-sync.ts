import { withinTime, type TimeLimit } from '../core/deadline.js';
import { unavailable } from '../core/error.js';
import type { RevocationChanges, RevocationStore, StoredRevocation } from '../shared-state/revocation-store.js';
import { joined, type RevocationList } from './revocation-list.js';
import type { RevocationReports } from './revocation-reports.js';
import { readChanges } from './store-answer.js';

/** Longest time that one call of the store may take, in milliseconds. */
const CALL_MS = 2_000;

/** Most answers that one reading takes. A store with more than that never ends. */
const MAX_PARTS = 100_000;

/** What a replica needs to read and write a store. */
export interface SyncSettings {
  readonly store: RevocationStore;
  readonly reports: RevocationReports;
  /** Milliseconds by a clock that never goes back. */
  readonly monotonic: () => number;
  readonly pollMs: number;
  readonly staleMs: number;
}

/**
 * Keeps the list of this replica like the store that all replicas share. What the store does not have, although this replica
 * knows it, is added again: the store may have lost its content, or may not have taken it.
 */
export class RevocationSync {
  #cursor: string | undefined;
  #readAt = -Infinity;
  #failure: { readonly error: unknown; readonly at: number } | undefined;
  #reading: Promise<void> | undefined;
  readonly #unsaved = new Map<string, StoredRevocation>();
  readonly #closing = new AbortController();
  readonly #limit: TimeLimit = { timeoutMs: CALL_MS, closing: this.#closing.signal };

  constructor(
    private readonly list: RevocationList,
    private readonly settings: SyncSettings,
  ) {}

  /** Milliseconds since the store was last read; Infinity before. */
  get age(): number {
    return this.settings.monotonic() - this.#readAt;
  }

  /** Whether the list is young enough to decide by. */
  get isFresh(): boolean {
    return this.age <= this.settings.staleMs;
  }

  /**
   * Reads the store before a request is decided, since the list is too old: the process may have been suspended. Does not ask a
   * store that has just failed.
   *
   * @throws {McpAuthError} `temporarily_unavailable` if it cannot be read.
   */
  async catchUp(): Promise<void> {
    const hasJustFailed = this.#failure && this.settings.monotonic() - this.#failure.at < this.settings.pollMs;
    if (!hasJustFailed) await this.read();
    if (!this.isFresh) throw unavailable('revocations_unreadable', this.#failure?.error);
  }

  /** Reads what is new, and adds what the store lacks. Never rejects: reports a failure. One reading at a time. */
  read(): Promise<void> {
    this.#reading ??= this.#read().finally(() => (this.#reading = undefined));
    return this.#reading;
  }

  /** @throws if the store does not take it. It is added again with the next reading. */
  async add(revocation: StoredRevocation): Promise<void> {
    this.#unsaved.set(revocation.key, joined(revocation, this.#unsaved.get(revocation.key)));
    try {
      await this.#save(revocation.key);
    } catch (error) {
      this.#report('add', error);
      throw error;
    }
  }

  close(): void {
    this.#closing.abort();
  }

  async #read(): Promise<void> {
    const begunAt = this.settings.monotonic();
    try {
      await this.#readParts();
      this.#readAt = begunAt;
      if (this.#failure) this.settings.reports.storeRecovered();
      this.#failure = undefined;
    } catch (error) {
      this.#failure = { error, at: this.settings.monotonic() };
      return this.#report('read', error);
    }
    try {
      for (const key of this.#unsaved.keys()) await this.#save(key);
    } catch (error) {
      this.#report('add', error);
    }
  }

  async #readParts(): Promise<void> {
    /** All that the store has; undefined while that is not known. */
    let ofStore: Map<string, StoredRevocation> | undefined;
    for (let parts = 1; ; parts += 1) {
      if (parts > MAX_PARTS) throw new TypeError('changes().hasMore of the store of revocations never becomes false');
      const { revocations, isFromStart, cursor, hasMore } = await this.#changes();
      this.list.add(revocations);
      // A store may lose its content between two parts, too.
      if (isFromStart) ofStore = new Map();
      for (const one of revocations) ofStore?.set(one.key, joined(one, ofStore.get(one.key)));
      this.#cursor = cursor;
      if (!hasMore) break;
    }
    if (ofStore) this.#addMissing(ofStore);
  }

  async #changes(): Promise<RevocationChanges> {
    return readChanges(await withinTime<unknown>(() => this.settings.store.changes(this.#cursor), this.#limit));
  }

  /** Of two replicas that both add an entry again, the store gets it twice, which does no harm. */
  #addMissing(ofStore: ReadonlyMap<string, StoredRevocation>): void {
    for (const one of this.list.inForce()) {
      const stored = ofStore.get(one.key);
      if (!stored || stored.issuedBefore < one.issuedBefore || stored.until < one.until)
        this.#unsaved.set(one.key, one);
    }
  }

  async #save(key: string): Promise<void> {
    const revocation = this.#unsaved.get(key);
    if (!revocation) return;
    await withinTime(async () => this.settings.store.add(Object.freeze({ ...revocation })), this.#limit);
    if (this.#unsaved.get(key) === revocation) this.#unsaved.delete(key);
  }

  #report(task: 'read' | 'add', error: unknown): void {
    if (!this.#closing.signal.aborted) this.settings.reports.storeFailed(task, error);
  }
}
