import { hash } from 'node:crypto';
import { withinTime } from '../core/deadline.js';
import { MemoryReplayStore } from '../shared-state/memory-replay-store.js';
import type { ReplayStore } from '../shared-state/replay-store.js';
import { STORE_ANSWER_MS } from '../shared-state/store-limit.js';
import type { StoreReports } from '../shared-state/store-reports.js';
import { McpAuthConsentError } from './consent-error.js';

/** Most links that the memory of this process remembers. Only users who are signed in can add one. */
const MAX_LINKS = 100_000;

const STORE_OPTION = 'consent.replayStore';

/** Remembers which links have led to an end. */
export class UsedLinks {
  readonly #store: ReplayStore;

  constructor(
    /** That of the application, if it has one. */
    private readonly shared: ReplayStore | undefined,
    private readonly reports: StoreReports,
    /** Milliseconds since the epoch. */
    now: () => number,
  ) {
    this.#store = shared ?? new MemoryReplayStore(MAX_LINKS, now);
  }

  /**
   * Whether this is the first use. Times are in seconds since the epoch.
   *
   * @throws {McpAuthConsentError} `undecided`
   */
  async use(id: string, until: number, madeAt: number): Promise<boolean> {
    const key = hash('sha256', `consent ${id}`, 'base64url');
    try {
      const insert = (): unknown => this.#store.insertOnce(key, until * 1000, madeAt * 1000);
      const isFirst = await withinTime(insert, { timeoutMs: STORE_ANSWER_MS });
      if (typeof isFirst !== 'boolean') throw new TypeError('insertOnce must return true or false');
      if (this.shared) this.reports.storeAnswered(STORE_OPTION);
      return isFirst;
    } catch (cause) {
      if (this.shared) this.reports.storeFailed(STORE_OPTION, cause);
      throw new McpAuthConsentError('undecided', cause);
    }
  }

  /** Asks the store of the application whether it can be used, and reports what it says. Never rejects. */
  async check(): Promise<void> {
    if (!this.shared?.check) return;
    try {
      await this.shared.check();
      this.reports.storeAnswered(STORE_OPTION);
    } catch (error) {
      this.reports.storeFailed(STORE_OPTION, error);
    }
  }
}
