import { hash, randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';

/** What the issuer wrote down when it issued a token. */
export interface AccessTokenRecord {
  issuer: string;
  /** The service it was issued for; the table has tokens of others too. */
  audience: string;
  user: string;
  scopes: string[];
  /** Seconds since the epoch. */
  expiresAt: number;
}

/**
 * The table of access tokens of an in-house issuer, in memory: agents get theirs from an operator, and there is nothing in
 * them to verify. Only hashes are kept, so that whoever reads the table has no token.
 */
@Injectable()
export class AccessTokens {
  private readonly records = new Map<string, AccessTokenRecord>();

  issue(record: AccessTokenRecord): string {
    const token = `notes_${randomBytes(32).toString('base64url')}`;
    this.records.set(keyOf(token), record);
    return token;
  }

  /** Asynchronous, as a database is. */
  async find(token: string): Promise<AccessTokenRecord | undefined> {
    return this.records.get(keyOf(token));
  }

  async revoke(token: string): Promise<void> {
    this.records.delete(keyOf(token));
  }
}

/** A token is random enough that a plain hash cannot be guessed back, which that of a password could be. */
function keyOf(token: string): string {
  return hash('sha256', token, 'base64url');
}
