import type { ReplayStore } from './replay-store.js';
import type { SharedStoreOption, StoreReports } from './store-reports.js';

/** A store of the application, of whose outages the operator learns. */
export class ReportedReplayStore implements ReplayStore {
  constructor(
    private readonly store: ReplayStore,
    private readonly option: SharedStoreOption,
    private readonly reports: StoreReports,
  ) {}

  async insertOnce(key: string, until: number, madeAt: number): Promise<boolean> {
    try {
      const isAbsent = await this.store.insertOnce(key, until, madeAt);
      this.reports.storeAnswered(this.option);
      return isAbsent;
    } catch (error) {
      this.reports.storeFailed(this.option, error);
      throw error;
    }
  }

  /** Asks the store whether it can be used, if it knows, and reports what it says. Never rejects. */
  async check(): Promise<void> {
    if (!this.store.check) return;
    try {
      await this.store.check();
      this.reports.storeAnswered(this.option);
    } catch (error) {
      this.reports.storeFailed(this.option, error);
    }
  }
}
