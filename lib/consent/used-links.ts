import { hash } from 'node:crypto';
import { MemoryReplayStore } from '../shared-state/memory-replay-store.js';
import type { ReplayStore } from '../shared-state/replay-store.js';
import { ReportedReplayStore } from '../shared-state/reported-replay-store.js';
import type { StoreReports } from '../shared-state/store-reports.js';
import { McpAuthConsentError } from './consent-error.js';

/** Most links that the memory of this process remembers. Only users who are signed in can add one. */
const MAX_LINKS = 100_000;

/** Remembers which links were finished. */
export class UsedLinks {
  readonly #store: ReplayStore;

  constructor(
    /** That of the application, if it has one. */
    shared: ReplayStore | undefined,
    reports: StoreReports,
    /** Milliseconds since the epoch. */
    now: () => number,
  ) {
    this.#store = shared
      ? new ReportedReplayStore(shared, 'consent.replayStore', reports)
      : new MemoryReplayStore(MAX_LINKS, now);
  }

  /**
   * Whether this is the first use. Times are in seconds since the epoch.
   *
   * @throws {McpAuthConsentError} `undecided`
   */
  async use(id: string, until: number, madeAt: number): Promise<boolean> {
    const key = hash('sha256', `consent ${id}`, 'base64url');
    try {
      return await this.#store.insertOnce(key, until * 1000, madeAt * 1000);
    } catch (cause) {
      throw new McpAuthConsentError('undecided', cause);
    }
  }

  /** Asks the store of the application whether it can be used, and reports what it says. Never rejects. */
  async check(): Promise<void> {
    await this.#store.check?.();
  }
}
