import { hash } from 'node:crypto';

/** The SHA-256 of a token, under which anything about it is remembered. The token cannot be recovered from it. */
export function tokenHash(token: string): string {
  return hash('sha256', token, 'base64url');
}
