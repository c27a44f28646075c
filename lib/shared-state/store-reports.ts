/** The options that take a store which replicas may share. */
export type SharedStoreOption =
  | 'dpop.replayStore'
  | 'sessions.store'
  | 'consent.replayStore'
  | 'revocation.backChannelLogout.replayStore'
  | 'downstream.sharedCache';

/** Reports whether the stores of the application answer, so that the operator learns why clients get a 503. */
export abstract class StoreReports {
  abstract storeAnswered(option: SharedStoreOption): void;
  /** The store failed, or answered in another form than its contract says. */
  abstract storeFailed(option: SharedStoreOption, error: unknown): void;
}
