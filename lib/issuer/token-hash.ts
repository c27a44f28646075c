import { hash } from 'node:crypto';

/** What stands for a token wherever something is remembered about it: its SHA-256, from which nobody gets it back. */
export function tokenHash(token: string): string {
  return hash('sha256', token, 'base64url');
}
