import { describe, expect, it } from '@jest/globals';
import { McpAuthError } from '../../lib/core/error.js';
import { CredentialVerifier } from '../../lib/token/credential-verifier.js';
import { CustomVerifier } from '../../lib/token/custom-verifier.js';
import { MAX_TOKEN_LENGTH } from '../../lib/token/decoded-jwt.js';
import { IssuerRouter } from '../../lib/token/issuer-router.js';
import { IssuerVerifier } from '../../lib/token/issuer-verifier.js';
import { TrustedIssuers, type TrustedIssuer } from '../../lib/token/trusted-issuers.js';
import type { Verification } from '../../lib/token/verification.js';

// Who verifies a token, and what the answers of the application must be, without a server. The other files have it over HTTP.

const NOW = 10_000_400;
const NOW_SECONDS = 10_000;
const ISSUER = 'https://issuer.example';
const now = (): number => NOW;

/** The reason of a refusal, with what it shows; undefined if there is none. */
async function refusalOf(verify: () => unknown): Promise<unknown> {
  try {
    await verify();
    return undefined;
  } catch (error) {
    const { reason, seen } = error as { reason: string; seen: object };
    return [reason, seen];
  }
}

/** Trusts one issuer until a time. */
class OneIssuer extends TrustedIssuers {
  constructor(private readonly trust: TrustedIssuer) {
    super();
  }

  override async find(issuer: string): Promise<TrustedIssuer | undefined> {
    if (typeof issuer !== 'string') throw new TypeError('no text');
    return issuer === ISSUER ? this.trust : undefined;
  }
}

/** Accepts every token, and says which ones it got. */
class Accepting extends IssuerVerifier {
  readonly got: [token: string, isDecoded: boolean][] = [];
  readonly signatures = undefined as never;
  readonly verification = { reusableUntil: 500, isCurrent: () => true } as Verification;

  override async verify(token: string, jwt: unknown): Promise<Verification> {
    this.got.push([token, jwt !== undefined]);
    return this.verification;
  }
}

describe('the issuer that verifies a token', () => {
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const jwtOf = (claims: object): string => `${encode({ alg: 'ES256' })}.${encode(claims)}.AAAA`;
  const trusting = (verifier: IssuerVerifier, until = Infinity): OneIssuer => new OneIssuer({ verifier, until });

  it('is the one that a JWT names', async () => {
    const verifier = new Accepting();
    const opaque = new Accepting();
    const token = jwtOf({ iss: ISSUER });
    const router = new IssuerRouter(trusting(verifier), [{ verifier: opaque, tokenPrefix: undefined }]);
    expect(await router.verify(token)).toBe(verifier.verification);
    expect([verifier.got, opaque.got]).toEqual([[[token, true]], []]);
  });

  it.each([
    [499, 499],
    [500, 500],
    [501, 500],
  ])('is trusted until %d at most, so a token is verified again at %d', async (until, reusableUntil) => {
    const verifier = new Accepting();
    const { isCurrent } = verifier.verification;
    const router = new IssuerRouter(trusting(verifier, until), []);
    expect(await router.verify(jwtOf({ iss: ISSUER }))).toEqual({ reusableUntil, isCurrent });
  });

  it.each<[object, string]>([
    [{ iss: 'https://other.example' }, '"https://other.example"'],
    [{ iss: [ISSUER] }, '["https://issuer.example"]'],
    [{}, 'null'],
  ])('is nobody for a JWT with %j', async (claims, iss) => {
    const router = new IssuerRouter(trusting(new Accepting()), []);
    expect(await refusalOf(() => router.verify(jwtOf(claims)))).toEqual(['issuer_unknown', { iss }]);
  });

  const routed = async (token: string, ...prefixes: (string | undefined)[]): Promise<unknown> => {
    const verifiers = prefixes.map(() => new Accepting());
    const routes = prefixes.map((tokenPrefix, at) => ({ verifier: verifiers[at] as Accepting, tokenPrefix }));
    const refusal = await refusalOf(() => new IssuerRouter(trusting(new Accepting()), routes).verify(token));
    return refusal ? (refusal as unknown[])[0] : verifiers.findIndex(({ got }) => got.length > 0);
  };

  it.each<[string, (string | undefined)[], unknown]>([
    ['opaque', [], 'token_malformed'],
    ['opaque', [undefined], 0],
    ['x'.repeat(MAX_TOKEN_LENGTH), [undefined], 0],
    ['x'.repeat(MAX_TOKEN_LENGTH + 1), [undefined], 'token_too_large'],
    ['x'.repeat(MAX_TOKEN_LENGTH + 1), [], 'token_too_large'],
    ['a_1', ['a_'], 0],
    ['1_a_', ['a_'], 'token_unroutable'],
    ['b_1', ['a_'], 'token_unroutable'],
    ['b_1', ['a_', 'b_'], 1],
    ['c_1', ['a_', 'b_'], 'token_unroutable'],
    ['b_1', [undefined, 'b_'], 1],
    ['c_1', [undefined, 'b_'], 'token_unroutable'],
    ['c_1', [undefined, undefined], 'token_unroutable'],
    ['undefined_1', [undefined, 'b_'], 'token_unroutable'],
  ])('of %.9s, with the prefixes %j: %s', async (token, prefixes, expected) => {
    expect(await routed(token, ...prefixes)).toBe(expected);
  });
});

