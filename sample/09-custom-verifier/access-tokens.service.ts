import { hash, randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';

/** The record of an issued token. */
export interface AccessTokenRecord {
  issuer: string;
  /** The service for which it was issued; the table also has tokens for other services. */
  audience: string;
  user: string;
  scopes: string[];
  /** Seconds since the epoch. */
  expiresAt: number;
}

/**
 * The table of access tokens of an in-house issuer, in memory: agents get them from an operator, and they contain
 * nothing to verify. Stores only hashes: the table reveals no token.
 */
@Injectable()
export class AccessTokens {
  private readonly records = new Map<string, AccessTokenRecord>();

  issue(record: AccessTokenRecord): string {
    const token = `notes_${randomBytes(32).toString('base64url')}`;
    this.records.set(keyOf(token), record);
    return token;
  }

  /** Asynchronous, like a database. */
  async find(token: string): Promise<AccessTokenRecord | undefined> {
    return this.records.get(keyOf(token));
  }

  async revoke(token: string): Promise<void> {
    this.records.delete(keyOf(token));
  }
}

/** A plain hash is enough: unlike a password, a random token cannot be guessed from its hash. */
function keyOf(token: string): string {
  return hash('sha256', token, 'base64url');
}
