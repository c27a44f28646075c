import { invalidToken } from '../core/error.js';
import { isRecord, ownMember } from '../core/record.js';
import { verifySignature } from '../issuer/signature.js';
import { checkTimes, statedClaim } from '../token/claims.js';
import { decodeJwt, type DecodedJwt } from '../token/decoded-jwt.js';
import { checkHeader } from '../token/jwt-verifier.js';
import type { TrustedIssuers } from '../token/trusted-issuers.js';

/** A verified logout token. */
export interface Logout {
  readonly issuer: string;
  /** The user whose session ended; without {@link sessionId}, all sessions of the user ended. */
  readonly subject: string | undefined;
  readonly sessionId: string | undefined;
  readonly tokenId: string;
  /** In seconds since the epoch, by the clock of the issuer. */
  readonly issuedAt: number;
  readonly expiresAt: number;
}

/** What a logout token must meet. */
export interface LogoutRules {
  readonly issuers: TrustedIssuers;
  /** The client IDs that may be its audience. */
  readonly clientIds: (issuer: string) => Promise<ReadonlySet<string>>;
  readonly toleranceSeconds: number;
  readonly maxLifetimeSeconds: number;
}

/** A logout token that is refused. The message says why, and has nothing of the token. */
export class LogoutTokenError extends Error {
  override readonly name = 'LogoutTokenError';
}

const EVENT = 'http://schemas.openid.net/event/backchannel-logout';

/** `JWT` says nothing, and is what most servers write. Media types are case-insensitive (RFC 7515 §4.1.9). */
const TYPES: ReadonlySet<unknown> = new Set([undefined, 'jwt', 'logout+jwt', 'application/logout+jwt']);

/**
 * Verifies a logout token. Does NOT check whether it was used before.
 *
 * @param text as sent
 * @throws {LogoutTokenError} or {McpAuthError} when it is refused; {McpAuthError} `temporarily_unavailable` when it cannot be
 * verified now.
 * @see OpenID Connect Back-Channel Logout 1.0 §2.4 and §2.6
 */
export async function verifyLogoutToken(text: string, rules: LogoutRules, nowSeconds: number): Promise<Logout> {
  const jwt = decodeJwt(text);
  checkType(jwt);
  const issuer = ownMember(jwt.claims, 'iss');
  const trusted = typeof issuer === 'string' ? await rules.issuers.find(issuer) : undefined;
  if (!trusted || typeof issuer !== 'string') throw invalidToken('issuer_unknown');
  const { keys, algorithms } = trusted.verifier.signatures;
  // What is cheap comes first. It is trusted only after the signature was verified.
  const hint = checkHeader(jwt.header, new Set(algorithms));
  const times = timesOf(jwt, rules, nowSeconds);
  const named = namesOf(jwt);
  checkEvents(jwt);
  checkAudience(jwt, await rules.clientIds(issuer));
  await verifySignature(text, { keys, algorithms: [hint.alg] }, hint);
  return { issuer, ...named, ...times };
}

function checkType({ header }: DecodedJwt): void {
  const type = ownMember(header, 'typ');
  const name = typeof type === 'string' ? type.toLowerCase() : type;
  if (!TYPES.has(name)) throw new LogoutTokenError('the typ header is not logout+jwt');
}

function timesOf({ claims }: DecodedJwt, rules: LogoutRules, now: number): Pick<Logout, 'issuedAt' | 'expiresAt'> {
  const expiresAt = checkTimes(claims, now, rules);
  const issuedAt = statedClaim(claims, 'iat');
  if (typeof issuedAt !== 'number') throw new LogoutTokenError('the token has no iat claim');
  if (issuedAt > now + rules.toleranceSeconds) throw new LogoutTokenError('its iat lies in the future');
  return { issuedAt, expiresAt };
}

function namesOf({ claims }: DecodedJwt): Pick<Logout, 'subject' | 'sessionId' | 'tokenId'> {
  if (ownMember(claims, 'nonce') !== undefined) throw new LogoutTokenError('it has a nonce, as only ID tokens may');
  const tokenId = textClaim(claims, 'jti');
  if (tokenId === undefined) throw new LogoutTokenError('it has no jti claim');
  const subject = textClaim(claims, 'sub');
  const sessionId = textClaim(claims, 'sid');
  if (subject === undefined && sessionId === undefined) throw new LogoutTokenError('it names neither sub nor sid');
  return { tokenId, subject, sessionId };
}

function textClaim(claims: DecodedJwt['claims'], name: string): string | undefined {
  const value = ownMember(claims, name);
  if (value === undefined || (typeof value === 'string' && value !== '')) return value;
  throw new LogoutTokenError(`its claim ${name} is not a non-empty string`);
}

/** The member must exist, and be an object. Other members are allowed: Keycloak writes some. */
function checkEvents({ claims }: DecodedJwt): void {
  const events = ownMember(claims, 'events');
  const event = isRecord(events) ? ownMember(events, EVENT) : undefined;
  if (!isRecord(event)) throw new LogoutTokenError(`its claim events has no object with the name ${EVENT}`);
}

/** Every audience must be a known client, as in an ID token (OpenID Connect Core §3.1.3.7). */
function checkAudience({ claims }: DecodedJwt, clientIds: ReadonlySet<string>): void {
  const claim = statedClaim(claims, 'aud');
  const audience: unknown[] = Array.isArray(claim) ? claim : [claim];
  if (audience.every((one) => typeof one === 'string' && clientIds.has(one))) return;
  throw new LogoutTokenError('its aud is not among revocation.backChannelLogout.clientIds');
}
