import { timingSafeEqual } from 'node:crypto';
import { isRecord, ownMember } from '../core/record.js';
import type { VerifiedToken } from '../core/token-verifier.js';

/** The member of `cnf` that binds a token to a public key (RFC 9449 §6.1), or to a certificate (RFC 8705 §3.1). */
export type ConfirmationMethod = 'jkt' | 'x5t#S256';

/** The thumbprint of what a token is bound to by this method; undefined if it is not. */
export function boundThumbprint(claims: VerifiedToken['claims'], method: ConfirmationMethod): string | undefined {
  const confirmation = ownMember(claims, 'cnf');
  const thumbprint = isRecord(confirmation) ? ownMember(confirmation, method) : undefined;
  return typeof thumbprint === 'string' ? thumbprint : undefined;
}

/** Compares in constant time. */
export function isSame(one: string, other: string): boolean {
  const [bytes, others] = [Buffer.from(one), Buffer.from(other)];
  return bytes.length === others.length && timingSafeEqual(bytes, others);
}
