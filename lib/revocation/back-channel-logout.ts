import { hash } from 'node:crypto';
import type { Clock } from '../core/clock.js';
import { principalKeyOf } from '../caller/caller.js';
import { withinTime } from '../core/deadline.js';
import type { ResolvedOptions } from '../options/options.js';
import type { ResolvedBackChannelLogout } from '../options/revocation-options.js';
import { MemoryReplayStore } from '../shared-state/memory-replay-store.js';
import type { ReplayStore } from '../shared-state/replay-store.js';
import { ReportedReplayStore } from '../shared-state/reported-replay-store.js';
import type { StoreReports } from '../shared-state/store-reports.js';
import type { TrustedIssuers } from '../token/trusted-issuers.js';
import { LogoutTokenError, verifyLogoutToken, type Logout } from './logout-token.js';
import { revocationKey } from './revocation-subject.js';
import type { Revocations } from './revocations.js';

/** Most logout tokens that are remembered in the memory of this process. */
const MAX_TOKENS = 100_000;

/** Longest time that a function of the application may take, in milliseconds. */
const CALL_MS = 5_000;

/** How much longer a token is remembered than it is accepted, since clocks differ; in milliseconds. */
const KEPT_LONGER_MS = 60_000;

/** Logs users out of this server who have logged out at an authorization server. */
export class BackChannelLogout {
  readonly #replays: ReplayStore;

  constructor(
    private readonly settings: ResolvedBackChannelLogout,
    private readonly options: ResolvedOptions,
    private readonly revocations: Revocations,
    private readonly clock: Clock,
    reports: StoreReports,
  ) {
    const { replayStore } = settings;
    this.#replays = replayStore
      ? new ReportedReplayStore(replayStore, 'revocation.backChannelLogout.replayStore', reports)
      : new MemoryReplayStore(MAX_TOKENS, () => clock.now());
  }

  /** Asks the store of the application whether it can be used, and reports what it says. Never rejects. */
  async checkStore(): Promise<void> {
    await this.#replays.check?.();
  }

  /** Where the endpoint is below the path of a resource. */
  get path(): string {
    return this.settings.path;
  }

  /**
   * Verifies a logout token, and revokes the access tokens that it concerns.
   *
   * @param issuers those of the resource that received it
   * @throws {LogoutTokenError} or {McpAuthError} when it is refused, or cannot be verified now.
   */
  async accept(token: string, issuers: TrustedIssuers): Promise<void> {
    const { clockToleranceSeconds: toleranceSeconds, maxTokenLifetimeSeconds: maxLifetimeSeconds } = this.options;
    const clientIds = (issuer: string): Promise<ReadonlySet<string>> => this.#clientIds(issuer);
    const rules = { issuers, clientIds, toleranceSeconds, maxLifetimeSeconds };
    const logout = await verifyLogoutToken(token, rules, this.clock.now() / 1000);
    if (!(await this.#isFirst(logout))) throw new LogoutTokenError('it was used before');
    const { issuer, sessionId, issuedAt } = logout;
    const what = sessionId === undefined ? 'principal' : 'session';
    // `iat` comes from the clock of the issuer, as that of access tokens does.
    await this.revocations.revoke(keysOf(logout), (issuedAt + 1) * 1000, { what, issuer, by: 'logout' });
  }

  async #isFirst({ issuer, tokenId, issuedAt, expiresAt }: Logout): Promise<boolean> {
    const key = hash('sha256', JSON.stringify(['logout', issuer, tokenId]), 'base64url');
    const until = Math.ceil((expiresAt + this.options.clockToleranceSeconds) * 1000) + KEPT_LONGER_MS;
    return this.#replays.insertOnce(key, until, Math.floor(issuedAt * 1000));
  }

  async #clientIds(issuer: string): Promise<ReadonlySet<string>> {
    const ids = await withinTime<unknown>(() => this.settings.clientIds(issuer), { timeoutMs: CALL_MS });
    if (Array.isArray(ids) && ids.every((id) => typeof id === 'string' && id !== '')) return new Set(ids as string[]);
    throw new TypeError('revocation.backChannelLogout.clientIds must return a list of non-empty strings');
  }
}

/** A token without `sid` may belong to the session that ended, so it is refused if the logout token names its subject. */
function keysOf({ issuer, subject, sessionId }: Logout): string[] {
  if (sessionId === undefined) return [revocationKey.principal(principalKeyOf(issuer, subject, undefined))];
  const session = revocationKey.session(issuer, sessionId);
  return subject === undefined ? [session] : [session, revocationKey.withoutSession(issuer, subject)];
}
