import { invalidToken } from '../core/error.js';
import { firstStated, scopesOf, statedClaim, stringClaim } from './claims.js';
import { SCOPE_CLAIMS, type PrincipalNames } from '../core/token-format.js';
import { isOfClientCredentials } from './principal-kind.js';
import type { VerifiedToken } from '../core/token-verifier.js';

type Claims = Readonly<Record<string, unknown>>;

/** The sign-in and its session (OpenID Connect Core §2, Session Management §3, Front-Channel Logout §3). */
const SIGN_IN = ['auth_time', 'acr', 'amr', 'nonce', 'at_hash', 'c_hash', 'sid', 'session_state', 'session_id'];

/** The resource owner who authorized the token (RFC 7662 §2.2), and that somebody acts for a subject (RFC 8693 §4.1, §4.4). */
const RESOURCE_OWNER = ['username', 'act', 'may_act'];

/** The End-User (OpenID Connect Core §5.1), also as directories and frameworks call what it says. */
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

/** Names and numbers that products give to users: Entra ID and AD FS, Okta, UAA and Spring, Cognito, ForgeRock, .NET, and others after them. */
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
 * Claims that are there only where somebody has signed in, or that describe a user; in a token without a subject, each of
 * them shows that the subject was left out.
 */
const CLAIMS_OF_USERS: readonly string[] = [...SIGN_IN, ...RESOURCE_OWNER, ...END_USER, ...PRODUCTS];

const PLAIN_CLAIMS_OF_USERS: ReadonlySet<string> = new Set(CLAIMS_OF_USERS.map(plainName));

/**
 * Products spell these names in several ways: `Username` (PingFederate), `userId`, and in a namespace
 * `https://example.com/email` (Auth0) or `http://schemas.xmlsoap.org/…/emailaddress` (.NET).
 */
function plainName(claim: string): string {
  return claim
    .slice(Math.max(claim.lastIndexOf('/'), claim.lastIndexOf(':')) + 1)
    .replace(/[_-]/g, '')
    .toLowerCase();
}

/** Scopes by which a client asks for what belongs to a user (OpenID Connect Core §3.1.2.1, §5.4, §11). */
const SCOPES_OF_USERS: ReadonlySet<string> = new Set([
  'openid',
  'profile',
  'email',
  'address',
  'phone',
  'offline_access',
]);

/** Who the token speaks for, and what it was granted. */
export type Identity = Pick<VerifiedToken, 'subject' | 'clientId' | 'scopes'>;

/**
 * Who the token speaks for, and what it was granted. It must name a subject or a client; and where a user stands behind it,
 * it must name the subject: all users of a client would otherwise be one and the same principal.
 *
 * @param named where subject, client and scopes are named
 * @param claims what else is said about the token; the same for all but verifiers of the application
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

/** The claim by which a token is that of a user whom it does not name; undefined where it names that user, or shows none. */
function signOfNamelessUser(named: Claims, names: PrincipalNames, claims: Claims): string | undefined {
  const subject = firstStated(named, names.subject);
  // A subject that is read from the claim of the client does not tell its users apart.
  if (subject && !names.clientId.includes(subject.name))
    return signOfUserBehindClient(subject.value, named, names, claims);
  const isStated = (name: string): boolean => statedClaim(claims, name) !== undefined;
  const sign =
    CLAIMS_OF_USERS.find(isStated) ??
    Object.keys(claims).find((name) => isStated(name) && PLAIN_CLAIMS_OF_USERS.has(plainName(name)));
  return sign ?? (subject ? undefined : signOfLostSubject(named, names, claims));
}

/** What a user is called by, whom a subject that is the client does not name. */
const NAMES_OF_USERS = ['username', 'preferred_username', 'user_name', 'upn'];

/** Where the subject is the client, which it is only if no user is involved (RFC 9068 §2.2): the claim that names a user all the same. */
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
 * What else shows that a token without a subject should have one: a `sub` that the configuration does not read; scopes that
 * only users can grant; and, since the client alone shows nothing, where it is named and how. `azp` is a claim of ID tokens,
 * which are about users (OpenID Connect Core §2), unless the token says that it came of client credentials. Keycloak, which
 * writes the claim `typ`, gives a subject to every token, those of service accounts too.
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
