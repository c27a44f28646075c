import { invalidToken } from '../core/error.js';
import { firstStated, statedClaim, stringClaim } from './claims.js';
import { scopesOf } from './granted-scopes.js';
import { SCOPE_CLAIMS, type PrincipalNames } from '../core/token-format.js';
import { isOfClientCredentials } from './principal-kind.js';
import type { VerifiedToken } from '../core/token-verifier.js';

type Claims = Readonly<Record<string, unknown>>;

/** Claims about the sign-in and its session (OpenID Connect Core §2, Session Management §3, Front-Channel Logout §3). */
const SIGN_IN = ['auth_time', 'acr', 'amr', 'nonce', 'at_hash', 'c_hash', 'sid', 'session_state', 'session_id'];

/** Claims that name the resource owner (RFC 7662 §2.2), or who acts for the subject (RFC 8693 §4.1, §4.4). */
const RESOURCE_OWNER = ['username', 'act', 'may_act'];

/** Claims about the End-User (OpenID Connect Core §5.1), and the names that directories and frameworks use for them. */
const END_USER = [
  'name',
  'given_name',
  'family_name',
  'middle_name',
  'nickname',
  'preferred_username',
  'profile',
  'picture',
  'website',
  'email',
  'email_verified',
  'gender',
  'birthdate',
  'zoneinfo',
  'locale',
  'phone_number',
  'phone_number_verified',
  'address',
  'mail',
  'emails',
  'email_address',
  'first_name',
  'last_name',
  'full_name',
  'display_name',
  'surname',
];

/**
 * Names and ids of users in products: Entra ID and AD FS, Okta, UAA and Spring, Cognito, ForgeRock, .NET, and others that
 * follow them.
 */
const PRODUCTS = [
  'oid',
  'upn',
  'unique_name',
  'puid',
  'uid',
  'user_id',
  'user_name',
  'userid',
  'login',
  'idp',
  'cognito:username',
  'cognito:groups',
  'user',
  'subname',
  'name_identifier',
];

/**
 * Claims that exist only after a user has signed in, or that describe a user. In a token without a subject, each of them shows
 * that the subject was left out.
 */
const CLAIMS_OF_USERS: readonly string[] = [...SIGN_IN, ...RESOURCE_OWNER, ...END_USER, ...PRODUCTS];

const PLAIN_CLAIMS_OF_USERS: ReadonlySet<string> = new Set(CLAIMS_OF_USERS.map(plainName));

/**
 * The name of a claim without namespace, separators and case. Products spell these names in several ways: `Username`
 * (PingFederate), `userId`, and in a namespace `https://example.com/email` (Auth0) or
 * `http://schemas.xmlsoap.org/…/emailaddress` (.NET).
 */
function plainName(claim: string): string {
  return claim
    .slice(Math.max(claim.lastIndexOf('/'), claim.lastIndexOf(':')) + 1)
    .replace(/[_-]/g, '')
    .toLowerCase();
}

/** Scopes that only a user can grant (OpenID Connect Core §3.1.2.1, §5.4, §11). */
const SCOPES_OF_USERS: ReadonlySet<string> = new Set([
  'openid',
  'profile',
  'email',
  'address',
  'phone',
  'offline_access',
]);

/** The principal that a token names, and the granted scopes. */
export type Identity = Pick<VerifiedToken, 'subject' | 'clientId' | 'scopes'>;

/**
 * The principal that a token names, and the granted scopes. The token must name a subject or a client. If a user stands behind
 * it, it must name the subject: otherwise all users of a client would be the same principal.
 *
 * @param named the members that name subject, client and scopes
 * @param claims everything known about the token; differs from `named` for introspection and for verifiers of the application
 * @see RFC 9068 §2.2, which demands `sub`, and §5
 */
export function identify(named: Claims, names: PrincipalNames, claims: Claims = named): Identity {
  const subject = stringClaim(named, names.subject);
  const clientId = stringClaim(named, names.clientId);
  if (subject === undefined && clientId === undefined) {
    throw invalidToken('no_principal', undefined, { 'looked for': [...names.subject, ...names.clientId] });
  }
  const sign = signOfNamelessUser(named, names, claims);
  if (sign !== undefined)
    throw invalidToken('subject_missing', undefined, { 'looked for': names.subject, 'shown by': sign });
  return { subject, clientId, scopes: scopesOf(named, names) };
}

/** The claim that shows a user whom the token does not name; undefined if the token names the user, or shows none. */
function signOfNamelessUser(named: Claims, names: PrincipalNames, claims: Claims): string | undefined {
  const subject = firstStated(named, names.subject);
  // A subject that is read from the claim of the client cannot tell its users apart.
  if (subject && !names.clientId.includes(subject.name))
    return signOfUserBehindClient(subject.value, named, names, claims);
  const isStated = (name: string): boolean => statedClaim(claims, name) !== undefined;
  const sign =
    CLAIMS_OF_USERS.find(isStated) ??
    Object.keys(claims).find((name) => isStated(name) && PLAIN_CLAIMS_OF_USERS.has(plainName(name)));
  return sign ?? (subject ? undefined : signOfLostSubject(named, names, claims));
}

/** Claims that name a user even if the subject is the client. */
const NAMES_OF_USERS = ['username', 'preferred_username', 'user_name', 'upn'];

/**
 * The claim that names a user although the subject is the client; undefined if there is none. The subject is the client only if
 * no user is involved (RFC 9068 §2.2).
 */
function signOfUserBehindClient(
  subject: unknown,
  named: Claims,
  names: PrincipalNames,
  claims: Claims,
): string | undefined {
  const client = firstStated(named, names.clientId)?.value;
  if (subject !== client) return undefined;
  return NAMES_OF_USERS.find((name) => {
    const value = statedClaim(claims, name);
    return value !== undefined && value !== client && !String(value).startsWith('service-account-');
  });
}

/**
 * The other signs that a token without a subject should have one; undefined if there are none:
 *
 * - a `sub` that the configuration does not read;
 * - a scope that only users can grant;
 * - `typ`, a claim of Keycloak, which gives every token a subject, even those of service accounts;
 * - a client that is named in `azp` only, unless the token says that it came from client credentials: `azp` is a claim of ID
 *   tokens, which are about users (OpenID Connect Core §2).
 */
function signOfLostSubject(named: Claims, names: PrincipalNames, claims: Claims): string | undefined {
  const client = firstStated(named, names.clientId);
  const sub = statedClaim(claims, 'sub');
  if (sub !== undefined && sub !== client?.value) return 'sub';
  const scopes = [...names.scopes, ...SCOPE_CLAIMS].flatMap((name) => scopesOf(named, { scopes: [name] }));
  if (scopes.some((scope) => SCOPES_OF_USERS.has(scope))) return 'scope';
  if (statedClaim(claims, 'typ') !== undefined) return 'typ';
  return client?.name === 'azp' && statedClaim(named, 'client_id') === undefined && !isOfClientCredentials(claims)
    ? 'azp'
    : undefined;
}
