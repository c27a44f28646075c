import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { expectChallenges, startDpopServer, type DpopServer } from '../support/dpop-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { bearer } from '../support/rpc.js';

const SECRET = 'a secret that nobody can guess, of this test';

describe.each(PLATFORMS)('8. DPoP: tokens and challenges, on %s', (platform) => {
  describe('accepted', () => {
    let dpop: DpopServer;

    beforeAll(async () => {
      dpop = await startDpopServer(platform);
    });

    afterAll(() => dpop.close());
    beforeEach(() => void dpop.server.ran.splice(0));

    it('RFC9449-7.2-a: refuses a bound token as a Bearer token, with and without a proof', async () => {
      const token = await dpop.mintBound();
      for (const headers of [bearer(token), { ...bearer(token), dpop: dpop.proof(token) }]) {
        await expectChallenges(dpop, await dpop.call(headers), { scheme: 'Bearer', error: 'invalid_token' });
      }
      expect(dpop.server.ran).toEqual([]);
    });

    it('RFC9449-7.2-a: accepts a Bearer token that is not bound', async () => {
      expect((await dpop.call(bearer(await dpop.server.mint()))).status).toBe(200);
    });

    it('RFC9449-6-a: refuses a token that is not bound with the scheme DPoP', async () => {
      const token = await dpop.server.mint();
      const response = await dpop.call({ authorization: `DPoP ${token}`, dpop: dpop.proof(token) });
      await expectChallenges(dpop, response, { error: 'invalid_token' });
      expect(dpop.server.ran).toEqual([]);
    });

    it('RFC9449-7.1-b: offers both schemes, with the algorithms and no error', async () => {
      const challenges = await expectChallenges(dpop, await dpop.call({}), {});
      expect([...challenges.keys()]).toEqual(['Bearer', 'DPoP']);
      expect(challenges.get('DPoP')?.params['algs']?.split(' ')).toContain('ES256');
      expect(challenges.get('Bearer')?.params['algs']).toBeUndefined();
    });

    it.each(['DPoP', 'DPoP ', 'DPoP a b', 'DPoP a,b', 'DPoP "a"'])(
      'RFC9449-7.1-a: refuses %j',
      async (authorization) => {
        await expectChallenges(dpop, await dpop.call({ authorization }), { error: 'invalid_token' });
      },
    );

    it('RFC7800-3.1-a: ignores unknown members of cnf beside jkt', async () => {
      const token = await dpop.mintBound({ cnf: { ...dpop.key.confirmation, 'kc-jkt-type': 'x' } });
      const response = await dpop.call({ authorization: `DPoP ${token}`, dpop: dpop.proof(token) });
      expect(response.status).toBe(200);
    });

    it('RFC9449-7.2-a: accepts a token that Keycloak marks with typ DPoP', async () => {
      const claims = { typ: 'DPoP', cnf: dpop.key.confirmation };
      const token = await dpop.server.mint(claims, { header: { typ: 'JWT' } });
      const response = await dpop.call({ authorization: `DPoP ${token}`, dpop: dpop.proof(token) });
      expect(response.status).toBe(200);
    });

    it.each<[string, unknown]>([
      ['a certificate', { 'x5t#S256': 'x' }],
      ['a key and a certificate', { jkt: 'a'.repeat(43), 'x5t#S256': 'x' }],
      ['an unknown method', { osc: 'x' }],
      ['text', 'x'],
      ['a list', ['x']],
      ['a thumbprint that is not a string', { jkt: 5 }],
      ['a thumbprint of another length', { jkt: 'abc' }],
    ])('RFC7800-3.1-a: refuses a token bound to %s', async (_what, cnf) => {
      const token = await dpop.server.mint({ cnf });
      for (const [scheme, headers] of [
        ['Bearer', bearer(token)],
        ['DPoP', { authorization: `DPoP ${token}`, dpop: dpop.proof(token) }],
      ] as const) {
        await expectChallenges(dpop, await dpop.call(headers), { scheme, error: 'invalid_token' });
      }
      expect(dpop.server.ran).toEqual([]);
    });

    it('SEP1932-02: checks audience and expiry as ever', async () => {
      for (const claims of [{ aud: 'https://other.example' }, { exp: 1 }, { iss: 'https://other.example' }]) {
        const token = await dpop.mintBound(claims);
        const response = await dpop.call({ authorization: `DPoP ${token}`, dpop: dpop.proof(token) });
        await expectChallenges(dpop, response, { error: 'invalid_token' });
      }
      expect(dpop.server.ran).toEqual([]);
    });

    it('SEP1932-02: asks for scopes under the scheme of the request', async () => {
      const token = await dpop.mintBound({ scope: 'x' });
      const response = await dpop.call({ authorization: `DPoP ${token}`, dpop: dpop.proof(token) }, 'write-note');
      const challenges = await expectChallenges(dpop, response, { status: 403, error: 'insufficient_scope' });
      expect([...challenges].map(([scheme, { params }]) => [scheme, params['scope']])).toEqual([
        ['DPoP', 'a b'],
        ['Bearer', 'a b'],
      ]);
    });

    it('RFC9449-11.1-a: refuses a proof that was used, and lets one of fifty at once through', async () => {
      const token = await dpop.mintBound();
      const headers = { authorization: `DPoP ${token}`, dpop: dpop.proof(token) };
      const responses = await Promise.all(Array.from({ length: 50 }, () => dpop.call(headers)));
      expect(responses.filter(({ status }) => status === 200)).toHaveLength(1);
      await expectChallenges(dpop, await dpop.call(headers), { error: 'invalid_dpop_proof' });
      expect(dpop.server.ran).toEqual(['ping']);
    });

    it('RFC9449-11.1-a: lets nobody else use up the ids of a client', async () => {
      const token = await dpop.mintBound();
      const bad = dpop.proof(token, { claims: { jti: 'mine', ath: 'x' } });
      await dpop.call({ authorization: `DPoP ${token}`, dpop: bad });
      const good = dpop.proof(token, { claims: { jti: 'mine' } });
      expect((await dpop.call({ authorization: `DPoP ${token}`, dpop: good })).status).toBe(200);
    });

    it('RFC9449-5.1: publishes what it accepts', async () => {
      const url = `${dpop.server.origin}/.well-known/oauth-protected-resource/mcp`;
      expect(await (await fetch(url)).json()).toMatchObject({
        dpop_signing_alg_values_supported: expect.arrayContaining(['ES256']),
        dpop_bound_access_tokens_required: false,
      });
    });

    it('RFC9449-7.1-a: accepts a proof on a plain route, for that route alone', async () => {
      const token = await dpop.mintBound();
      const url = `${dpop.server.origin}/plain`;
      const send = (dpopProof: string): Promise<Response> =>
        fetch(`${url}?page=2`, { headers: { authorization: `DPoP ${token}`, dpop: dpopProof } });
      expect((await send(dpop.proof(token, { method: 'GET', url }))).status).toBe(200);
      expect((await send(dpop.proof(token, { method: 'GET' }))).status).toBe(401);
    });
  });

  describe('required', () => {
    let dpop: DpopServer;

    beforeAll(async () => {
      dpop = await startDpopServer(platform, { dpop: 'required' });
    });

    afterAll(() => dpop.close());

    it('RFC9728-2-h: refuses Bearer tokens, and challenges with DPoP alone', async () => {
      for (const token of [await dpop.server.mint(), await dpop.mintBound()]) {
        const challenges = await expectChallenges(dpop, await dpop.call(bearer(token)), { error: 'invalid_token' });
        expect([...challenges.keys()]).toEqual(['DPoP']);
      }
      expect([...(await expectChallenges(dpop, await dpop.call({}), {})).keys()]).toEqual(['DPoP']);
      expect((await dpop.callWith({})).status).toBe(200);
    });

    it('RFC9728-2-h: says so in the metadata', async () => {
      const url = `${dpop.server.origin}/.well-known/oauth-protected-resource/mcp`;
      expect(await (await fetch(url)).json()).toMatchObject({ dpop_bound_access_tokens_required: true });
    });
  });

  describe('with nonces', () => {
    let dpop: DpopServer;

    beforeAll(async () => {
      dpop = await startDpopServer(platform, { dpop: { nonce: { secret: SECRET } } });
    });

    afterAll(() => dpop.close());

    const nonceIn = (response: Response): string => response.headers.get('dpop-nonce') ?? '';

    it('RFC9449-9-a: asks for a nonce, and accepts the proof that has it', async () => {
      const response = await dpop.callWith({});
      const challenges = await expectChallenges(dpop, response, { error: 'use_dpop_nonce' });
      expect(challenges.get('DPoP')?.params['algs']).toContain('ES256');
      expect(nonceIn(response)).toMatch(/^[\w-]{20,}$/);
      const second = await dpop.callWith({ nonce: nonceIn(response) });
      expect([second.status, second.headers.get('cache-control')]).toEqual([200, 'no-store']);
      expect(nonceIn(second)).toBe(nonceIn(response));
    });

    it('RFC9449-9-a: does not use up the id of a proof without a nonce', async () => {
      const refused = await dpop.callWith({ claims: { jti: 'once' } });
      const nonce = nonceIn(refused);
      expect((await dpop.callWith({ nonce, claims: { jti: 'once' } })).status).toBe(200);
    });

    it('RFC9449-9-a: gives out another nonce later, and accepts the old one for a while', async () => {
      const first = nonceIn(await dpop.callWith({}));
      dpop.server.clock.now += 120_000;
      const second = nonceIn(await dpop.callWith({ nonce: first }));
      expect(second).not.toBe(first);
      dpop.server.clock.now += 300_000;
      const stale = await dpop.callWith({ nonce: first });
      await expectChallenges(dpop, stale, { error: 'use_dpop_nonce' });
      expect((await dpop.callWith({ nonce: nonceIn(stale) })).status).toBe(200);
    });

    it('RFC9449-11.3-a: accepts no proof without a nonce, and no invented one', async () => {
      const { status, headers } = await dpop.callWith({});
      const nonce = headers.get('dpop-nonce') as string;
      const invented = [
        'x',
        `${nonce}x`,
        nonce.slice(1),
        `B${nonce.slice(1)}`,
        nonce.replace(/.$/, '_'),
        'é'.repeat(27),
      ];
      expect(status).toBe(401);
      for (const one of [undefined, ...invented]) {
        const response = await dpop.callWith(one === undefined ? {} : { nonce: one });
        await expectChallenges(dpop, response, { error: 'use_dpop_nonce' });
      }
    });
  });
});
