import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { decodeJwt } from 'jose';
import { McpAuthDownstream, McpAuthService, type McpAuthInfo } from 'nestjs-mcp-auth';
import {
  CalendarApi,
  startDownstreamServer,
  textOfTool,
  type ApiCall,
  type DownstreamServer,
} from '../support/downstream-server.js';
import { PLATFORMS } from '../support/platforms.js';

type Answer = (turn: number) => Response;

const refusal = (error: string, nonce?: string, status = 400): Response =>
  Response.json(
    { error, error_description: 'of the server' },
    { status, headers: nonce ? { 'dpop-nonce': nonce } : {} },
  );

const issued = (changes: object): Response =>
  Response.json({
    access_token: 'an-opaque-token',
    token_type: 'DPoP',
    issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    ...changes,
  });

/** What the token endpoint answers, how often it is asked, what the client gets, and what the log says. */
const AT_THE_SERVER: readonly [what: string, answer: Answer, requests: number, status: number, remedy: string][] = [
  ['no token_type', () => issued({ token_type: undefined }), 1, 500, 'must be DPoP'],
  ['a Bearer token', () => issued({ token_type: 'Bearer' }), 1, 500, 'bind the tokens of the client "resource-server"'],
  [
    'a Bearer token, once more',
    () => issued({ token_type: 'bearer' }),
    1,
    500,
    'or remove dpop of downstream.calendar',
  ],
  ['token_type N_A', () => issued({ token_type: 'N_A' }), 1, 500, 'token_type is "N_A"'],
  ['invalid_dpop_proof', () => refusal('invalid_dpop_proof'), 1, 500, 'set the clock of this machine right'],
  ['a new nonce each time', (turn) => refusal('use_dpop_nonce', `nonce-${turn}`), 2, 503, 'the nonce that it gave'],
  ['the same nonce each time', () => refusal('use_dpop_nonce', 'same', 401), 2, 503, 'the nonce that it gave'],
  ['no nonce', () => refusal('use_dpop_nonce'), 1, 503, 'the nonce that it gave'],
  ['a nonce that is none', () => refusal('use_dpop_nonce', 'a "nonce"'), 1, 503, 'the nonce that it gave'],
  ['a huge nonce', () => refusal('use_dpop_nonce', 'n'.repeat(1_025)), 1, 503, 'the nonce that it gave'],
];

const challenging = (challenge: string, nonce?: string): Response =>
  new Response(null, {
    status: 401,
    headers: { 'www-authenticate': challenge, ...(nonce && { 'dpop-nonce': nonce }) },
  });

const asking = (nonce?: string, error = 'use_dpop_nonce'): Response =>
  challenging(`DPoP error="${error}", algs="ES256"`, nonce);

/** Its words look like the error of a proof. */
const refusingInWords = (): Response =>
  challenging('Bearer error="invalid_token", error_description="expired, error=invalid_dpop_proof"');

const OK = (): Response => Response.json({ owner: 'the API' });

/** What the API answers in turn, the status that the tool gets, and how many different tokens the API gets. */
const AT_THE_API: readonly [what: string, answers: Answer, calls: number, status: number, tokens: number][] = [
  ['asks for a nonce once', (turn) => (turn === 1 ? asking('api-nonce') : OK()), 2, 200, 1],
  ['asks for a new nonce each time', (turn) => asking(`nonce-${turn}`), 2, 401, 1],
  ['asks for the same nonce each time', () => asking('same'), 2, 401, 1],
  ['asks for a nonce, and gives none', () => asking(), 1, 401, 1],
  ['gives a nonce that is none', () => asking('a "nonce"'), 1, 401, 1],
  ['refuses every proof', () => asking(undefined, 'invalid_dpop_proof'), 1, 401, 1],
  ['refuses the token', (turn) => (turn === 1 ? asking(undefined, 'invalid_token') : OK()), 2, 200, 2],
  ['refuses every token', () => asking(undefined, 'invalid_token'), 2, 401, 2],
  [
    'asks for a nonce, and refuses the token',
    (turn) => [asking('a'), asking('b', 'invalid_token')][turn - 1] ?? OK(),
    3,
    200,
    2,
  ],
  [
    'asks for a nonce in a later challenge',
    (turn) => (turn === 1 ? challenging('Bearer error="invalid_token", DPoP error=use_dpop_nonce,', 'a') : OK()),
    2,
    200,
    1,
  ],
  ['refuses the token in words about proofs', (turn) => (turn === 1 ? refusingInWords() : OK()), 2, 200, 2],
  ['answers 401 with a broken challenge', (turn) => (turn === 1 ? challenging('DPoP error="') : OK()), 2, 200, 2],
  ['answers 401 without a challenge', (turn) => (turn === 1 ? new Response(null, { status: 401 }) : OK()), 2, 200, 2],
];