describe('a credential of the application', () => {
  const rules = { name: 'key', reuseSeconds: 30, toleranceSeconds: 5, maxLifetimeSeconds: 60 };
  const failures: unknown[] = [];
  const verify = (answer: () => unknown): Promise<Verification> => {
    failures.length = 0;
    return new CredentialVerifier(answer, rules, now, (...failure) => failures.push(failure)).verify('secret-key');
  };

  it('is that of the caller that the application names', async () => {
    const result = { subject: 'alice', clientId: 'c', scopes: 'a b', kind: 'user', claims: { x: 1 } };
    const verification = await verify(() => ({ ...result, expiresAt: NOW_SECONDS + 30 }));
    expect(verification.token).toEqual({
      ...result,
      issuer: 'credential:key',
      scopes: ['a', 'b'],
      audience: [],
      expiresAt: NOW_SECONDS + 30,
    });
    expect([verification.reusableUntil, verification.isCurrent()]).toEqual([NOW + 30_000, true]);
  });

  it.each<[object, object]>([
    [{}, { expiresAt: NOW_SECONDS + 60, kind: 'unknown', claims: {}, scopes: [] }],
    [
      { expiresAt: NOW_SECONDS + 61, kind: null, claims: null },
      { expiresAt: NOW_SECONDS + 60, kind: 'unknown' },
    ],
    [{ expiresAt: NOW_SECONDS - 4 }, { expiresAt: NOW_SECONDS - 4 }],
    [{ expiresAt: null }, { expiresAt: NOW_SECONDS + 60 }],
  ])('with %j is one with %j', async (more, expected) => {
    expect((await verify(() => ({ subject: 'alice', ...more }))).token).toMatchObject(expected);
  });

  it.each([undefined, null])('is unknown where the answer is %s', async (answer) => {
    expect(await refusalOf(() => verify(() => answer))).toEqual(['credential_unknown', { credential: '"key"' }]);
  });

  it.each<[unknown, string, object]>([
    ['text', 'claim_malformed', { result: 'text' }],
    [[], 'claim_malformed', { result: 'a list' }],
    [{ clientId: 'c' }, 'no_principal', { subject: 'null' }],
    [{ subject: 7 }, 'claim_malformed', { subject: 'a number' }],
    [{ subject: 'alice', kind: 'admin' }, 'claim_malformed', { kind: 'text' }],
    [{ subject: 'alice', claims: 'text' }, 'claim_malformed', { claims: 'text' }],
    [{ subject: 'alice', claims: { cnf: { jkt: 'a'.repeat(43) } } }, 'sender_constrained', { 'bound by': 'cnf.jkt' }],
    [{ subject: 'alice', expiresAt: 'soon' }, 'time_malformed', { exp: 'text' }],
  ])('is refused where the answer is %j: %s', async (answer, reason, seen) => {
    const error = await verify(() => answer).catch((thrown: unknown) => thrown as McpAuthError);
    expect(error).toMatchObject({ reason: 'credential_rejected', cause: { reason } });
    const { cause } = error as { cause: Error };
    expect((error as McpAuthError).seen).toEqual({ credential: '"key"', ...seen, because: cause.message });
  });

  it('is refused like an expired token once it has expired', async () => {
    const refusal = await refusalOf(() => verify(() => ({ subject: 'alice', expiresAt: NOW_SECONDS - 5 })));
    expect(refusal).toEqual(['expired', { exp: '-5', credential: '"key"' }]);
  });

  it('is undecided where the application fails, which is reported', async () => {
    const cause = new Error('down');
    const fails = (): never => {
      throw cause;
    };
    expect(await refusalOf(() => verify(fails))).toEqual(['credential_unavailable', { credential: '"key"' }]);
    expect(failures).toEqual([[cause, 'secret-key']]);
    const bad = (): never => {
      throw Object.assign(new Error('revoked'), { code: 'invalid_token' });
    };
    expect(await refusalOf(() => verify(bad))).toEqual([
      'credential_unknown',
      { credential: '"key"', error: '"revoked"' },
    ]);
    expect(failures).toEqual([]);
  });

  it('is not judged by an answer that cannot be read', async () => {
    const unreadable = {
      get subject(): string {
        throw new Error('unreadable');
      },
    };
    await expect(verify(() => unreadable)).rejects.toThrow(/^unreadable$/);
  });
});

