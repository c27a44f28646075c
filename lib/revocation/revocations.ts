import type { McpAuthInfo } from '../core/auth-info.js';
import type { Clock } from '../core/clock.js';
import { invalidToken, type McpAuthError } from '../core/error.js';
import type { MaybePromise } from '../core/maybe-promise.js';
import type { ResolvedOptions } from '../options/options.js';
import type { ResolvedRevocation } from '../options/revocation-options.js';
import { RevocationList } from './revocation-list.js';
import type { RevocationReport, RevocationReports } from './revocation-reports.js';
import { revocationSubjectOf, type RevocationSubject } from './revocation-subject.js';
import { RevocationSync } from './revocation-sync.js';

/** What the health indicator tells of revocations. */
export interface RevocationState {
  readonly count: number;
  /** Milliseconds since the store was last read; undefined without a store. */
  readonly age: number | undefined;
  readonly isUsable: boolean;
}

/** What exists only if the option `revocation` is set. */
interface Running {
  readonly settings: ResolvedRevocation;
  readonly list: RevocationList;
  /** Undefined without a store. */
  readonly sync: RevocationSync | undefined;
}

/** Refuses verified tokens that were revoked. Does nothing, and costs nothing, without the option `revocation`. */
export class Revocations {
  readonly #running: Running | undefined;
  #cancelPoll: (() => void) | undefined;
  #isClosed = false;

  constructor(
    private readonly options: ResolvedOptions,
    private readonly clock: Clock,
    readonly reports: RevocationReports,
  ) {
    if (options.revocation) this.#running = this.#run(options.revocation);
  }

  /** Whether tokens can be revoked. */
  get isOn(): boolean {
    return this.#running !== undefined;
  }

  /** Undefined if nothing can be revoked. */
  get state(): RevocationState | undefined {
    if (!this.#running) return undefined;
    const { list, sync } = this.#running;
    return { count: list.size, age: sync?.age, isUsable: sync === undefined || sync.isFresh };
  }

  /**
   * Reads what is in force, before the application serves requests, and then again and again. Does not fail: without the store,
   * tokens get 503 until it can be read.
   */
  async start(): Promise<void> {
    const sync = this.#running?.sync;
    if (!sync) return;
    await sync.read();
    this.#poll(sync);
  }

  /** Stops reading the store. */
  close(): void {
    this.#isClosed = true;
    this.#cancelPoll?.();
    this.#running?.sync?.close();
  }

  /**
   * The caller, if the token is not revoked. Synchronous, unless the store was not read for too long.
   *
   * @throws {McpAuthError} `invalid_token`; `temporarily_unavailable` if it cannot be known.
   */
  admit(caller: McpAuthInfo): MaybePromise<McpAuthInfo> {
    if (this.#running === undefined) return caller;
    const { sync } = this.#running;
    this.#check(caller, this.#running);
    return sync === undefined || sync.isFresh ? caller : this.#admitAfterReading(caller, this.#running, sync);
  }

  /** What can be revoked of the token of a caller; undefined for an anonymous one, and if nothing can be revoked. */
  subjectOf(auth: McpAuthInfo | undefined): RevocationSubject | undefined {
    return auth && this.#running ? revocationSubjectOf(auth) : undefined;
  }

  isRevoked(subject: RevocationSubject): boolean {
    return this.#running?.list.isRevoked(subject) === true;
  }

  /**
   * Calls the function as soon as the token of the caller is revoked.
   *
   * @returns a function that ends the watch; undefined if nothing can be revoked
   */
  watch(auth: McpAuthInfo, end: () => void): (() => void) | undefined {
    return this.#running?.list.watch(revocationSubjectOf(auth), end);
  }

  /**
   * Revokes tokens that were issued before a time. Takes effect in this process at once.
   *
   * @param issuedBefore in milliseconds since the epoch
   * @throws if the option is off, or if the store did not take it; then this process still refuses the tokens, and tries again.
   */
  async revoke(keys: readonly string[], issuedBefore: number, report: RevocationReport): Promise<void> {
    if (!this.#running) throw new Error(OFF);
    const { list, sync, settings } = this.#running;
    const seconds = settings.maxTokenSeconds + this.options.clockToleranceSeconds;
    const until = Math.ceil(Math.max(this.clock.now(), issuedBefore)) + seconds * 1000;
    const revocations = keys.map((key) => ({ key, issuedBefore: Math.ceil(issuedBefore), until }));
    list.add(revocations);
    this.reports.revoked(report);
    if (sync) await Promise.all(revocations.map((one) => sync.add(one)));
  }

  async #admitAfterReading(caller: McpAuthInfo, running: Running, sync: RevocationSync): Promise<McpAuthInfo> {
    await sync.catchUp();
    this.#check(caller, running);
    return caller;
  }

  #check(caller: McpAuthInfo, { list, settings }: Running): void {
    const subject = revocationSubjectOf(caller);
    if (list.isRevoked(subject)) throw refused(caller, 'revoked');
    const { lifetime } = subject;
    if (lifetime !== undefined && lifetime > settings.maxTokenSeconds + this.options.clockToleranceSeconds) {
      throw refused(caller, 'outlives_revocations', { 'lives for seconds': Math.round(lifetime) });
    }
  }

  #run(settings: ResolvedRevocation): Running {
    const { store, pollMs, staleSeconds } = settings;
    const list = new RevocationList(() => this.clock.now());
    const monotonic = (): number => this.clock.monotonic();
    const { reports } = this;
    const sync = store && new RevocationSync(list, { store, reports, monotonic, pollMs, staleMs: staleSeconds * 1000 });
    return { settings, list, sync };
  }

  #poll(sync: RevocationSync): void {
    if (this.#isClosed || !this.#running) return;
    const next = (): void => void sync.read().then(() => this.#poll(sync));
    this.#cancelPoll = this.clock.schedule(this.clock.now() + this.#running.settings.pollMs, next);
  }
}

const OFF =
  'Nothing can be revoked: write `revocation: {}` into the options of McpAuthModule, with a store if there are several replicas';

function refused(
  { issuer, clientId }: McpAuthInfo,
  reason: 'revoked' | 'outlives_revocations',
  seen: Readonly<Record<string, unknown>> = {},
): McpAuthError {
  return invalidToken(reason).explain(seen, { issuer, clientId: clientId || undefined, isVerified: true });
}
