import { describe, expect, it } from '@jest/globals';
import {
  checkBinding,
  checkKind,
  checkKindBeforeAsking,
  checkKindOfAnswer,
  checkSameBinding,
  isDeclaredAccessToken,
} from '../../lib/token/token-kind.js';

// Which tokens are access tokens, claim by claim. test/conformance has the rules of the specifications, over HTTP.

type Members = Record<string, unknown>;

const AT = { typ: 'at+jwt' };
const FULL = { sub: 'alice', client_id: 'c', iat: 1, jti: 'j' };

/** The reason of the refusal and what it shows; undefined if there is none. */
function refusalOf(check: () => void): unknown {
  try {
    check();
    return undefined;
  } catch (error) {
    const { reason, seen } = error as { reason: string; seen: Members };
    return [reason, ...Object.entries(seen).map(([name, value]) => `${name}: ${String(value)}`)];
  }
}

describe('a JWT', () => {
  it.each<[Members, boolean]>([
    [{ typ: 'at+jwt' }, true],
    [{ typ: 'AT+JWT' }, true],
    [{ typ: 'application/at+jwt' }, true],
    [{ typ: 'jwt' }, false],
    [{ typ: ['at+jwt'] }, false],
    [{}, false],
    [Object.create({ typ: 'at+jwt' }) as Members, false],
  ])('with the header %j declares that it is an access token: %s', (header, isIt) => {
    expect(isDeclaredAccessToken(header)).toBe(isIt);
  });

  it.each<[Members, Members, unknown]>([
    [AT, FULL, undefined],
    [AT, { ...FULL, sub: '' }, ['claim_missing', 'missing: ["sub"]']],
    [AT, {}, ['claim_missing', 'missing: ["sub", "client_id", "iat" and 1 more]']],
    [AT, { ...FULL, jti: undefined, iat: null }, ['claim_missing', 'missing: ["iat", "jti"]']],
    [AT, { ...FULL, sub: 1 }, ['claim_malformed', 'sub: a number']],
    [AT, { ...FULL, client_id: ['c'] }, ['claim_malformed', 'client_id: a list']],
    [AT, { ...FULL, jti: {} }, ['claim_malformed', 'jti: an object']],
    [AT, { ...FULL, nonce: 'n' }, ['not_an_access_token', 'marked by: ["nonce"]']],
    [{ typ: 'jwt' }, FULL, ['type_rejected']],
    [{}, FULL, ['type_rejected']],
  ])('of RFC 9068 with %j and %j: %j', (header, claims, refusal) => {
    expect(refusalOf(() => checkKind(header, claims, 'rfc9068'))).toEqual(refusal);
  });

  it.each<[Members, Members, unknown]>([
    [AT, {}, undefined],
    [AT, { at_hash: 'a', htm: 'GET' }, ['not_an_access_token', 'marked by: ["at_hash", "htm"]']],
    [{}, { client_id: 'c' }, undefined],
    [{ typ: 'JWT' }, { scope: 'a' }, undefined],
    [{ typ: 'dpop+jwt' }, { scope: 'a' }, ['type_rejected']],
    [{ typ: '' }, { scope: 'a' }, ['type_rejected']],
    [{ typ: null }, { scope: 'a' }, ['type_rejected']],
    [{}, { scope: 'a', response_type: 'code' }, ['not_an_access_token', 'marked by: ["response_type"]']],
  ])('with %j and %j: %j', (header, claims, refusal) => {
    expect(refusalOf(() => checkKind(header, claims, 'compatible'))).toEqual(refusal);
  });

  it.each(['nonce', 'at_hash', 'c_hash', 's_hash', 'events', 'token_introspection', 'htm', 'htu', 'response_type'])(
    'with the claim %s is another kind of token',
    (claim) => {
      const refusal = ['not_an_access_token', `marked by: ["${claim}"]`];
      expect(refusalOf(() => checkKind({}, { scope: 'a', [claim]: 'x' }, 'compatible'))).toEqual(refusal);
      expect(refusalOf(() => checkKindBeforeAsking({}, { [claim]: 'x' }))).toEqual(refusal);
      expect(refusalOf(() => checkKindBeforeAsking({}, { [claim]: '' }))).toBeUndefined();
    },
  );

  it.each(['client_id', 'azp', 'cid', 'appid', 'scope', 'scp'])(
    'that names no type has one of the claims, such as %s',
    (claim) => {
      expect(refusalOf(() => checkKind({}, { [claim]: 'x' }, 'compatible'))).toBeUndefined();
      expect(refusalOf(() => checkKind({}, { [claim]: '' }, 'compatible'))).toEqual([
        'not_an_access_token',
        'because: it names neither client nor scope: client_id, azp, cid, appid, scope, scp',
      ]);
    },
  );

  it.each<[Members, boolean]>([
    [{ client_id: 'c', aud: 'c' }, true],
    [{ client_id: 'c', aud: ['c'] }, true],
    [{ azp: 'c', aud: 'c' }, true],
    [{ client_id: 'c', aud: ['c', 'd'] }, false],
    [{ client_id: 'c', azp: 'd', aud: 'd' }, false],
    [{ scope: 'a', aud: 'c' }, false],
    [{ scope: 'a' }, false],
  ])('with %j is for its own client: %s', (claims, isIt) => {
    const refusal = [
      'not_an_access_token',
      'aud: "c"',
      'because: its only audience is its own client, as in an ID token',
    ];
    expect(refusalOf(() => checkKind({}, claims, 'compatible'))).toEqual(isIt ? refusal : undefined);
  });

  it.each<[Members, unknown]>([
    [{ typ: 'Bearer' }, undefined],
    [{ typ: 'DPoP' }, undefined],
    [{ typ: 'ID' }, 'typ ID'],
    [{ typ: 1 }, 'typ, a number'],
    [{ token_use: 'access' }, undefined],
    [{ token_use: 'Access_Token' }, undefined],
    [{ token_use: 'id' }, 'token_use id'],
    [{ token_use: true }, 'token_use, true or false'],
    [{ typ: 'Bearer', token_use: 'id' }, 'token_use id'],
    [{ tokenName: 'refresh_token' }, 'tokenName refresh_token'],
    [{ tokenType: 'Refresh Token' }, 'tokenType Refresh Token'],
    [{ token_type: 'id-token' }, 'token_type id-token'],
    [{ purpose: 'ID' }, 'purpose ID'],
    [{ type: 'logout_token' }, 'type logout_token'],
    [{ type: 'logout' }, 'type logout'],
    [{ type: 'refresh' }, 'type refresh'],
    [{ type: 'access' }, undefined],
    [{ type: ['id'] }, undefined],
    [{ purpose: 'identity' }, undefined],
  ])('with %j is marked by: %s', (claims, by) => {
    const refusal = by === undefined ? undefined : ['not_an_access_token', `marked by: ["${String(by)}"]`];
    expect(refusalOf(() => checkKindBeforeAsking({}, claims))).toEqual(refusal);
    expect(refusalOf(() => checkKind({}, { scope: 'a', ...claims }, 'compatible'))).toEqual(refusal);
  });

  it('is asked about if its type contradicts nothing', () => {
    for (const header of [{}, { typ: 'JWT' }, AT])
      expect(refusalOf(() => checkKindBeforeAsking(header, {}))).toBeUndefined();
    for (const typ of ['id+jwt', '', null])
      expect(refusalOf(() => checkKindBeforeAsking({ typ }, {}))).toEqual(['type_rejected']);
  });
});

