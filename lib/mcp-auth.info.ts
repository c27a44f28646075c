import { createHash } from 'node:crypto';
import { authorizationDetailsOf, type AuthorizationDetail } from './core/authorization-details.js';
import { ownClaim } from './token/claims.js';
import type { VerifiedToken } from './token/verifier.js';

/**
 * The verified caller of a request. Has the shape of `AuthInfo` of the official MCP SDKs, so that it can be handed
 * to them, and says besides who issued the token and for whom.
 *
 * Identify users by `principalKey`, or by `issuer` and `subject` together: a subject means something only at its
 * issuer (RFC 8725 §3.8).
 */
export interface McpAuthInfo {
  /**
   * The access token as received. Not enumerable, so that logging, spreading or serialising this object never
   * leaks it. Must not be sent to another service: it was issued for this one (MCP, "Token Passthrough").
   */
  readonly token: string;
  /** The client acting; empty where the token names none. */
  readonly clientId: string;
  /** As granted; implied scopes are not added. */
  readonly scopes: string[];
  /** Seconds since the epoch. */
  readonly expiresAt: number;
  /** The protected resource the token was accepted for. */
  readonly resource: URL;
  readonly issuer: string;
  /** The subject at that issuer; undefined where the token names none. */
  readonly subject: string | undefined;
  /** Stable key of issuer and subject (or client, where there is no subject): 43 characters, base64url, SHA-256. */
  readonly principalKey: string;
  /** Whether a user stands behind the token, or only the client itself (client credentials). */
  readonly kind: 'user' | 'client';
  /** The party acting for the subject: the outermost `act` only; nested ones are history (RFC 8693 §4.1). */
  readonly actor: Readonly<Record<string, unknown>> | undefined;
  readonly audience: readonly string[];
  /** Every claim of the token, verified. Read own properties only. */
  readonly claims: Readonly<Record<string, unknown>>;
}

/** Builds the caller from a verified token. */
export function authInfoOf(token: string, verified: VerifiedToken, resource: string): McpAuthInfo {
  const { issuer, subject, clientId, claims } = verified;
  const info = {
    clientId: clientId ?? '',
    scopes: [...verified.scopes],
    expiresAt: verified.expiresAt,
    resource: new URL(resource),
    issuer,
    subject,
    principalKey: principalKeyOf(issuer, subject, clientId),
    kind: kindOf(verified),
    actor: actorOf(claims),
    audience: verified.audience,
    claims,
  };
  Object.defineProperty(info, 'token', { value: token });
  const auth = Object.freeze(info) as McpAuthInfo;
  identifiers.set(auth, resource);
  return auth;
}

function principalKeyOf(issuer: string, subject: string | undefined, clientId: string | undefined): string {
  const principal = subject === undefined ? [issuer, 'client', clientId] : [issuer, 'subject', subject];
  return createHash('sha256').update(JSON.stringify(principal)).digest('base64url');
}

/**
 * RFC 9068 §5: a subject that is the client means the client acts for itself. Entra ID and Auth0 say it in a claim, and
 * Auth0 in a subject derived from the client where that claim is left out.
 */
function kindOf({ subject, clientId, claims }: VerifiedToken): 'user' | 'client' {
  const isClient =
    subject === undefined ||
    subject === clientId ||
    subject === `${clientId}@clients` ||
    ownClaim(claims, 'idtyp') === 'app' ||
    ownClaim(claims, 'gty') === 'client-credentials';
  return isClient ? 'client' : 'user';
}

function actorOf(claims: VerifiedToken['claims']): Readonly<Record<string, unknown>> | undefined {
  const actor = ownClaim(claims, 'act');
  if (typeof actor !== 'object' || actor === null || Array.isArray(actor)) return undefined;
  const { act: _history, ...outermost } = actor as Record<string, unknown>;
  return outermost;
}

/**
 * The rich authorization details of one type that the caller was granted for this resource; for policies and handlers.
 * Entries are alternatives: check each by itself.
 *
 * @see RFC 9396
 */
export function authorizationDetails(auth: McpAuthInfo, type: string): AuthorizationDetail[] {
  return authorizationDetailsOf(auth.claims, type, identifiers.get(auth) ?? '');
}

/** The resource identifiers as configured, which a URL may spell otherwise. */
const identifiers = new WeakMap<McpAuthInfo, string>();
