/** What is revoked. */
export type RevokedKind = 'principal' | 'session' | 'token' | 'client';

/** A revocation that began in this process. */
export interface RevocationReport {
  readonly what: RevokedKind;
  /** Undefined if the application named a principal by its key. */
  readonly issuer: string | undefined;
  /** Who asked for it: the application, or the authorization server with a logout token. */
  readonly by: 'application' | 'logout';
}

/** Reports revocations, and why those of other replicas are not known. */
export interface RevocationReports {
  revoked(report: RevocationReport): void;
  /** A logout token was refused, or could not be accepted now. Anybody can send one. */
  logoutRefused(error: unknown): void;
  /** Called at each failure. */
  storeFailed(task: 'read' | 'add', error: unknown): void;
  /** Called when the store is read again after a failure. */
  storeRecovered(): void;
}
