import { beforeEach, describe, expect, it } from '@jest/globals';
import { McpAuthError } from '../../lib/core/error.js';
import { decodeJwt, type DecodedJwt } from '../../lib/token/decoded-jwt.js';
import { ExpiringMap } from '../../lib/token/expiring-map.js';
import { IntrospectionVerifier, type IntrospectionRules } from '../../lib/token/introspection-verifier.js';
import type { Verification } from '../../lib/token/verification.js';

// What the answer of an introspection endpoint must be, without a server. test/conformance/10-introspection.test.ts has it over HTTP.

const NOW = 10_000_400;
const NOW_SECONDS = 10_000;
const ISSUER = 'https://issuer.example';
const RESOURCE = 'https://a.example';
const JKT = 'a'.repeat(43);
const RULES: IntrospectionRules = {
  issuer: ISSUER,
  audiences: new Set([RESOURCE]),
  bindings: new Set(['jkt']),
  claimNames: { scopes: ['scope'], clientId: ['client_id'], subject: ['sub'], audience: ['aud'] },
  audienceBound: false,
  accessTokensOnly: false,
  scopeRules: { grants: [{ claim: 'role', scopes: { admin: ['all'] } }], scopesOf: undefined },
  cacheSeconds: 30,
  negativeCacheSeconds: 10,
  toleranceSeconds: 5,
  maxLifetimeSeconds: 60,
};
const ANSWER = { active: true, sub: 'alice', client_id: 'c', aud: RESOURCE, scope: 'a', token_type: 'Bearer' };

let now: number;
let asked: string[];
/** Of the inactive tokens: whether their time was not over. */
let inactive: boolean[];
beforeEach(() => {
  now = NOW;
  asked = [];
  inactive = [];
});

/** A verifier whose endpoint gives this answer. */
function verifierFor(answer: unknown, rules: Partial<IntrospectionRules> = {}): IntrospectionVerifier {
  const endpoint = {
    introspect: async (token: string): Promise<unknown> => {
      asked.push(token);
      if (answer instanceof Error) throw answer;
      return answer;
    },
  };
  const store = new ExpiringMap<true>(10, () => now);
  const note = (isInTime: boolean): number => inactive.push(isInTime);
  const all = { ...RULES, ...rules };
  return new IntrospectionVerifier(endpoint as never, undefined as never, all, store, () => now, note);
}

function verify(answer: unknown, rules?: Partial<IntrospectionRules>, jwt?: DecodedJwt): Promise<Verification> {
  return verifierFor(answer, rules).verify('secret-token', jwt);
}

function jwtWith(claims: object, header: object = {}): DecodedJwt {
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return decodeJwt(`${encode({ alg: 'ES256', ...header })}.${encode(claims)}.AAAA`);
}

/** The reason of a refusal, with what it shows; undefined if there is none. */
async function refusalOf(verified: Promise<unknown>): Promise<unknown> {
  try {
    await verified;
    return undefined;
  } catch (error) {
    const { reason, seen } = error as McpAuthError;
    return [reason, seen];
  }
}

