import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { decodeJwt } from 'jose';
import { AUDIENCE, startDownstreamServer, textOfTool, type DownstreamServer } from '../support/downstream-server.js';
import { PLATFORMS } from '../support/platforms.js';

describe.each(PLATFORMS)('Tokens for the APIs that tools call, on %s', (platform) => {
  let server: DownstreamServer;
  beforeAll(async () => {
    server = await startDownstreamServer(platform);
  });
  afterAll(() => server.close());
  beforeEach(() => {
    server.api.calls.length = 0;
    server.issuer.clearRequests();
  });

  const tokenOf = async (token: string): Promise<string> =>
    textOfTool(await server.callTool('token', token, { name: 'calendar' }));
  const exchanges = (): URLSearchParams[] =>
    server.issuer.requests.filter(({ endpoint }) => endpoint === 'token').map(({ body }) => new URLSearchParams(body));

  it('MCP-26-RS-03: the API gets a token for itself, and never that of the caller', async () => {
    const token = await server.mint({ sub: 'ada' });
    const answer = await textOfTool(await server.callTool('events', token));
    expect(answer).toBe('200 {"owner":"ada","act":{"sub":"resource-server"}}');
    const [call] = server.api.calls;
    expect(call?.token).not.toBe(token);
    expect(decodeJwt(call!.token)).toMatchObject({ aud: [AUDIENCE], scope: 'calendar.read' });
    expect(server.log.join('\n')).not.toContain(call!.token);
  });

  it('MCP-26-RS-03: the API refuses the token of the caller', async () => {
    const token = await server.mint({ sub: 'ada' });
    const response = await fetch(`${server.api.origin}/events`, { headers: { authorization: `Bearer ${token}` } });
    expect(response.status).toBe(401);
  });

  it('RFC8693-2.1-a: the request for a token says whose token is exchanged, and for which API', async () => {
    const token = await server.mint({ sub: 'ada' });
    await tokenOf(token);
    const [form] = exchanges();
    expect(Object.fromEntries(form ?? [])).toEqual({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: token,
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      audience: AUDIENCE,
      scope: 'calendar.read',
    });
  });

  it('uses a token again for the same token of the same caller, and for no other', async () => {
    const [ada, bob, again] = await Promise.all([
      server.mint({ sub: 'ada' }),
      server.mint({ sub: 'bob' }),
      server.mint({ sub: 'ada' }),
    ]);
    const first = await tokenOf(ada);
    expect(await tokenOf(ada)).toBe(first);
    expect(decodeJwt(await tokenOf(bob)).sub).toBe('bob');
    expect(await tokenOf(again)).not.toBe(first);
    expect(exchanges()).toHaveLength(3);
  });

  it('requests a token once for concurrent calls', async () => {
    const token = await server.mint({ sub: 'ada' });
    const tokens = await Promise.all(Array.from({ length: 8 }, () => tokenOf(token)));
    expect(new Set(tokens).size).toBe(1);
    expect(exchanges()).toHaveLength(1);
  });

  it('requests a new token before the old one expires', async () => {
    const token = await server.mint({ sub: 'ada', exp: Math.floor(server.clock.now / 1000) + 3_000 });
    const first = await tokenOf(token);
    server.clock.now += 200_000;
    expect(await tokenOf(token)).toBe(first);
    server.clock.now += 71_000;
    expect(await tokenOf(token)).not.toBe(first);
  });

  it('serves HTTP routes, too', async () => {
    const token = await server.mint({ sub: 'ada' });
    const response = await fetch(`${server.origin}/calendar`, { headers: { authorization: `Bearer ${token}` } });
    expect(await response.json()).toMatchObject({ owner: 'ada' });
  });
});
