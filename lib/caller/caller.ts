import { createHmac, hash, randomBytes } from 'node:crypto';
import { inspect, type InspectOptions } from 'node:util';
import { authorizationDetailsOf, type AuthorizationDetail } from './authorization-details.js';
import { isRecord, ownMember } from '../core/record.js';
import type { AuthorizedCall } from './authorized-call.js';
import type { CallerProof, McpAuthInfo } from '../core/auth-info.js';
import type { ResourceVariables } from '../core/resource-template.js';
import type { ResolvedResource } from '../options/resource-options.js';
import type { PrincipalKind } from '../core/principal-kind.js';
import type { VerifiedToken } from '../core/token-verifier.js';

/** Builds the caller from a verified token. */
export function authInfoOf(
  token: string,
  verified: VerifiedToken,
  resource: ResolvedResource,
  proof?: CallerProof,
): McpAuthInfo {
  return new Caller(token, verified, resource, { proof });
}

/** The key of {@link handleOf}. A new one in each process, so that a handle says nothing about its credential. */
const HANDLE_KEY = randomBytes(32);

/** Stands for a credential where frameworks expect a token: differs for each credential, and opens nothing. */
function handleOf(name: string, credential: string): string {
  const digest = createHmac('sha256', HANDLE_KEY)
    .update(JSON.stringify([name, credential]))
    .digest('base64url');
  return `credential:${name}:${digest}`;
}

/** Builds the caller from a verified credential of the application. Does not keep the credential. */
export function credentialInfoOf(
  name: string,
  credential: string,
  verified: VerifiedToken,
  resource: ResolvedResource,
): McpAuthInfo {
  return new Caller(handleOf(name, credential), verified, resource, { credential: name });
}

/** How a caller presented the token or credential. */
interface Presentation {
  readonly proof?: CallerProof | undefined;
  /** The name of the credential; undefined for an access token. */
  readonly credential?: string | undefined;
}

const NO_VARIABLES: ResourceVariables = Object.freeze({});

/** Private fields hold what must not be copied, printed or replaced. */
export class Caller implements McpAuthInfo {
  readonly #token: string;
  /** As configured, or that of a tenant. */
  readonly #at: ResolvedResource;
  #resource: URL | undefined;
  /** A separate object, because the caller itself is frozen. */
  readonly #bound: { call: AuthorizedCall | undefined } = { call: undefined };
  readonly clientId: string;
  readonly scopes: string[];
  readonly expiresAt: number;
  readonly issuer: string;
  readonly credential: string | undefined;
  readonly subject: string | undefined;
  readonly principalKey: string;
  readonly kind: PrincipalKind;
  readonly actor: Readonly<Record<string, unknown>> | undefined;
  readonly proof: CallerProof | undefined;
  readonly audience: readonly string[];
  readonly claims: Readonly<Record<string, unknown>>;

  constructor(token: string, verified: VerifiedToken, resource: ResolvedResource, { proof, credential }: Presentation) {
    const { principalKey, kind, actor } = principalOf(verified);
    this.#token = token;
    this.#at = resource;
    this.clientId = verified.clientId ?? '';
    this.scopes = [...verified.scopes];
    this.expiresAt = verified.expiresAt;
    this.issuer = verified.issuer;
    this.credential = credential;
    this.subject = verified.subject;
    this.principalKey = principalKey;
    this.kind = kind;
    this.actor = actor;
    this.proof = proof;
    this.audience = verified.audience;
    this.claims = verified.claims;
    Object.freeze(this);
  }

  get token(): string {
    return this.#token;
  }

  /** Each caller has its own URL, because code that gets it can change it. Created on first use, which is rare. */
  get resource(): URL {
    return (this.#resource ??= new URL(this.#at.identifier.value));
  }

  get resourceVariables(): ResourceVariables {
    return this.#at.tenant?.variables ?? NO_VARIABLES;
  }

  /** Prints only enumerable members: with `showHidden` and `getters`, Node would also print the token. */
  [inspect.custom](depth: number, options: InspectOptions): string {
    return depth < 0
      ? '[McpAuthInfo]'
      : `McpAuthInfo ${inspect({ ...this, resource: this.#at.identifier.value }, { ...options, depth })}`;
  }

  /** Binds the caller to its admitted call. */
  static bind(auth: McpAuthInfo, call: AuthorizedCall): void {
    if (#bound in auth) auth.#bound.call = call;
  }

  /** The call of a bound caller. Accepts only the same object, which frameworks pass on: no copy and no lookalike. */
  static callOf(auth: unknown): AuthorizedCall | undefined {
    return typeof auth === 'object' && auth !== null && #bound in auth ? auth.#bound.call : undefined;
  }

  /** Whether this library made the object: it may hold a token that was verified. */
  static isCaller(value: unknown): value is McpAuthInfo {
    return typeof value === 'object' && value !== null && #token in value;
  }

  /** The resource identifier as configured, which a URL may spell differently; empty for a lookalike of a caller. */
  static resourceIdentifierOf(auth: McpAuthInfo): string {
    return #at in auth ? auth.#at.identifier.value : '';
  }
}

/** The members of the caller that must be computed. */
type Principal = Pick<McpAuthInfo, 'principalKey' | 'kind' | 'actor'>;

/** Computed once for each cached token, which comes with every request of its caller. */
const principals = new WeakMap<VerifiedToken, Principal>();

function principalOf(verified: VerifiedToken): Principal {
  const known = principals.get(verified);
  if (known) return known;
  const { issuer, subject, clientId, claims, kind = 'unknown' } = verified;
  const principal = { principalKey: principalKeyOf(issuer, subject, clientId), kind, actor: actorOf(claims) };
  principals.set(verified, principal);
  return principal;
}

/** The stable key of a principal: of issuer and subject, or of issuer and client if there is no subject. */
export function principalKeyOf(issuer: string, subject: string | undefined, clientId: string | undefined): string {
  const principal = subject === undefined ? [issuer, 'client', clientId] : [issuer, 'subject', subject];
  return hash('sha256', JSON.stringify(principal), 'base64url');
}

function actorOf(claims: VerifiedToken['claims']): Readonly<Record<string, unknown>> | undefined {
  const actor = ownMember(claims, 'act');
  if (!isRecord(actor)) return undefined;
  const { act: _history, ...outermost } = actor;
  // All requests of the caller share this object.
  return Object.freeze(outermost);
}

/**
 * The rich authorization details of one type that the caller has for this resource; for policies and handlers. Entries
 * are alternatives: check each one separately.
 *
 * @see RFC 9396
 */
export function authorizationDetails(auth: McpAuthInfo, type: string): AuthorizationDetail[] {
  return authorizationDetailsOf(auth.claims, type, Caller.resourceIdentifierOf(auth));
}
