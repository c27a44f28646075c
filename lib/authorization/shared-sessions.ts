import { hash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { McpAuthError, unavailable } from '../core/error.js';
import { ResolvedOptions } from '../options/options.js';
import type { RevocationSubject } from '../revocation/revocation-subject.js';
import { Revocations } from '../revocation/revocations.js';
import type { SessionOwnerStore } from '../shared-state/session-owner-store.js';
import { StoreReports } from '../shared-state/store-reports.js';
import { ownerOf, type CallerAt } from './caller-key.js';

const OPTION = 'sessions.store';

/**
 * The owners of MCP sessions that all replicas know, through the store of the option `sessions`. Does nothing without it. Unlike
 * the memory of one process, it does not limit the sessions of a principal: that is up to the store.
 */
@Injectable()
export class SharedSessions {
  readonly #store: SessionOwnerStore | undefined;

  constructor(
    { sessions }: ResolvedOptions,
    private readonly revocations: Revocations,
    private readonly reports: StoreReports,
  ) {
    this.#store = sessions.store;
  }

  get areOn(): boolean {
    return this.#store !== undefined;
  }

  /** Remembers a session. Never rejects: a session that the store did not take is unknown, and its client opens another. */
  async open(sessionId: string, caller: CallerAt): Promise<void> {
    const owner = writtenOwner(caller, this.revocations.subjectOf(caller.auth));
    try {
      await this.#store?.open(hashOf(sessionId), owner);
      this.reports.storeAnswered(OPTION);
    } catch (error) {
      this.reports.storeFailed(OPTION, error);
    }
  }

  /** Forgets a session. Never rejects: the MCP framework has ended it. */
  async close(sessionId: string): Promise<void> {
    try {
      await this.#store?.close(hashOf(sessionId));
    } catch (error) {
      this.reports.storeFailed(OPTION, error);
    }
  }

  /**
   * Refuses the session of another principal in the same words as a session that does not exist.
   *
   * @throws {McpAuthError} `session_not_found`, or `temporarily_unavailable` if the store cannot say whose it is
   */
  async check(sessionId: string, caller: CallerAt): Promise<void> {
    const session = await this.#find(sessionId);
    if (!session) throw new McpAuthError('session_not_found', 'session_unknown');
    if (session.owner !== hashOf(ownerOf(caller))) throw new McpAuthError('session_not_found', 'session_of_another');
    if (!this.revocations.isRevoked(session.subject)) return;
    await this.close(sessionId);
    throw new McpAuthError('session_not_found', 'session_unknown');
  }

  async #find(sessionId: string): Promise<StoredOwner | undefined> {
    try {
      const written: unknown = await this.#store?.ownerOf(hashOf(sessionId));
      const session = written === undefined ? undefined : readOwner(written);
      this.reports.storeAnswered(OPTION);
      return session;
    } catch (cause) {
      this.reports.storeFailed(OPTION, cause);
      throw unavailable('session_undecided', cause);
    }
  }
}

/** Who opened a session, and what can be revoked of the token that opened it. */
interface StoredOwner {
  readonly owner: string;
  readonly subject: RevocationSubject;
}

function hashOf(text: string): string {
  return hash('sha256', text, 'base64url');
}

/** The hash of the owner, the `iat` of the token, and the hashes of what can be revoked of it. */
function writtenOwner(caller: CallerAt, subject: RevocationSubject | undefined): string {
  const issuedAt = subject?.issuedAt === undefined ? '' : Math.floor(subject.issuedAt);
  return [hashOf(ownerOf(caller)), issuedAt, ...(subject?.keys ?? [])].join(' ');
}

const WRITTEN = /^([\w-]{43}) (\d{0,16})((?: [\w-]{43})*)$/;

/** @throws {TypeError} for what the library did not write */
function readOwner(written: unknown): StoredOwner {
  const [, owner, issuedAt, keys] = (typeof written === 'string' && WRITTEN.exec(written)) || [];
  if (owner === undefined) throw new TypeError('ownerOf(session) must return what open() got, or undefined');
  const subject = {
    // A match has all groups.
    keys: (keys as string).split(' ').filter((key) => key !== ''),
    issuedAt: issuedAt ? Number(issuedAt) : undefined,
  };
  return { owner, subject };
}
