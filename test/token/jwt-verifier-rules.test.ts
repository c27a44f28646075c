import { beforeAll, describe, expect, it } from '@jest/globals';
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose';
import type { McpAuthError } from '../../lib/core/error.js';
import { StaticKeySet } from '../../lib/issuer/static-key-set.js';
import { decodeJwt } from '../../lib/token/decoded-jwt.js';
import { JwtVerifier, type JwtIssuer } from '../../lib/token/jwt-verifier.js';
import type { Verification } from '../../lib/token/verification.js';

// The verification of a JWT as a whole, without a server. test/conformance/3*.test.ts has it over HTTP.

const NOW = 10_000_000;
const NOW_SECONDS = 10_000;
const ISSUER = 'https://issuer.example';
const RESOURCE = 'https://a.example';
const RULES = {
  audiences: new Set([RESOURCE]),
  bindings: new Set<string>(),
  reuseSeconds: 30,
  toleranceSeconds: 5,
  maxLifetimeSeconds: 60,
};
const CLAIMS = { iss: ISSUER, aud: RESOURCE, sub: 'alice', client_id: 'c', scope: 'a', exp: NOW_SECONDS + 30 };

let privateKey: CryptoKey;
let jwk: JWK;
let trusted: JwtIssuer;
beforeAll(async () => {
  const pair = await generateKeyPair('ES256');
  privateKey = pair.privateKey;
  jwk = { ...(await exportJWK(pair.publicKey)), kid: 'k', alg: 'ES256' };
  trusted = {
    issuer: ISSUER,
    keys: new StaticKeySet({ keys: [jwk] }),
    algorithms: new Set(['ES256']),
    profile: 'compatible',
    claimNames: { scopes: ['scope'], clientId: ['client_id'], subject: ['sub'], audience: ['aud'] },
    scopeRules: { grants: [{ claim: 'role', scopes: { admin: ['all'] } }], scopesOf: undefined },
  };
});

const mint = (claims: object, header: object = {}): Promise<string> =>
  new SignJWT({ ...CLAIMS, ...claims })
    .setProtectedHeader({ alg: 'ES256', kid: 'k', typ: 'at+jwt', ...header })
    .sign(privateKey);

function verify(token: string, more: Partial<JwtIssuer> = {}): Promise<Verification> {
  return new JwtVerifier({ ...trusted, ...more }, RULES, () => NOW).verify(token, decodeJwt(token));
}

async function refusalOf(verified: Promise<unknown>): Promise<unknown> {
  const error = await verified.then(
    () => undefined,
    (thrown: unknown) => thrown as McpAuthError,
  );
  return error && [error.reason, error.seen, error.origin];
}

describe('a JWT of an issuer', () => {
  it('is that of the caller that it names', async () => {
    const { token, reusableUntil, isCurrent } = await verify(await mint({ role: 'admin' }), { kindOf: () => 'user' });
    expect(token).toEqual({
      issuer: ISSUER,
      subject: 'alice',
      clientId: 'c',
      scopes: ['a', 'all'],
      audience: [RESOURCE],
      expiresAt: NOW_SECONDS + 30,
      kind: 'user',
      claims: { ...CLAIMS, role: 'admin' },
    });
    expect([reusableUntil, isCurrent()]).toEqual([NOW + 30_000, true]);
  });

  it('is current only as long as its key is published', async () => {
    let isPublished = true;
    class Withdrawn extends StaticKeySet {
      override isPublished(): boolean {
        return isPublished;
      }
    }
    const { isCurrent } = await verify(await mint({}), { keys: new Withdrawn({ keys: [jwk] }) });
    isPublished = false;
    expect(isCurrent()).toBe(false);
  });

  const origin = (isVerified: boolean): object => ({ issuer: ISSUER, clientId: 'c', isVerified, isOpaque: undefined });
  it.each<[object, object, string, object]>([
    [{ iss: 'https://b.example' }, {}, 'issuer_unknown', { iss: '"https://b.example"', expected: `"${ISSUER}"` }],
    [{ aud: 'b' }, {}, 'audience_rejected', { aud: '"b"', expected: `"${RESOURCE}"` }],
    [{ exp: NOW_SECONDS - 5 }, {}, 'expired', { exp: '-5' }],
    [{ cnf: { jkt: 'a'.repeat(43) } }, {}, 'sender_constrained', { 'bound by': 'cnf.jkt' }],
    [{}, { kid: 'other' }, 'key_unknown', { alg: '"ES256"', kid: '"other"' }],
    [{}, { typ: 'id+jwt' }, 'type_rejected', { typ: '"id+jwt"' }],
  ])('with the claims %j and the header %j is refused: %s', async (claims, header, reason, seen) => {
    expect(await refusalOf(verify(await mint(claims, header)))).toEqual([reason, seen, origin(false)]);
  });

  it('is refused for its algorithm before anything else', async () => {
    const refusal = await refusalOf(verify(await mint({ aud: 'b' }), { algorithms: new Set(['RS256']) }));
    expect(refusal).toEqual(['algorithm_rejected', { alg: '"ES256"', expected: '"RS256"' }, origin(false)]);
  });

  it('is refused with what is verified, if a function of the application fails', async () => {
    const scopesOf = (): never => {
      throw new Error('broken');
    };
    const refusal = await refusalOf(verify(await mint({}), { scopeRules: { grants: [], scopesOf } }));
    expect(refusal).toEqual(['scopes_of_failed', { error: '"broken"' }, origin(true)]);
  });

  it('is refused where its signature is another one, or where it is no JWT', async () => {
    const token = await mint({});
    const [header, payload] = token.split('.');
    const other = `${header}.${payload}.${(await mint({ scope: 'b' })).split('.')[2]}`;
    expect(await refusalOf(verify(other))).toEqual([
      'signature_invalid',
      { alg: '"ES256"', kid: '"k"' },
      origin(false),
    ]);
    const verifier = new JwtVerifier(trusted, RULES, () => NOW);
    expect(await refusalOf(verifier.verify('opaque', undefined))).toEqual(['token_malformed', {}, undefined]);
    expect(verifier.signatures).toEqual({ keys: trusted.keys, algorithms: ['ES256'] });
  });
});
