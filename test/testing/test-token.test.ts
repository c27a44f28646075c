import { createPublicKey } from 'node:crypto';
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  decodeJwt,
  decodeProtectedHeader,
  errors,
  importJWK,
  jwtVerify,
  SignJWT,
} from 'jose';
import { generateTestKey, symmetricTestKey, TestIssuer } from 'nestjs-mcp-auth/testing';
import type { TestKeyOptions } from 'nestjs-mcp-auth/testing';

const AUDIENCE = 'http://127.0.0.1:3000/mcp';
const NOW = Date.UTC(2030, 0, 1);

let issuer: TestIssuer;

beforeAll(async () => {
  issuer = await TestIssuer.start({ audience: AUDIENCE, alg: 'ES256' });
});
afterAll(() => issuer.close());

function verify(token: string, from = issuer) {
  return jwtVerify(token, createRemoteJWKSet(new URL(from.jwksUri)), { issuer: from.issuer, audience: AUDIENCE });
}

function parts(token: string): string[] {
  return token.split('.').map((part) => Buffer.from(part, 'base64url').toString());
}

describe('TestIssuer.mint', () => {
  it('signs RS256 unless told otherwise, and verifies with the published keys', async () => {
    await using ordinary = await TestIssuer.start({ audience: AUDIENCE });
    const { payload, protectedHeader } = await verify(await ordinary.mint(), ordinary);
    expect(protectedHeader).toEqual({ alg: 'RS256', typ: 'at+jwt', kid: ordinary.key.kid });
    expect(payload).toEqual({
      iss: ordinary.issuer,
      sub: 'alice',
      client_id: 'test-client',
      aud: AUDIENCE,
      iat: expect.any(Number),
      exp: payload.iat! + 300,
      jti: expect.any(String),
    });
  });

  it.each<NonNullable<TestKeyOptions['alg']>>([
    'RS256',
    'RS512',
    'PS256',
    'PS384',
    'ES256',
    'ES384',
    'ES512',
    'EdDSA',
    'Ed25519',
  ])('signs %s', async (alg) => {
    const key = await issuer.addKey({ alg });
    const { protectedHeader } = await verify(await issuer.mint({}, { key }));
    expect(protectedHeader).toMatchObject({ alg, kid: key.kid });
    issuer.withdraw(key);
  });

  it('gives every token its own jti', async () => {
    expect(decodeJwt(await issuer.mint()).jti).not.toBe(decodeJwt(await issuer.mint()).jti);
  });

  it('takes the time from the clock it was given', async () => {
    await using fixed = await TestIssuer.start({ alg: 'ES256', now: () => NOW + 999 });
    expect(decodeJwt(await fixed.mint())).toMatchObject({ iat: NOW / 1000, exp: NOW / 1000 + 300 });
  });

  it('has no audience unless one is configured or given', async () => {
    await using bare = await TestIssuer.start({ alg: 'ES256' });
    expect(decodeJwt(await bare.mint())).not.toHaveProperty('aud');
    expect(decodeJwt(await bare.mint({ aud: ['a', 'b'] })).aud).toEqual(['a', 'b']);
  });

  it('adds, replaces and removes claims', async () => {
    const claims = decodeJwt(await issuer.mint({ sub: 7, scope: 'a b', exp: undefined, client_id: null }));
    expect(claims).toMatchObject({ sub: 7, scope: 'a b', client_id: null });
    expect(claims).not.toHaveProperty('exp');
  });

  it('adds, replaces and removes header members', async () => {
    const header = decodeProtectedHeader(
      await issuer.mint({}, { header: { typ: 'JWT', kid: undefined, crit: ['x'] } }),
    );
    expect(header).toEqual({ alg: 'ES256', typ: 'JWT', crit: ['x'] });
  });

  it('signs a raw payload as it stands', async () => {
    const payload = `{"iss":"${issuer.issuer}","aud":"${AUDIENCE}","sub":"alice","sub":"mallory","exp":1e999}`;
    const token = await issuer.mint({ sub: 'ignored' }, { payload });
    expect(parts(token)[1]).toBe(payload);
    await expect(verify(await issuer.mint({}, { payload: 'not JSON' }))).rejects.toThrow(errors.JWTInvalid);
  });

  it('signs a raw header as it stands', async () => {
    const rawHeader = '{"alg":"ES256","alg":"none"}';
    expect(parts(await issuer.mint({}, { rawHeader, header: { typ: 'ignored' } }))[0]).toBe(rawHeader);
  });

  it('writes a token without a signature', async () => {
    const token = await issuer.mint({}, { header: { alg: 'none' }, signature: '' });
    expect(token.endsWith('.')).toBe(true);
    expect(decodeProtectedHeader(token).alg).toBe('none');
  });

  it('signs another algorithm with the same key', async () => {
    const key = await issuer.addKey({ alg: 'RS256', kid: 'any-rsa', jwk: { alg: undefined } });
    const { protectedHeader } = await verify(await issuer.mint({}, { key, alg: 'PS256' }));
    expect(protectedHeader).toMatchObject({ alg: 'PS256', kid: 'any-rsa' });
    await expect(issuer.mint({}, { key, alg: 'ES256' })).rejects.toThrow('A key of type rsa cannot sign ES256');
    await expect(issuer.mint({}, { key, alg: 'HS256' })).rejects.toThrow('A key of type rsa cannot sign HS256');
    issuer.withdraw(key);
  });

  it('forges with a key that nobody published', async () => {
    const stranger = await generateTestKey({ alg: 'ES256' });
    await expect(verify(await issuer.mint({}, { key: stranger }))).rejects.toThrow(errors.JWKSNoMatchingKey);
    const disguised = { ...stranger, kid: issuer.key.kid };
    await expect(verify(await issuer.mint({}, { key: disguised }))).rejects.toThrow(
      errors.JWSSignatureVerificationFailed,
    );
  });

  it('forges with the public key as a shared secret', async () => {
    const pem = createPublicKey(issuer.key.privateKey).export({ type: 'spki', format: 'pem' }).toString();
    const token = await issuer.mint({}, { key: symmetricTestKey(pem, { kid: issuer.key.kid }) });
    await expect(jwtVerify(token, Buffer.from(pem))).resolves.toMatchObject({ protectedHeader: { alg: 'HS256' } });
    await expect(verify(token)).rejects.toThrow();
  });
});

describe('generateTestKey', () => {
  it('publishes no private member', async () => {
    for (const alg of ['RS256', 'ES384', 'EdDSA'] as const) {
      const { publicJwk } = await generateTestKey({ alg });
      for (const secret of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k']) expect(publicJwk).not.toHaveProperty(secret);
    }
  });

  it('changes the published JWK as told', async () => {
    const { kid, publicJwk } = await generateTestKey({
      alg: 'ES256',
      kid: 'k',
      jwk: { alg: undefined, kid: undefined, use: 'enc' },
    });
    expect(kid).toBe('k');
    expect(Object.keys(publicJwk).toSorted()).toEqual(['crv', 'kty', 'use', 'x', 'y']);
    expect(publicJwk.use).toBe('enc');
  });

  it('makes keys that jose takes as they are', async () => {
    const { alg, kid, privateKey, publicJwk } = await generateTestKey({ alg: 'EdDSA' });
    const token = await new SignJWT().setProtectedHeader({ alg, kid }).sign(privateKey);
    await expect(jwtVerify(token, createLocalJWKSet({ keys: [publicJwk] }))).resolves.toBeDefined();
    await expect(jwtVerify(token, await importJWK(publicJwk))).resolves.toBeDefined();
  });
});
