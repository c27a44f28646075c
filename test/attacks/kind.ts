import { attack, attacks, claiming, namedAttacks, nameOf, type Attack } from './attack.js';
import { MARK, type Lab } from './lab.js';

// JWTs of the same issuer, well signed and for this very audience, that are no access tokens: RFC 9068 §4, RFC 8725 §3.11 and
// §3.12; and what the profile `rfc9068` asks for besides: RFC 9068 §2.2.

const FOREIGN = [
  'nonce',
  'at_hash',
  'c_hash',
  's_hash',
  'events',
  'token_introspection',
  'htm',
  'htu',
  'response_type',
];
const TYPES = ['at+jwt', 'JWT', undefined];

/** What another kind of token looks like where `typ` is silent; told the resource. */
const UNDECLARED: Readonly<Record<string, (lab: Lab) => Record<string, unknown>>> = {
  'an ID token': () => ({ client_id: undefined, nonce: MARK, auth_time: 1 }),
  'an ID token for its client': ({ server }) => ({ client_id: undefined, azp: server.resource }),
  'an ID token for its only client': ({ server }) => ({
    client_id: undefined,
    azp: server.resource,
    aud: [server.resource],
  }),
  'an ID token that names neither client nor scope': () => ({ client_id: undefined, email: 'alice@example.com' }),
  'an ID token of Keycloak': () => ({ typ: 'ID' }),
  'a refresh token of Keycloak': () => ({ typ: 'Refresh' }),
  'an offline token of Keycloak': () => ({ typ: 'Offline' }),
  'a logout token of Keycloak': () => ({ typ: 'Logout' }),
  'an action token of Keycloak': () => ({ typ: 'reset-credentials' }),
  'an ID token of Cognito': () => ({ token_use: 'id' }),
  'a refresh token by its use': () => ({ token_use: 'refresh' }),
  'a use that is a list': () => ({ token_use: ['access'] }),
  'a type that is a list': () => ({ typ: ['Bearer'] }),
  'a type that is a number': () => ({ typ: 0 }),
  'a type with a space': () => ({ typ: 'Bearer ' }),
  'a client assertion of the resource itself': ({ server }) => ({ sub: server.resource, client_id: server.resource }),
  'a logout token': () => ({
    client_id: undefined,
    events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
    sid: MARK,
  }),
  'a security event': () => ({ client_id: undefined, events: {}, txn: MARK }),
  'an introspection response': () => ({ token_introspection: { active: true } }),
  'a request object': ({ server }) => ({ response_type: 'code', redirect_uri: server.origin, scope: 'a' }),
  'a hybrid response': () => ({ c_hash: MARK, s_hash: MARK, scope: 'a' }),
  'a DPoP proof': ({ server }) => ({ htm: 'POST', htu: server.resource, client_id: undefined }),
  'a token of user info': () => ({ client_id: undefined, email: 'alice@example.com', email_verified: true }),
};

/** What the profile cannot do without, and how it is missed. */
const REQUIRED = {
  sub: 'claim_missing',
  client_id: 'claim_missing',
  iat: 'claim_missing',
  jti: 'claim_missing',
  exp: 'expiry_missing',
  aud: 'audience_missing',
} as const;

function strictly(lab: Lab, claims: Record<string, unknown>, header: Record<string, unknown> = {}): Promise<string> {
  return lab.other.mint({ aud: lab.server.resource, ...claims }, { header });
}

export const KIND: readonly Attack[] = [
  ...TYPES.flatMap((typ) =>
    FOREIGN.map((claim) =>
      attack(`typ ${nameOf(typ)} with the claim ${claim}`, 'not_an_access_token', (lab) =>
        claiming(lab, { [claim]: MARK }, { header: { typ } }),
      ),
    ),
  ),
  ...attacks('a claim of other tokens that is', 'not_an_access_token', [0, false, {}, [null], ' '], (lab, nonce) =>
    claiming(lab, { nonce }),
  ),
  ...TYPES.slice(1).flatMap((typ) =>
    namedAttacks(`typ ${nameOf(typ)}`, 'not_an_access_token', UNDECLARED, (lab, claims) =>
      claiming(lab, claims(lab), { header: { typ } }),
    ),
  ),
  ...Object.entries(REQUIRED).map(([claim, reason]) =>
    attack(`under rfc9068: no ${claim}`, reason, (lab) => strictly(lab, { [claim]: undefined })),
  ),
  ...attacks('under rfc9068: typ', 'type_rejected', ['JWT', 'jwt', undefined, 'application/jwt', ''], (lab, typ) =>
    strictly(lab, {}, { typ }),
  ),
  ...attacks('under rfc9068: the claim', 'not_an_access_token', FOREIGN, (lab, claim) =>
    strictly(lab, { [claim]: MARK }),
  ),
  ...attacks(
    'under rfc9068, for ES256 only: alg',
    'algorithm_rejected',
    ['ES384', 'RS256', 'EdDSA', 'none'],
    (lab, alg) => strictly(lab, {}, { alg }),
  ),
  attack('the audience of two, one of them the client, from a token without typ', 'audience_rejected', (lab) =>
    claiming(lab, { aud: ['test-client', 'https://other.example'] }, { header: { typ: undefined } }),
  ),
];
