import { isRecord, ownMember } from '../core/record.js';
import { deepFreeze } from '../core/deep-freeze.js';
import { namedClaim, statedClaim } from './claims.js';
import {
  isPrincipalKind,
  type KindClaim,
  type KindOf,
  type KindRules,
  type PrincipalKind,
} from '../core/principal-kind.js';
import { ignoredPromise } from './granted-scopes.js';
import type { VerifiedToken } from '../core/token-verifier.js';

type Claims = Readonly<Record<string, unknown>>;

/**
 * The kind of principal behind a verified token. The rules of its issuer decide, if there are any; otherwise, or if they say
 * nothing, the claims do. If a function of the application throws, or returns anything but a kind, the kind is `unknown`. It is
 * also unknown if claims contradict each other.
 */
export function kindOfToken(
  token: Pick<VerifiedToken, 'subject' | 'clientId' | 'claims'>,
  configured: KindRules | undefined,
): PrincipalKind {
  if (configured) {
    const kind =
      typeof configured === 'function' ? askedKind(configured, token.claims) : kindIn(token.claims, configured);
    if (kind !== undefined) return isPrincipalKind(kind) ? kind : 'unknown';
  }
  if (showsClient(token)) return 'client';
  return showsUser(token.claims) ? 'user' : 'unknown';
}

function askedKind(configured: KindOf, claims: Claims): unknown {
  try {
    const kind: unknown = configured(deepFreeze(claims));
    return ignoredPromise(kind) ? 'unknown' : kind;
  } catch {
    return 'unknown';
  }
}

/** The kind that the values of claims mean; undefined if no value is listed. A text, or each text of a list, is a value. */
function kindIn(claims: Claims, rules: readonly KindClaim[]): PrincipalKind | undefined {
  const kinds = rules.flatMap(({ claim, kinds: byValue }) =>
    [namedClaim(claims, claim)]
      .flat()
      .flatMap((value) =>
        typeof value === 'string' ? ((ownMember(byValue, value) as PrincipalKind | undefined) ?? []) : [],
      ),
  );
  const [kind, ...others] = new Set(kinds);
  return others.length === 0 ? kind : 'unknown';
}

/**
 * Whether the token is for a client that acts for itself: it has no subject (see {@link identify}), or the client is the
 * subject (RFC 9068 §5), which Auth0 spells `<client>@clients`. Entra ID, Auth0 and Keycloak also state it in claims.
 */
function showsClient({ subject, clientId, claims }: Pick<VerifiedToken, 'subject' | 'clientId' | 'claims'>): boolean {
  return (
    subject === undefined ||
    subject === clientId ||
    subject === `${clientId}@clients` ||
    statedClaim(claims, 'idtyp') === 'app' ||
    isOfClientCredentials(claims) ||
    isServiceAccount(claims)
  );
}

/**
 * Whether the token was issued for the client credentials grant: Auth0 and FusionAuth state it in `gty`, ForgeRock in
 * `grant_type`.
 */
export function isOfClientCredentials(claims: Claims): boolean {
  const grants = ['gty', 'grant_type'].flatMap((name) => statedClaim(claims, name) ?? []);
  return grants.length > 0 && grants.every((grant) => grant === 'client-credentials' || grant === 'client_credentials');
}

/**
 * Whether Keycloak issued the token to a service account: such a token has no session, and names the client and its host or
 * address. The user name alone proves nothing, since a user may have chosen it.
 */
function isServiceAccount(claims: Claims): boolean {
  const client = statedClaim(claims, 'client_id');
  const hasSession = ['sid', 'session_state', 'auth_time'].some((name) => statedClaim(claims, name) !== undefined);
  return client !== undefined && client === statedClaim(claims, 'azp') && !hasSession && namesHost(claims);
}

/**
 * Whether a token with a session could be that of a service account of Keycloak. It has a session if "Use refresh tokens for
 * client credentials grant" is on, and then differs from a user only by its name and its host, which prove nothing either.
 *
 * @see https://github.com/keycloak/keycloak/issues/11653
 */
function couldBeServiceAccount(claims: Claims): boolean {
  const names = ['preferred_username', 'username'].map((name) => statedClaim(claims, name));
  return namesHost(claims) || names.some((name) => typeof name === 'string' && name.startsWith('service-account-'));
}

/** Whether the token names the host or address of its client, as those of service accounts do. */
function namesHost(claims: Claims): boolean {
  return ['clientHost', 'clientAddress'].some((name) => typeof statedClaim(claims, name) === 'string');
}

/**
 * Whether a user has signed in (OpenID Connect Core §2; `sid` and `session_state` name the session), an introspection answer
 * names the resource owner (RFC 7662 §2.2), or the product states it: Entra ID in `idtyp`, Auth0 in `gty`.
 *
 * `sub`, `acr`, `email`, `name` and `preferred_username` prove nothing: service accounts have them too. Nor does a session, if
 * the token could be that of a service account.
 */
function showsUser(claims: Claims): boolean {
  if (couldBeServiceAccount(claims)) return false;
  const [time, methods] = [statedClaim(claims, 'auth_time'), statedClaim(claims, 'amr')];
  const username = statedClaim(claims, 'username');
  return (
    (typeof time === 'number' && time > 0) ||
    (Array.isArray(methods) && methods.some((method) => typeof method === 'string' || isRecord(method))) ||
    ['sid', 'session_state'].some((name) => typeof statedClaim(claims, name) === 'string') ||
    typeof username === 'string' ||
    statedClaim(claims, 'idtyp') === 'user' ||
    statedClaim(claims, 'gty') === 'password'
  );
}