describe.each(PLATFORMS)('What goes wrong with proofs, on %s', (platform) => {
  let server: DownstreamServer;
  let elsewhere: CalendarApi;
  let calls: ApiCall[];
  beforeAll(async () => {
    elsewhere = await CalendarApi.start();
    server = await startDownstreamServer(platform, { calendar: { dpop: true } });
    calls = server.api.calls;
  });
  afterAll(async () => {
    await server.close();
    await elsewhere.close();
  });
  beforeEach(() => {
    calls.length = 0;
    server.api.answer = () => false;
    server.issuer.answerToken = undefined;
    server.issuer.clearRequests();
    server.log.length = 0;
    // The quiet time of the log.
    server.clock.now += 61_000;
  });

  const answerInTurn = (answers: Answer): void => {
    server.api.answer = (_request, response) => {
      const { status, headers, body } = answers(calls.length);
      response.writeHead(status, Object.fromEntries(headers)).end(body === null ? '' : '{}');
      return true;
    };
  };
  const proofsSent = (): Record<string, unknown>[] => calls.map(({ proof }) => decodeJwt(proof!));
  const fetchWith = async (init: object = {}, path = '/events', caller?: McpAuthInfo): Promise<Response> => {
    const by = caller ?? (await server.app.get(McpAuthService).verify(await server.mint()));
    return server.app.get(McpAuthDownstream).fetch('calendar', server.api.origin + path, init, by);
  };

  it.each(AT_THE_SERVER)(
    'RFC9449-5-d: refuses %s of the authorization server',
    async (_what, answer, requests, status, remedy) => {
      const own = await startDownstreamServer(platform, { calendar: { dpop: true } });
      try {
        own.issuer.answerToken = () => answer(own.issuer.requestCount('token'));
        const token = await own.mint();
        const response = await fetch(`${own.origin}/calendar`, { headers: { authorization: `Bearer ${token}` } });
        expect(response.status).toBe(status);
        expect(response.headers.get('retry-after') !== null).toBe(status === 503);
        expect(await response.text()).not.toMatch(/dpop|nonce|of the server/i);
        expect(own.issuer.requestCount('token')).toBe(requests);
        expect(own.api.calls).toEqual([]);
        expect(own.log.join('\n')).toContain(remedy);
        expect(own.log.join('\n')).not.toMatch(/an-opaque-token|eyJ/);
      } finally {
        await own.close();
      }
    },
  );

  it('RFC9449-5-e: says what to write if the server wants proofs, and the options have no key', async () => {
    const own = await startDownstreamServer(platform);
    try {
      own.issuer.answerToken = () => refusal('use_dpop_nonce', 'a-nonce');
      expect(await textOfTool(await own.callTool('events', await own.mint()))).toBe('Internal server error');
      expect(own.log.join('\n')).toContain('set dpop: true in downstream.calendar');
      expect(own.issuer.requestCount('token')).toBe(1);
    } finally {
      await own.close();
    }
  });

  it.each(AT_THE_API)('RFC9449-9-c: the API %s', async (_what, answers, requests, status, tokens) => {
    const own = await startDownstreamServer(platform, { calendar: { dpop: true } });
    try {
      own.api.answer = (_request, response) => {
        const { status: code, headers } = answers(own.api.calls.length);
        response.writeHead(code, Object.fromEntries(headers)).end();
        return true;
      };
      expect(await textOfTool(await own.callTool('events', await own.mint()))).toBe(`${status} `);
      expect(own.api.calls).toHaveLength(requests);
      expect(new Set(own.api.calls.map(({ token }) => token)).size).toBe(tokens);
      expect(new Set(own.api.calls.map(({ proof }) => decodeJwt(proof!).jti)).size).toBe(requests);
      for (const { proof, token } of own.api.calls) expect([proof, token]).not.toContain(undefined);
    } finally {
      await own.close();
    }
  });

  it('RFC9449-8.2-a: takes the nonce of any answer for the next request to this origin', async () => {
    answerInTurn((turn) => Response.json({}, { headers: { 'dpop-nonce': `nonce-${turn}` } }));
    for (let turn = 0; turn < 3; turn += 1) expect((await fetchWith()).status).toBe(200);
    expect(
      proofsSent()
        .slice(1)
        .map(({ nonce }) => nonce),
    ).toEqual(['nonce-1', 'nonce-2']);
  });

  it('RFC9449-4.2-j: a redirect gets a proof for its own URL, and none leaves the origin', async () => {
    server.api.answer = (_request, response, { path }) => {
      const location = path === '/events' ? '/moved?a=b' : `${elsewhere.origin}/`;
      response.writeHead(307, { location }).end();
      return true;
    };
    expect((await fetchWith()).status).toBe(307);
    expect(proofsSent().map(({ htu }) => htu)).toEqual(['/events', '/moved'].map((path) => server.api.origin + path));
    expect(elsewhere.calls).toEqual([]);
  });

  it('LIB-29: sends a body again for a nonce, and no stream; the next request has the nonce', async () => {
    const wantsNonce = (nonce: string): void =>
      answerInTurn(() => (proofsSent().at(-1)!['nonce'] === nonce ? OK() : asking(nonce)));
    wantsNonce('for-a-body');
    expect((await fetchWith({ method: 'patch', body: 'a body' })).status).toBe(200);
    expect(calls.map(({ method, body }) => [method, body])).toEqual([
      ['PATCH', 'a body'],
      ['PATCH', 'a body'],
    ]);
    expect(proofsSent().map(({ htm }) => htm)).toEqual(['PATCH', 'PATCH']);
    calls.length = 0;
    wantsNonce('for-a-stream');
    const stream = (): object => ({ method: 'POST', body: new Blob(['a stream']).stream(), duplex: 'half' });
    expect((await fetchWith(stream())).status).toBe(401);
    expect(calls).toHaveLength(1);
    expect((await fetchWith(stream())).status).toBe(200);
    expect(calls.map(({ body }) => body)).toEqual(['a stream', 'a stream']);
  });

  it('LIB-29: concurrent requests have proofs of their own, and share the token', async () => {
    answerInTurn(() => (proofsSent().at(-1)!['nonce'] === undefined ? asking('shared') : OK()));
    const caller = await server.app.get(McpAuthService).verify(await server.mint());
    const responses = await Promise.all(Array.from({ length: 8 }, () => fetchWith({}, '/events', caller)));
    expect(responses.filter(({ ok }) => !ok)).toEqual([]);
    expect(new Set(proofsSent().map(({ jti }) => jti)).size).toBe(calls.length);
    expect(server.issuer.requestCount('token')).toBe(1);
  });
});