describe('an active token', () => {
  it('is that of the caller that the answer names', async () => {
    const answer = { ...ANSWER, exp: NOW_SECONDS + 30, role: 'admin', email: null };
    const { token, reusableUntil, isCurrent } = await verify(answer);
    const { email: _none, ...claims } = answer;
    expect(token).toStrictEqual({
      issuer: ISSUER,
      subject: 'alice',
      clientId: 'c',
      scopes: ['a', 'all'],
      audience: [RESOURCE],
      expiresAt: NOW_SECONDS + 30,
      kind: 'unknown',
      claims,
    });
    expect([reusableUntil, isCurrent()]).toEqual([NOW + 30_000, true]);
  });

  it('without an expiry is one for a minute', async () => {
    expect((await verify(ANSWER)).token.expiresAt).toBe(NOW_SECONDS + 1 + 60);
  });

  it('has the kind that the options say', async () => {
    expect((await verify(ANSWER, { kindOf: () => 'user' })).token.kind).toBe('user');
  });

  const unnamed = { ...ANSWER, aud: undefined };
  const untyped = { ...ANSWER, token_type: undefined };
  it.each<[object, Partial<IntrospectionRules>, object]>([
    [{ ...ANSWER, iss: ISSUER }, {}, { issuer: ISSUER }],
    [unnamed, { audienceBound: true }, { audience: [] }],
    [ANSWER, { audienceBound: true }, { audience: [RESOURCE] }],
    [untyped, { accessTokensOnly: true }, { subject: 'alice' }],
    [{ ...ANSWER, cnf: { jkt: JKT } }, {}, { subject: 'alice' }],
  ])('with the answer %j, of %j, is accepted', async (answer, rules, token) => {
    expect((await verify(answer, rules)).token).toMatchObject(token);
  });

  it.each<[object, Partial<IntrospectionRules>, string, object]>([
    [
      { ...ANSWER, iss: 'https://b.example' },
      {},
      'issuer_unknown',
      { iss: '"https://b.example"', expected: `"${ISSUER}"` },
    ],
    [unnamed, {}, 'audience_missing', { expected: `"${RESOURCE}"` }],
    [{ ...ANSWER, aud: 'b' }, { audienceBound: true }, 'audience_rejected', { aud: '"b"', expected: `"${RESOURCE}"` }],
    [{ ...ANSWER, exp: NOW_SECONDS - 5 }, {}, 'expired', { exp: '-5' }],
    [{ ...ANSWER, exp: NOW_SECONDS + 66 }, {}, 'lifetime_too_long', { exp: '66' }],
    [{ ...ANSWER, cnf: { 'x5t#S256': JKT } }, {}, 'sender_constrained', { 'bound by': 'cnf.x5t#S256' }],
    [
      { ...ANSWER, sub: undefined, email: 'a@b' },
      {},
      'subject_missing',
      { 'looked for': '["sub"]', 'shown by': '"email"' },
    ],
  ])('with the answer %j, of %j, is refused: %s', async (answer, rules, reason, seen) => {
    expect(await refusalOf(verify(answer, rules))).toEqual([reason, seen]);
  });

  it('that is a JWT must say of itself nothing else', async () => {
    const jwt = (claims: object, header?: object): Promise<unknown> =>
      refusalOf(verify({ ...ANSWER, token_type: undefined }, {}, jwtWith(claims, header)));
    expect(await jwt({}, { typ: 'at+jwt' })).toBeUndefined();
    expect(await jwt({ cnf: { jkt: JKT } }, { typ: 'at+jwt' })).toEqual([
      'sender_constrained',
      { 'bound by': 'cnf.jkt' },
    ]);
    asked = [];
    expect(await jwt({}, { typ: 'dpop+jwt' })).toEqual(['type_rejected', { typ: '"dpop+jwt"' }]);
    expect(asked).toEqual([]);
  });

  it('must be an access token: by the answer, by the options or by the header of a JWT', async () => {
    const bare = { ...ANSWER, token_type: undefined, aud: undefined };
    const refusal = (rules: object, jwt?: DecodedJwt): Promise<unknown> =>
      refusalOf(verify(bare, { ...rules, audienceBound: true }, jwt));
    expect(await refusal({})).toMatchObject(['not_an_access_token', {}]);
    expect(await refusal({}, jwtWith({}))).toMatchObject(['not_an_access_token', {}]);
    expect(await refusal({ accessTokensOnly: true })).toBeUndefined();
    expect(await refusal({}, jwtWith({}, { typ: 'at+jwt' }))).toBeUndefined();
  });

  it('that is a JWT may show a user whom the answer leaves out', async () => {
    const answer = { ...ANSWER, sub: undefined };
    expect(await refusalOf(verify(answer))).toBeUndefined();
    expect(await refusalOf(verify(answer, {}, jwtWith({ email: 'a@b' })))).toEqual([
      'subject_missing',
      { 'looked for': '["sub"]', 'shown by': '"email"' },
    ]);
    // The answer counts more than the token, which nobody has verified.
    const token = (await verify(ANSWER, {}, jwtWith({ sub: 'eve', scope: 'z' }))).token;
    expect([token.subject, token.scopes, token.claims]).toEqual(['alice', ['a'], ANSWER]);
  });
});

describe('an inactive token', () => {
  it('is not asked about again for a time', async () => {
    const verifier = verifierFor({ active: false });
    const refusal = (): Promise<unknown> => refusalOf(verifier.verify('secret-token', undefined));
    expect(await refusal()).toEqual(['token_inactive', {}]);
    now += 9_999;
    expect(await refusal()).toEqual(['token_inactive', {}]);
    expect(asked).toEqual(['secret-token']);
    now += 1;
    expect(await refusal()).toEqual(['token_inactive', {}]);
    expect(asked).toHaveLength(2);
    expect(inactive).toEqual([false, false]);
  });

  it.each<[object, boolean]>([
    [{ exp: NOW_SECONDS + 1 }, true],
    [{ exp: NOW_SECONDS }, false],
    [{ exp: String(NOW_SECONDS + 1) }, false],
    [{}, false],
  ])('that is a JWT with %j may be one of another server: %s', async (claims, isInTime) => {
    now = NOW_SECONDS * 1_000;
    expect(await refusalOf(verify({ active: false }, {}, jwtWith(claims)))).toEqual(['token_inactive', {}]);
    expect(inactive).toEqual([isInTime]);
  });
});

describe('the origin of a refusal', () => {
  const originOf = async (verified: Promise<unknown>): Promise<unknown> => {
    const error = await verified.catch((thrown: unknown) => thrown);
    return (error as McpAuthError).origin;
  };

  it('is verified once the endpoint has answered for the token', async () => {
    const origin = { issuer: ISSUER, clientId: 'c', isVerified: true, isOpaque: true };
    expect(await originOf(verify({ ...ANSWER, aud: 'b' }))).toEqual(origin);
    const jwt = jwtWith({ client_id: 'd' });
    expect(await originOf(verify({ ...ANSWER, aud: 'b' }, {}, jwt))).toEqual({ ...origin, isOpaque: false });
    expect(await originOf(verify({ active: false }, {}, jwt))).toEqual({
      issuer: ISSUER,
      clientId: 'd',
      isVerified: false,
      isOpaque: false,
    });
  });

  it('is unknown where the endpoint cannot be asked, which says nothing about the token', async () => {
    const cause = new Error('down');
    const error = await verify(cause).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'temporarily_unavailable', reason: 'introspection_failed', cause });
    expect(inactive).toEqual([]);
  });
});
