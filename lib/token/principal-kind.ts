import { isRecord } from '../core/record.js';
import { statedClaim } from './claims.js';
import { isPrincipalKind, type KindOf, type PrincipalKind } from '../core/principal-kind.js';
import type { VerifiedToken } from '../core/token-verifier.js';

type Claims = Readonly<Record<string, unknown>>;

/**
 * Whether a user stands behind a verified token, by the word of the application, else by what the token shows.
 * What the application throws, or returns besides a kind, shows nothing.
 */
export function kindOfToken(
  token: Pick<VerifiedToken, 'subject' | 'clientId' | 'claims'>,
  configured: KindOf | undefined,
): PrincipalKind {
  if (configured) {
    const kind = askedKind(configured, token.claims);
    if (kind !== undefined) return isPrincipalKind(kind) ? kind : 'unknown';
  }
  if (showsClient(token)) return 'client';
  return showsUser(token.claims) ? 'user' : 'unknown';
}

function askedKind(configured: KindOf, claims: Claims): unknown {
  try {
    return configured(claims);
  } catch {
    return 'unknown';
  }
}

/**
 * A token that has no subject is that of a client: see {@link identify}. A subject that is the client means that the client
 * acts for itself (RFC 9068 §5); Auth0 derives the subject from the client. Entra ID, Auth0 and Keycloak say it in claims.
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

/** That the token came of the grant of a client for itself: Auth0 and FusionAuth say it in `gty`, ForgeRock in `grant_type`. */
export function isOfClientCredentials(claims: Claims): boolean {
  const grants = ['gty', 'grant_type'].flatMap((name) => statedClaim(claims, name) ?? []);
  return grants.length > 0 && grants.every((grant) => grant === 'client-credentials' || grant === 'client_credentials');
}

/**
 * Keycloak has its service accounts sign in without a session, and says which client that is and where it was. The user name
 * alone shows nothing, since a user may have chosen it.
 */
function isServiceAccount(claims: Claims): boolean {
  const client = statedClaim(claims, 'client_id');
  const hasSession = ['sid', 'session_state', 'auth_time'].some((name) => statedClaim(claims, name) !== undefined);
  if (client === undefined || client !== statedClaim(claims, 'azp') || hasSession) return false;
  return ['clientHost', 'clientAddress'].some((name) => typeof statedClaim(claims, name) === 'string');
}

/**
 * That somebody has signed in (OpenID Connect Core §2; `sid` and `session_state` name the session), that an introspection
 * answer names the resource owner (RFC 7662 §2.2), or that the product says so: Entra ID by `idtyp`, Auth0 by `gty`.
 *
 * `sub`, `acr`, `email`, `name` and `preferred_username` show nothing: service accounts have them too.
 */
function showsUser(claims: Claims): boolean {
  const [time, methods] = [statedClaim(claims, 'auth_time'), statedClaim(claims, 'amr')];
  const username = statedClaim(claims, 'username');
  return (
    (typeof time === 'number' && time > 0) ||
    (Array.isArray(methods) && methods.some((method) => typeof method === 'string' || isRecord(method))) ||
    ['sid', 'session_state'].some((name) => typeof statedClaim(claims, name) === 'string') ||
    (typeof username === 'string' && !username.startsWith('service-account-')) ||
    statedClaim(claims, 'idtyp') === 'user' ||
    statedClaim(claims, 'gty') === 'password'
  );
}
