import { hash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { TestDpopKey, generateTestKey, symmetricTestKey } from 'nestjs-mcp-auth/testing';
import { expectChallenges, startDpopServer, type DpopServer } from '../support/dpop-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { sendRaw } from '../support/raw-http.js';
import { callOf } from '../support/challenge-cases.js';

describe.each(PLATFORMS)('8. DPoP: what a proof must show, on %s', (platform) => {
  let dpop: DpopServer;
  let wide: TestDpopKey;

  beforeAll(async () => {
    dpop = await startDpopServer(platform, { dpop: { algorithms: ['ES256', 'ES384'] } });
    wide = await TestDpopKey.generate({ alg: 'ES384' });
  });

  afterAll(() => dpop.close());
  beforeEach(() => void dpop.server.ran.splice(0));

  const expectBadProof = async (response: Response): Promise<void> => {
    await expectChallenges(dpop, response, { error: 'invalid_dpop_proof' });
    expect(dpop.server.ran).toEqual([]);
  };

  it('RFC9449-7.1-a: accepts a token with the proof of its key', async () => {
    const response = await dpop.callWith({});
    expect(response.status).toBe(200);
    expect(dpop.server.ran).toEqual(['ping']);
  });

  it('RFC9449-7.1-a: refuses a token without a proof', async () => {
    const token = await dpop.mintBound();
    await expectBadProof(await dpop.call({ authorization: `DPoP ${token}` }));
  });

  it.each(['DPoP', 'dpop', 'DPOP'])('RFC9449-7.1-a: takes the scheme as %s', async (scheme) => {
    const token = await dpop.mintBound();
    const response = await dpop.call({ authorization: `${scheme} ${token}`, dpop: dpop.proof(token) });
    expect(response.status).toBe(200);
  });

  it('RFC9449-4.3-1: refuses two proofs, in one field and in two', async () => {
    const token = await dpop.mintBound();
    const proofs = [dpop.proof(token), dpop.proof(token)];
    await expectBadProof(await dpop.call({ authorization: `DPoP ${token}`, dpop: proofs.join(', ') }));
    const headers = [
      'Content-Type: application/json',
      'Accept: application/json, text/event-stream',
      `Authorization: DPoP ${token}`,
      ...proofs.map((proof) => `DPoP: ${proof}`),
    ];
    const body = JSON.stringify(callOf('ping'));
    const { status, headers: answered } = await sendRaw(dpop.server.origin, { path: '/mcp', headers, body });
    expect([status, answered.get('www-authenticate')?.[0]]).toEqual([
      401,
      expect.stringContaining('DPoP error="invalid_dpop_proof"'),
    ]);
    expect(dpop.server.ran).toEqual([]);
  });

  it.each([
    ['nothing', ''],
    ['text', 'garbage'],
    ['two parts', 'e30.e30'],
    ['five parts', 'e30.e30.e30.e30.e30'],
    ['JSON', '{"typ":"dpop+jwt"}'],
    ['a part that is not base64url', 'e30.é.e30'.normalize('NFKD').replace(/[^ -~]/g, '+')],
    ['12,000 characters', 'a'.repeat(12_000)],
  ])('RFC9449-4.3-2: refuses %s as a proof', async (_what, proof) => {
    const token = await dpop.mintBound();
    await expectBadProof(await dpop.call({ authorization: `DPoP ${token}`, dpop: proof }));
  });

  it.each<[string, Record<string, unknown>]>([
    ...['jti', 'htm', 'htu', 'iat', 'ath'].flatMap((name): [string, Record<string, unknown>][] => [
      [`without ${name}`, { [name]: undefined }],
      [`with ${name} null`, { [name]: null }],
      [`with ${name} in a list`, { [name]: ['x'] }],
      [`with ${name} an object`, { [name]: {} }],
      [`with ${name} empty`, { [name]: '' }],
    ]),
    ['with jti 5', { jti: 5 }],
    ['with iat "now"', { iat: 'now' }],
    ['with iat true', { iat: true }],
    ['with a long jti', { jti: 'j'.repeat(1_025) }],
    ['with a nonce that is not a string', { nonce: 5 }],
  ])('RFC9449-4.3-3: refuses a proof %s', async (_what, claims) => {
    await expectBadProof(await dpop.callWith({ claims }));
  });

  it.each<[string, unknown]>([
    ['JWT', 'JWT'],
    ['at+jwt', 'at+jwt'],
    ['nothing', undefined],
    ['a number', 5],
  ])('RFC9449-4.3-4: refuses %s as typ', async (_what, typ) => {
    await expectBadProof(await dpop.callWith({ header: { typ } }));
  });

  it('RFC9449-4.3-4: refuses an access token as a proof', async () => {
    const token = await dpop.mintBound();
    await expectBadProof(await dpop.call({ authorization: `DPoP ${token}`, dpop: token }));
  });

  it.each(['none', 'HS256', 'RS256', 'ES512', 'es256', ''])('RFC9449-4.3-5: refuses the algorithm %j', async (alg) => {
    await expectBadProof(await dpop.callWith({ header: { alg } }));
    await expectBadProof(await dpop.callWith({ header: { alg }, signature: '' }));
  });

  it('RFC9449-4.3-5: refuses a proof signed with a shared secret', async () => {
    const secret = symmetricTestKey('secret'.repeat(8));
    await expectBadProof(await dpop.callWith({ key: secret, header: { alg: 'HS256', jwk: secret.publicJwk } }));
    await expectBadProof(await dpop.callWith({ key: secret, header: { alg: 'ES256', jwk: secret.publicJwk } }));
  });

  it('RFC9449-4.3-6: refuses a signature of another key', async () => {
    await expectBadProof(await dpop.callWith({ key: await generateTestKey({ alg: 'ES256' }) }));
  });

  it('RFC9449-4.3-6: refuses a signature that was changed', async () => {
    await expectBadProof(await dpop.callWith({ fault: 'changed-signature' }));
  });

  it('RFC9449-4.3-6: refuses a key whose curve does not fit the algorithm', async () => {
    const token = await dpop.mintBound({ cnf: wide.confirmation });
    const proof = dpop.proof(token, { by: wide, header: { alg: 'ES256' } });
    await expectBadProof(await dpop.call({ authorization: `DPoP ${token}`, dpop: proof }));
    const good = dpop.proof(token, { by: wide });
    expect((await dpop.call({ authorization: `DPoP ${token}`, dpop: good })).status).toBe(200);
  });

  it.each(['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'])('RFC9449-4.3-7: refuses a key with %s', async (name) => {
    await expectBadProof(await dpop.callWith({ header: { jwk: { ...dpop.key.publicJwk, [name]: 'AQ' } } }));
  });

  it.each<[string, unknown]>([
    ['missing', undefined],
    ['null', null],
    ['text', 'x'],
    ['a list', []],
    ['empty', {}],
    ['symmetric', { kty: 'oct', k: 'AQAB' }],
    ['of an unknown type', { kty: 'AKP', pub: 'AQ' }],
    ['of a type that objects have', { kty: 'constructor' }],
    ['off the curve', { kty: 'EC', crv: 'P-256', x: 'A'.repeat(43), y: 'A'.repeat(43) }],
    ['huge', { kty: 'RSA', e: 'AQAB', n: 'n'.repeat(2_000) }],
  ])('RFC9449-4.3-6: refuses a key that is %s', async (_what, jwk) => {
    const response = await dpop.callWith({ header: { jwk } });
    expect([response.status, response.headers.get('www-authenticate')]).toEqual([
      401,
      expect.stringMatching(/^DPoP error="invalid_(?:dpop_proof|token)"/),
    ]);
    expect(dpop.server.ran).toEqual([]);
  });

  it.each(['GET', 'post', 'Post', 'PUT', 'HEAD'])('RFC9449-4.3-8: refuses a proof for %s', async (method) => {
    await expectBadProof(await dpop.callWith({ method }));
  });

  it.each<[string, (resource: string) => string]>([
    ['another path', (resource) => `${resource}x`],
    ['a path in another case', (resource) => resource.replace('/mcp', '/MCP')],
    ['an escaped slash', (resource) => `${resource}%2Fx`],
    ['two slashes at the end', (resource) => `${resource}//`],
    ['another host', (resource) => resource.replace('127.0.0.1', 'localhost')],
    ['another scheme', (resource) => resource.replace('http:', 'https:')],
    ['another port', (resource) => resource.replace(/:\d+/, ':1')],
    ['a query', (resource) => `${resource}?`],
    ['a fragment', (resource) => `${resource}#a`],
    ['user information', (resource) => resource.replace('//', '//a@')],
    ['a path alone', () => '/mcp'],
    ['a space before', (resource) => ` ${resource}`],
    ['backslashes', (resource) => resource.replace('/mcp', '\\mcp')],
    ['a broken escape', (resource) => `${resource}%`],
    ['a line break', (resource) => resource.replace('/mcp', '/m\ncp')],
    ['3,000 characters', (resource) => resource + 'x'.repeat(3_000)],
  ])('RFC9449-4.3-9: refuses an htu with %s', async (_what, change) => {
    await expectBadProof(await dpop.callWith({ claims: { htu: change(dpop.server.resource) } }));
  });

  it.each<[string, (resource: string) => string]>([
    ['case of the scheme', (resource) => resource.replace('http:', 'HTTP:')],
    ['an escape of an unreserved character', (resource) => resource.replace('/mcp', '/%6dcp')],
    ['a dot segment', (resource) => resource.replace('/mcp', '/./mcp')],
    ['a segment and back', (resource) => resource.replace('/mcp', '/a/../mcp')],
    ['one slash at the end', (resource) => `${resource}/`],
  ])('RFC9449-4.3-10: ignores %s in htu', async (_what, change) => {
    expect((await dpop.callWith({ claims: { htu: change(dpop.server.resource) } })).status).toBe(200);
  });

  it('RFC9449-4.3-9: compares without the query of the request', async () => {
    const token = await dpop.mintBound();
    const response = await fetch(`${dpop.server.resource}?x=1`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        authorization: `DPoP ${token}`,
        dpop: dpop.proof(token),
      },
      body: JSON.stringify(callOf('ping')),
    });
    expect(response.status).toBe(200);
  });

  it.each([
    [-299, 200],
    [299, 200],
    [0.5, 200],
    [-302, 401],
    [302, 401],
    [-1e9, 401],
    [1e9, 401],
  ])('RFC9449-4.3-11: judges an iat %d seconds from now', async (seconds, status) => {
    const iat = dpop.server.clock.now / 1000 + seconds;
    const response = await dpop.callWith({ claims: { iat } });
    expect(response.status).toBe(status);
    if (status === 401) await expectBadProof(response);
  });

  it('RFC9449-4.3-11: refuses an iat that is not a finite number', async () => {
    const token = await dpop.mintBound();
    const payload = JSON.stringify({
      jti: 'a',
      htm: 'POST',
      htu: dpop.server.resource,
      ath: hash('sha256', token, 'base64url'),
      iat: 0,
    });
    const infinite = dpop.proof(token, { payload: payload.replace('"iat":0', '"iat":1e999') });
    await expectBadProof(await dpop.call({ authorization: `DPoP ${token}`, dpop: infinite }));
  });

  it.each<[string, (token: string) => string | undefined]>([
    ['of another token', () => 'n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg'],
    ['with padding', () => 'n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg='],
    ['in hexadecimal', () => 'a'.repeat(64)],
    ['that is not ASCII', () => 'é'.repeat(43)],
  ])('RFC9449-4.3-12a: refuses an ath %s', async (_what, ath) => {
    await expectBadProof(await dpop.callWith({ claims: { ath: ath('') } }));
  });

  it('RFC9449-4.3-12b: refuses a proof made with another key', async () => {
    await expectChallenges(dpop, await dpop.callWith({ fault: 'other-key' }), { error: 'invalid_token' });
    expect(dpop.server.ran).toEqual([]);
  });

  it('RFC9449-4.3-12b: ignores further members of the key', async () => {
    const jwk = { ...dpop.key.publicJwk, kid: 'mine', alg: 'ES256', use: 'sig', 'x-more': {} };
    expect((await dpop.callWith({ header: { jwk } })).status).toBe(200);
  });
});
