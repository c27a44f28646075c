import type { LoggerService } from '@nestjs/common';
import { timeBetween } from '../core/clock.js';
import { McpAuthError } from '../core/error.js';
import { describeError } from '../core/safe-text.js';
import { LogoutTokenError } from '../revocation/logout-token.js';
import type { RevocationReport, RevocationReports } from '../revocation/revocation-reports.js';
import type { AuthEventEmitter } from './event-emitter.js';
import { writeLine } from './log-line.js';

/** Shortest time between two lines about one kind of failure, in milliseconds. */
const QUIET_MS = { read: 60_000, add: 60_000, logout: 5_000 } as const;

type Task = keyof typeof QUIET_MS;

const WHAT = { principal: 'a principal', session: 'a session', token: 'a token', client: 'a client' } as const;
const BY = { application: 'the application revoked it', logout: 'a logout token named it' } as const;

const FAILURES = {
  read: 'Cannot read the store of revocations; requests with a token get 503 if that lasts for longer than revocation.staleSeconds',
  add: 'The store of revocations did not take a revocation. It counts in this process, which tries again; other replicas do not know it yet',
} as const;

/** Records revocations as lines in the log and as events, and the failures of the store as lines. */
export class RevocationMonitor implements RevocationReports {
  readonly #saidAt = new Map<Task, number>();

  constructor(
    private readonly logger: Pick<LoggerService, 'warn' | 'log'>,
    private readonly events: AuthEventEmitter,
    /** Milliseconds since the epoch. */
    private readonly now: () => number,
  ) {}

  /** Names neither the user nor the session. */
  revoked({ what, issuer, by }: RevocationReport): void {
    const of = issuer === undefined ? '' : ` of ${issuer}`;
    writeLine(this.logger, 'log', `Refuses the earlier tokens of ${WHAT[what]}${of}: ${BY[by]}`);
    if (this.events.hasListeners('revoked')) this.events.emit({ type: 'revoked', what, issuer, by });
  }

  logoutRefused(error: unknown): void {
    this.#warnRarely('logout', `Refused a logout token: ${describeLogoutError(error)}`);
  }

  storeFailed(task: 'read' | 'add', error: unknown): void {
    this.#warnRarely(task, `${FAILURES[task]}: ${describeError(error)}`);
  }

  storeRecovered(): void {
    this.#saidAt.delete('read');
    writeLine(this.logger, 'log', 'The store of revocations can be read again');
  }

  #warnRarely(task: Task, line: string): void {
    const saidAt = this.#saidAt.get(task);
    if (saidAt !== undefined && timeBetween(this.now(), saidAt) < QUIET_MS[task]) return;
    this.#saidAt.set(task, this.now());
    writeLine(this.logger, 'warn', line);
  }
}

/** Errors of this library say why without a part of the token. Those of a store or function of the application may have one. */
function describeLogoutError(error: unknown): string {
  const { message } = error instanceof Error ? error : { message: String(error) };
  const isOwn = error instanceof McpAuthError || error instanceof LogoutTokenError;
  return isOwn ? message : describeError(error);
}