describe('an introspection answer', () => {
  const unknown = { isAccessToken: false, hasAudience: true };
  const NO_AUDIENCE = [
    'not_an_access_token',
    'because: it names no audience, and is not called an access token by token_type, token_use or typ',
  ];
  it.each<[Members, { isAccessToken: boolean; hasAudience: boolean }, unknown]>([
    [{}, unknown, undefined],
    [{}, { ...unknown, hasAudience: false }, NO_AUDIENCE],
    [{}, { isAccessToken: true, hasAudience: false }, undefined],
    [{ token_type: 'Bearer' }, { ...unknown, hasAudience: false }, undefined],
    [{ token_type: 'dpop' }, { ...unknown, hasAudience: false }, undefined],
    [{ token_type: 'access_token' }, { ...unknown, hasAudience: false }, undefined],
    [{ token_type: 'access' }, { ...unknown, hasAudience: false }, undefined],
    [{ token_use: 'access_token' }, { ...unknown, hasAudience: false }, undefined],
    [
      { token_type: 'refresh_token' },
      { isAccessToken: true, hasAudience: true },
      ['not_an_access_token', 'marked by: ["token_type refresh_token"]'],
    ],
    [{ token_type: 7 }, unknown, ['not_an_access_token', 'marked by: ["token_type, a number"]']],
    [{ typ: 'ID' }, { isAccessToken: true, hasAudience: true }, ['not_an_access_token', 'marked by: ["typ ID"]']],
    [{ nonce: 'n' }, unknown, ['not_an_access_token', 'marked by: ["nonce"]']],
    [{ nonce: 'n', token_type: 'bearer' }, unknown, undefined],
    [
      { client_id: 'c', aud: 'c' },
      unknown,
      ['not_an_access_token', 'aud: "c"', 'because: its only audience is its own client, as in an ID token'],
    ],
    [{ client_id: 'c', aud: 'c', typ: 'Bearer' }, unknown, undefined],
  ])('%j, with %j: %j', (answer, rules, refusal) => {
    expect(refusalOf(() => checkKindOfAnswer(answer, rules))).toEqual(refusal);
  });
});

