import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { ConsentUser } from 'nestjs-mcp-auth';
import type { Expected } from './oauth-client.js';

export interface BrowserSession {
  /** Who is signed in. */
  user?: ConsentUser;
  /** A sign-in that has begun in this browser, and where it leads. */
  pending?: Required<Expected> & { returnTo: string };
}

/** The sessions of browsers, in memory. In production, take the session library that your application has. */
@Injectable()
export class BrowserSessions {
  readonly #sessions = new Map<string, BrowserSession>();

  /** The session of a request, by its header field `Cookie`. */
  of(cookies = ''): BrowserSession | undefined {
    return this.#sessions.get(idIn(cookies));
  }

  /**
   * Begins a session in place of the one before, and returns the cookie. After a sign-in the id must be a new one: somebody else
   * may have set the old one. `SameSite=Lax` keeps forms of other sites from being sent as this user.
   */
  begin(session: BrowserSession, before = ''): string {
    this.#sessions.delete(idIn(before));
    const id = randomBytes(32).toString('base64url');
    this.#sessions.set(id, session);
    return `notes_session=${id}; Path=/; HttpOnly; SameSite=Lax`; // and Secure, with https
  }
}

function idIn(cookies: string): string {
  return /(?:^|;\s*)notes_session=([\w-]{43})(?:;|$)/.exec(cookies)?.[1] ?? '';
}
