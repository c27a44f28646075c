import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { calculateJwkThumbprint, decodeJwt, decodeProtectedHeader, exportJWK, generateKeyPair } from 'jose';
import { McpAuthDownstream, McpAuthService } from 'nestjs-mcp-auth';
import { TestDpopKey } from 'nestjs-mcp-auth/testing';
import { startDpopApi, type DpopApi } from '../support/dpop-api.js';
import { textOfTool } from '../support/downstream-server.js';
import { PLATFORMS } from '../support/platforms.js';

interface Presented {
  readonly authorization: string;
  readonly dpop: string;
}

describe.each(PLATFORMS)('An API that wants proofs, on %s', (platform) => {
  let all: DpopApi;
  beforeAll(async () => {
    all = await startDpopApi(platform);
  });
  afterAll(() => all.close());
  beforeEach(() => {
    all.issuer.clearRequests();
    all.issuer.answerToken = undefined;
    all.nonce = undefined;
    all.server.log.length = 0;
  });

  const call = async (token: string, url: string, init: object = {}): Promise<string> =>
    textOfTool(await all.server.callTool('call', token, { url, ...init }));
  const headersOf = async (token: string, url: string): Promise<Presented> =>
    JSON.parse(await textOfTool(await all.server.callTool('headers', token, { url }))) as Presented;
  const tokenRequests = (): { dpop: string }[] =>
    all.issuer.requests
      .filter(({ endpoint }) => endpoint === 'token')
      .map(({ headers }) => ({ dpop: String(headers['dpop']) }));

  it('RFC9449-7.1-j: gets a bound token, and each request has a proof of its own', async () => {
    const token = await all.server.mint({ sub: 'ada' });
    for (const path of ['/plain', '/plain?query=1#part'])
      expect(await call(token, all.api.origin + path)).toBe('200 {"subject":"ada"}');
    expect(await call(token, `${all.api.origin}/plain/scoped`, { method: 'post', body: '{}' })).toBe('201 {"ok":true}');
    expect(tokenRequests()).toHaveLength(1);
    expect(decodeJwt(tokenRequests()[0]!.dpop)).toMatchObject({ htm: 'POST', htu: all.issuer.tokenUri });
    expect(decodeJwt(tokenRequests()[0]!.dpop)).not.toHaveProperty('ath');
  });

  it('RFC9449-4.2-i: the proof shows the public key alone, and names request and token', async () => {
    const token = await all.server.mint({ sub: 'ada' });
    const [first, second] = [
      await headersOf(token, `${all.api.origin}/plain?query=1`),
      await headersOf(token, `${all.api.origin}/plain`),
    ];
    const { jwk, ...header } = decodeProtectedHeader(first.dpop);
    expect(header).toEqual({ alg: 'ES256', typ: 'dpop+jwt' });
    expect(Object.keys(jwk!).toSorted()).toEqual(['crv', 'kty', 'x', 'y']);
    const claims = decodeJwt(first.dpop);
    expect(claims).toMatchObject({ htm: 'GET', htu: `${all.api.origin}/plain` });
    expect(claims['ath']).toEqual(decodeJwt(second.dpop)['ath']);
    expect(claims.jti).not.toBe(decodeJwt(second.dpop).jti);
    const bound = first.authorization.replace('DPoP ', '');
    expect(decodeJwt(bound)['cnf']).toEqual({ jkt: await calculateJwkThumbprint(jwk!) });
    expect(claims.iat).toBe(Math.floor(all.server.clock.now / 1000));
  });

  it('RFC9449-8-a: answers the nonce of the authorization server, and remembers it', async () => {
    all.nonce = 'first-nonce';
    expect(await call(await all.server.mint({ sub: 'ada' }), `${all.api.origin}/plain`)).toContain('ada');
    expect(tokenRequests().map(({ dpop }) => decodeJwt(dpop)['nonce'])).toEqual([undefined, 'first-nonce']);
    all.issuer.clearRequests();
    expect(await call(await all.server.mint({ sub: 'bob' }), `${all.api.origin}/plain`)).toContain('bob');
    expect(tokenRequests()).toHaveLength(1);
    all.nonce = 'second-nonce';
    expect(await call(await all.server.mint({ sub: 'eve' }), `${all.api.origin}/plain`)).toContain('eve');
    expect(tokenRequests().map(({ dpop }) => decodeJwt(dpop)['nonce'])).toEqual([
      'first-nonce',
      'first-nonce',
      'second-nonce',
    ]);
  });

  it('MCP-26-RS-03: passes on neither token nor proof of a caller who has a key', async () => {
    const key = await TestDpopKey.generate();
    const token = await all.server.mint({ sub: 'ada', cnf: key.confirmation });
    const iat = Math.floor(all.server.clock.now / 1000);
    const { Authorization: authorization, DPoP: dpop } = key.headers({
      method: 'POST',
      url: all.server.resource,
      token,
      claims: { iat },
    });
    const args = { url: `${all.api.origin}/plain` };
    const response = await all.server.callTool('headers', undefined, args, { authorization, dpop });
    const sent = JSON.parse(await textOfTool(response)) as Presented;
    expect(sent.authorization).not.toContain(token);
    expect(decodeProtectedHeader(sent.dpop).jwk).not.toEqual(key.publicJwk);
    expect(tokenRequests().map(({ dpop: proof }) => proof)).not.toContain(dpop);
    expect((await fetch(args.url, { headers: { authorization, dpop } })).status).toBe(401);
  });

  it('RFC9449-7.1-k: a stolen token is refused there: alone, and with the proof of another key', async () => {
    const token = await all.server.mint({ sub: 'ada' });
    const url = `${all.api.origin}/plain`;
    const { authorization, dpop } = await headersOf(token, url);
    expect((await fetch(url, { headers: { authorization, dpop } })).status).toBe(200);
    const stolen = authorization.replace('DPoP ', '');
    const nonce = String(decodeJwt(dpop)['nonce']);
    const claims = { iat: Math.floor(all.api.clock.now / 1000) };
    const thief = (await TestDpopKey.generate()).headers({ method: 'GET', url, token: stolen, nonce, claims });
    for (const headers of [{ authorization }, { authorization: `Bearer ${stolen}` }, { authorization, dpop }, thief])
      expect((await fetch(url, { headers: { ...headers } })).status).toBe(401);
  });

  it('LIB-29: hands out no token without a proof', async () => {
    expect(await textOfTool(await all.server.callTool('token', await all.server.mint()))).toBe('Internal server error');
    expect(all.server.log.join('\n')).toContain('Call McpAuthDownstream.fetch or headersFor');
    expect(tokenRequests()).toEqual([]);
  });

  it('LIB-29: makes header fields for requests only that may have the token', async () => {
    const downstream = all.server.app.get(McpAuthDownstream);
    const caller = await all.server.app.get(McpAuthService).verify(await all.server.mint());
    const url = `${all.api.origin}/plain`;
    const refused = async (request: object): Promise<string> =>
      downstream.headersFor('notes', { method: 'GET', url, ...request }, caller).then(String, String);
    expect(await refused({ url: 'https://elsewhere.test/' })).toContain('may not be sent to https://elsewhere.test');
    expect(await refused({ url: '/plain' })).toContain('not absolute');
    expect(await refused({ method: 'GET /' })).toContain('must be that of HTTP');
    expect(await refused({ nonce: 'a nonce\n' })).toContain('must be the DPoP-Nonce');
    const own = downstream.fetch('notes', url, { headers: { dpop: 'x' } }, caller);
    await expect(own).rejects.toThrow('has a header DPoP. Leave it out: the proof goes there');
    const given = await downstream.headersFor('notes', { method: 'GET', url, nonce: 'given' }, caller);
    expect(decodeJwt(given.dpop!)['nonce']).toBe('given');
    expect((await downstream.fetch('notes', url, {}, caller)).status).toBe(200);
  });

  it('LIB-29: never logs the key, a proof or a token', async () => {
    const token = await all.server.mint({ sub: 'ada' });
    const { authorization, dpop } = await headersOf(token, `${all.api.origin}/plain`);
    all.issuer.answerToken = () => Response.json({ error: 'invalid_dpop_proof' }, { status: 400 });
    await call(await all.server.mint({ sub: 'bob' }), `${all.api.origin}/plain`);
    const log = all.server.log.join('\n');
    expect(log).toContain('set the clock of this machine right');
    for (const secret of [authorization.replace('DPoP ', ''), dpop]) expect(log).not.toContain(secret);
  });
});

describe.each(PLATFORMS)('A key that replicas share, on %s', (platform) => {
  it.each(['ES256', 'EdDSA', 'RS256'] as const)('LIB-29: binds tokens to the given key, by %s', async (alg) => {
    const pair = await generateKeyPair(alg, { extractable: true });
    const privateKey = { ...(await exportJWK(pair.privateKey)), alg };
    const all = await startDpopApi(platform, { notes: { dpop: { privateKey } }, hasNonces: false });
    try {
      const args = { url: `${all.api.origin}/plain` };
      const response = await all.server.callTool('headers', await all.server.mint({ sub: 'ada' }), args);
      const { authorization, dpop } = JSON.parse(await textOfTool(response)) as Presented;
      const jkt = await calculateJwkThumbprint(await exportJWK(pair.publicKey));
      expect(decodeJwt(authorization.replace('DPoP ', ''))['cnf']).toEqual({ jkt });
      expect((await fetch(args.url, { headers: { authorization, dpop } })).status).toBe(200);
    } finally {
      await all.close();
    }
  });
});
