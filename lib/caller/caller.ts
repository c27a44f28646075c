import { hash } from 'node:crypto';
import { inspect, type InspectOptions } from 'node:util';
import { authorizationDetailsOf, type AuthorizationDetail } from './authorization-details.js';
import { isRecord, ownMember } from '../core/record.js';
import type { AuthorizedCall } from './authorized-call.js';
import type { McpAuthInfo } from '../core/auth-info.js';
import type { PrincipalKind } from '../core/principal-kind.js';
import type { VerifiedToken } from '../core/token-verifier.js';

/** Builds the caller from a verified token. */
export function authInfoOf(token: string, verified: VerifiedToken, resource: string): McpAuthInfo {
  return new Caller(token, verified, resource);
}

/** Private fields keep what must not be copied, printed or replaced, and cost next to nothing. */
export class Caller implements McpAuthInfo {
  readonly #token: string;
  readonly #resourceIdentifier: string;
  #resource: URL | undefined;
  /** An object of its own: to write to a frozen one takes longer than everything else here. */
  readonly #bound: { call: AuthorizedCall | undefined } = { call: undefined };
  readonly clientId: string;
  readonly scopes: string[];
  readonly expiresAt: number;
  readonly issuer: string;
  readonly subject: string | undefined;
  readonly principalKey: string;
  readonly kind: PrincipalKind;
  readonly actor: Readonly<Record<string, unknown>> | undefined;
  readonly audience: readonly string[];
  readonly claims: Readonly<Record<string, unknown>>;

  constructor(token: string, verified: VerifiedToken, resourceIdentifier: string) {
    const { principalKey, kind, actor } = principalOf(verified);
    this.#token = token;
    this.#resourceIdentifier = resourceIdentifier;
    this.clientId = verified.clientId ?? '';
    this.scopes = [...verified.scopes];
    this.expiresAt = verified.expiresAt;
    this.issuer = verified.issuer;
    this.subject = verified.subject;
    this.principalKey = principalKey;
    this.kind = kind;
    this.actor = actor;
    this.audience = verified.audience;
    this.claims = verified.claims;
    Object.freeze(this);
  }

  get token(): string {
    return this.#token;
  }

  /** A URL can be changed by whoever holds it, so that each caller has one of its own; few are ever looked at. */
  get resource(): URL {
    return (this.#resource ??= new URL(this.#resourceIdentifier));
  }

  /** Prints what can be copied: with `showHidden` and `getters`, Node would print the token as well. */
  [inspect.custom](depth: number, options: InspectOptions): string {
    return depth < 0
      ? '[McpAuthInfo]'
      : `McpAuthInfo ${inspect({ ...this, resource: this.#resourceIdentifier }, { ...options, depth })}`;
  }

  /** Binds the caller to the request that was let through, once that is known. */
  static bind(auth: McpAuthInfo, call: AuthorizedCall): void {
    if (#bound in auth) auth.#bound.call = call;
  }

  /** By the very caller that was bound, as frameworks hand it on; no copy and no lookalike will do. */
  static callOf(auth: unknown): AuthorizedCall | undefined {
    return typeof auth === 'object' && auth !== null && #bound in auth ? auth.#bound.call : undefined;
  }

  /** The resource identifier as configured, which a URL may spell otherwise; empty for a lookalike of a caller. */
  static resourceIdentifierOf(auth: McpAuthInfo): string {
    return #resourceIdentifier in auth ? auth.#resourceIdentifier : '';
  }
}

/** Who a token stands for, as far as that has to be worked out. */
type Principal = Pick<McpAuthInfo, 'principalKey' | 'kind' | 'actor'>;

/** Of the tokens that are remembered, for as long as they are: they come with every request of their caller. */
const principals = new WeakMap<VerifiedToken, Principal>();

function principalOf(verified: VerifiedToken): Principal {
  const known = principals.get(verified);
  if (known) return known;
  const { issuer, subject, clientId, claims, kind = 'unknown' } = verified;
  const principal = { principalKey: principalKeyOf(issuer, subject, clientId), kind, actor: actorOf(claims) };
  principals.set(verified, principal);
  return principal;
}

function principalKeyOf(issuer: string, subject: string | undefined, clientId: string | undefined): string {
  const principal = subject === undefined ? [issuer, 'client', clientId] : [issuer, 'subject', subject];
  return hash('sha256', JSON.stringify(principal), 'base64url');
}

function actorOf(claims: VerifiedToken['claims']): Readonly<Record<string, unknown>> | undefined {
  const actor = ownMember(claims, 'act');
  if (!isRecord(actor)) return undefined;
  const { act: _history, ...outermost } = actor;
  // One object for all requests of the caller.
  return Object.freeze(outermost);
}

/**
 * The rich authorization details of one type that the caller was granted for this resource; for policies and handlers.
 * Entries are alternatives: check each by itself.
 *
 * @see RFC 9396
 */
export function authorizationDetails(auth: McpAuthInfo, type: string): AuthorizationDetail[] {
  return authorizationDetailsOf(auth.claims, type, Caller.resourceIdentifierOf(auth));
}
