import { hash } from 'node:crypto';
import type { McpAuthInfo } from '../core/auth-info.js';
import { principalKeyOf } from '../caller/caller.js';
import { statedClaim } from '../token/claims.js';

/** What can be revoked of a token. The keys are hashes: neither a replica nor a store learns a name from them. */
export interface RevocationSubject {
  readonly keys: readonly string[];
  /** The `iat` in milliseconds since the epoch; undefined if the token has none. */
  readonly issuedAt: number | undefined;
  /** The version of a list in which none of the keys was found. Each version belongs to one list. */
  clearIn?: number;
}

/** What can be revoked of a token, and how long it lives. */
export interface TokenSubject extends RevocationSubject {
  /** Seconds from `iat` to `exp`; undefined if the token does not say it, and for a credential of the application. */
  readonly lifetime: number | undefined;
}

function keyOf(...parts: readonly string[]): string {
  return hash('sha256', JSON.stringify(parts), 'base64url');
}

/** The keys under which a revocation is kept, and looked for. */
export const revocationKey = {
  principal: (principalKey: string): string => keyOf('principal', principalKey),
  session: (issuer: string, sessionId: string): string => keyOf('session', issuer, sessionId),
  /** Tokens of a subject that name no session, and may therefore belong to any session of it. */
  withoutSession: (issuer: string, subject: string): string => keyOf('without session', issuer, subject),
  token: (issuer: string, tokenId: string): string => keyOf('token', issuer, tokenId),
  client: (issuer: string, clientId: string): string => keyOf('client', issuer, clientId),
} as const;

/** By the claims of a verified token, which are frozen and belong to it alone: a cached token comes with many requests. */
const subjects = new WeakMap<McpAuthInfo['claims'], TokenSubject>();

/** What can be revoked of the token, or of the other credential, of a caller. */
export function revocationSubjectOf(auth: McpAuthInfo): TokenSubject {
  const known = subjects.get(auth.claims);
  if (known) return known;
  const iat = statedClaim(auth.claims, 'iat');
  const issuedAt = typeof iat === 'number' && Number.isFinite(iat) ? iat * 1000 : undefined;
  const subject = { keys: keysOf(auth), issuedAt, lifetime: lifetimeOf(auth, issuedAt), clearIn: 0 };
  subjects.set(auth.claims, subject);
  return subject;
}

function lifetimeOf({ credential, claims }: McpAuthInfo, issuedAt: number | undefined): number | undefined {
  const exp = statedClaim(claims, 'exp');
  if (credential !== undefined || issuedAt === undefined || typeof exp !== 'number') return undefined;
  return exp - issuedAt / 1000;
}

function keysOf({ issuer, principalKey, clientId, subject, claims }: McpAuthInfo): string[] {
  // The option `claims` may read the subject from another claim than `sub`, which is the one that logout tokens name.
  const named = textClaim(claims, 'sub');
  const principals = new Set([
    principalKey,
    ...(named === undefined ? [] : [principalKeyOf(issuer, named, undefined)]),
  ]);
  const keys = [...principals].map(revocationKey.principal);
  const sessionId = textClaim(claims, 'sid');
  if (sessionId !== undefined) keys.push(revocationKey.session(issuer, sessionId));
  const owner = named ?? subject;
  if (sessionId === undefined && owner !== undefined) keys.push(revocationKey.withoutSession(issuer, owner));
  const tokenId = textClaim(claims, 'jti');
  if (tokenId !== undefined) keys.push(revocationKey.token(issuer, tokenId));
  if (clientId !== '') keys.push(revocationKey.client(issuer, clientId));
  return keys;
}

function textClaim(claims: McpAuthInfo['claims'], name: string): string | undefined {
  const value = statedClaim(claims, name);
  return typeof value === 'string' ? value : undefined;
}