describe('a token that the application verifies', () => {
  const rules = {
    audiences: new Set(['https://a.example']),
    bindings: new Set(['jkt']),
    reuseSeconds: 30,
    toleranceSeconds: 5,
    maxLifetimeSeconds: 60,
  };
  const GOOD = { issuer: ISSUER, subject: 'alice', clientId: 'c', scopes: ['a'], audience: 'https://a.example' };
  const answer = { ...GOOD, expiresAt: NOW_SECONDS + 30 };
  const failures: unknown[] = [];
  const verify = (result: unknown, until = Infinity): Promise<Verification> => {
    failures.length = 0;
    const issuers = new OneIssuer({ verifier: new Accepting(), until });
    const ask = typeof result === 'function' ? (result as () => unknown) : (): unknown => result;
    return new CustomVerifier(ask, issuers, rules, now, (...failure) => failures.push(failure)).verify('secret-token');
  };

  it('is that of the caller that the application names', async () => {
    const { token, reusableUntil, isCurrent } = await verify(answer);
    expect(token).toEqual({ ...answer, audience: ['https://a.example'], claims: {}, kind: 'unknown' });
    expect([reusableUntil, isCurrent()]).toEqual([NOW + 30_000, true]);
    expect((await verify(answer, NOW + 1)).reusableUntil).toBe(NOW + 1);
  });

  it.each<[object, object]>([
    [{ kind: 'client' }, { kind: 'client' }],
    [{ claims: { sid: 's' } }, { kind: 'user', claims: { sid: 's' } }],
    [{ claims: { cnf: { jkt: 'a'.repeat(43) } } }, { claims: { cnf: { jkt: 'a'.repeat(43) } } }],
    [{ subject: undefined }, { subject: undefined, kind: 'client' }],
    [{ audience: ['b', 'https://a.example'] }, { audience: ['b', 'https://a.example'] }],
  ])('with %j is one with %j', async (more, expected) => {
    expect((await verify({ ...answer, ...more })).token).toMatchObject(expected);
  });

  it.each<[unknown, string, object]>([
    [undefined, 'verifier_failed', {}],
    ['text', 'verifier_failed', {}],
    [{}, 'issuer_unknown', { iss: 'null' }],
    [{ ...answer, issuer: 'https://b.example' }, 'issuer_unknown', { iss: '"https://b.example"' }],
    [{ ...answer, issuer: [ISSUER] }, 'issuer_unknown', { iss: `["${ISSUER}"]` }],
    [{ ...answer, audience: 'b' }, 'audience_rejected', { aud: '"b"', expected: '"https://a.example"' }],
    [{ ...answer, audience: undefined }, 'audience_missing', { expected: '"https://a.example"' }],
    [{ ...answer, expiresAt: undefined }, 'expiry_missing', {}],
    [{ ...answer, expiresAt: NOW_SECONDS - 5 }, 'expired', { exp: '-5' }],
    [{ ...answer, expiresAt: NOW_SECONDS + 66 }, 'lifetime_too_long', { exp: '66' }],
    [{ ...answer, kind: 'admin' }, 'claim_malformed', { kind: 'text' }],
    [{ ...answer, claims: 'text' }, 'claim_malformed', { claims: 'text' }],
    [{ ...answer, claims: { cnf: { 'x5t#S256': 'a' } } }, 'sender_constrained', { 'bound by': 'cnf.x5t#S256' }],
    [
      { ...answer, subject: undefined, claims: { email: 'a@b' } },
      'subject_missing',
      { 'looked for': '["subject"]', 'shown by': '"email"' },
    ],
  ])('is refused where the answer is %j: %s', async (result, reason, seen) => {
    expect(await refusalOf(() => verify(result))).toEqual([reason, seen]);
  });

  it('is refused with whom it names, once its issuer is known', async () => {
    const thrown = await verify({ ...answer, audience: 'b' }).catch((error: unknown) => error);
    expect((thrown as McpAuthError).origin).toMatchObject({ issuer: ISSUER, clientId: 'c', isVerified: true });
  });

  it('is undecided where the application fails, which is reported', async () => {
    const cause = new Error('down');
    const fails = (): never => {
      throw cause;
    };
    expect(await refusalOf(() => verify(fails))).toEqual(['verifier_unavailable', {}]);
    expect(failures).toEqual([[cause, 'secret-token']]);
    const bad = (): never => {
      throw Object.assign(new Error('bad'), { code: 'invalid_token' });
    };
    expect(await refusalOf(() => verify(bad))).toEqual(['verifier_failed', { error: '"bad"' }]);
  });
});