describe('a token that is bound to a key', () => {
  const jkt = 'a'.repeat(43);
  const certificate = { 'x5t#S256': jkt };
  const bound = (by: string): unknown => ['sender_constrained', `bound by: ${by}`];
  it.each<[Members, string[], unknown]>([
    [{}, [], undefined],
    [{ cnf: { jkt } }, ['jkt'], undefined],
    [{ cnf: { jkt } }, [], bound('cnf.jkt')],
    [{ cnf: { jkt, other: 1 } }, ['jkt'], undefined],
    [{ cnf: { jkt, ...certificate } }, ['jkt'], bound('cnf.x5t#S256')],
    [{ cnf: { jkt, ...certificate } }, ['jkt', 'x5t#S256'], undefined],
    [{ cnf: { jkt: 'a'.repeat(42) } }, ['jkt'], bound('cnf.jkt')],
    [{ cnf: { jkt: 'a'.repeat(44) } }, ['jkt'], bound('cnf.jkt')],
    [{ cnf: { jkt: `${'a'.repeat(42)}+` } }, ['jkt'], bound('cnf.jkt')],
    [{ cnf: { jkt: 1 } }, ['jkt'], bound('cnf.jkt')],
    [{ cnf: { jkt: [jkt] } }, ['jkt'], bound('cnf.jkt')],
    [{ cnf: { jwk: {} } }, ['jkt'], bound('cnf')],
    [{ cnf: 'text' }, ['jkt'], bound('cnf')],
    [{ cnf: null }, ['jkt'], undefined],
    [{ typ: 'DPoP' }, ['jkt'], bound('typ')],
    [{ token_type: 'dpop' }, ['jkt'], bound('token_type')],
    [{ typ: 'DPoP', cnf: { jkt } }, ['jkt'], undefined],
    [{ typ: 'DPoP', cnf: certificate }, ['x5t#S256'], bound('typ')],
    [{ typ: 'Bearer' }, [], undefined],
    [{ typ: ['dpop'] }, [], undefined],
  ])('%j, of %j: %j', (claims, accepted, refusal) => {
    expect(refusalOf(() => checkBinding(claims, new Set(accepted)))).toEqual(refusal);
  });

  it.each<[Members, Members, unknown]>([
    [{}, {}, undefined],
    [{ cnf: { jkt } }, { cnf: { jkt } }, undefined],
    [{ cnf: { jkt } }, {}, bound('cnf.jkt')],
    [{ cnf: { jkt } }, { cnf: { jkt: 'b' } }, bound('cnf.jkt')],
    [{ cnf: { jkt } }, { cnf: { jkt, ...certificate } }, undefined],
    [{ cnf: { other: 1 } }, {}, bound('cnf')],
    [{ cnf: { other: 1 } }, { cnf: { jkt } }, undefined],
    [{ typ: 'DPoP' }, {}, bound('typ')],
    [{}, { cnf: { jkt } }, undefined],
  ])('%j, with the answer %j: %j', (claims, answer, refusal) => {
    expect(refusalOf(() => checkSameBinding(claims, answer))).toEqual(refusal);
  });
});
