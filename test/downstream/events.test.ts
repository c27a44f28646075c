import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { McpAuthDownstream, McpAuthRevocations, McpAuthService, type McpAuthEvent } from 'nestjs-mcp-auth';
import { startDownstreamServer, type DownstreamServer } from '../support/downstream-server.js';
import { PLATFORMS } from '../support/platforms.js';

describe.each(PLATFORMS)('Requests for tokens, on %s', (platform) => {
  let server: DownstreamServer;
  let heard: McpAuthEvent[];
  beforeAll(async () => {
    server = await startDownstreamServer(platform, { options: { revocation: {} } });
    server.app.get(McpAuthService).events$.subscribe((event) => {
      if (event.type === 'token-requested') heard.push(event);
    });
  });
  afterAll(() => server.close());
  beforeEach(() => {
    heard = [];
    server.issuer.answerToken = undefined;
  });

  it('are events, and tokens that are used again are none', async () => {
    const token = await server.mint({ sub: 'ada' });
    await server.callTool('events', token);
    await server.callTool('events', token);
    const { principalKey } = await server.app.get(McpAuthService).verify(token);
    const { issuer } = server.issuer;
    const durationMs = expect.any(Number);
    const common = { type: 'token-requested', downstream: 'calendar', issuer, durationMs, time: durationMs };
    const caller = { principalKey, clientId: 'test-client' };
    expect(heard).toEqual([{ ...common, outcome: 'issued', ...caller }]);
    expect(JSON.stringify(heard)).not.toContain(token);
    server.issuer.answerToken = () => Response.json({ error: 'invalid_grant' }, { status: 400 });
    await server.callTool('events', await server.mint({ sub: 'ada' }));
    expect(heard.slice(1)).toEqual([{ ...common, outcome: 'subject', ...caller }]);
  });

  it('LIB-27: a caller whose token is revoked while it is exchanged gets none', async () => {
    const service = server.app.get(McpAuthService);
    const caller = await service.verify(await server.mint({ sub: 'eve' }));
    const revoked: Promise<void>[] = [];
    server.issuer.answerToken = (right) => {
      revoked.push(server.app.get(McpAuthRevocations).revoke({ principal: caller.principalKey }));
      return right;
    };
    const downstream = server.app.get(McpAuthDownstream);
    await expect(downstream.tokenFor('calendar', caller)).rejects.toMatchObject({ code: 'invalid_token' });
    await Promise.all(revoked);
    server.issuer.clearRequests();
    await expect(downstream.tokenFor('calendar', caller)).rejects.toMatchObject({ code: 'invalid_token' });
    expect(server.issuer.requestCount('token')).toBe(0);
  });

  it('LIB-29: a caller whose token has expired in the meantime gets none', async () => {
    const caller = await server.app.get(McpAuthService).verify(await server.mint());
    server.clock.now += 301_000;
    server.issuer.clearRequests();
    const asked = server.app.get(McpAuthDownstream).tokenFor('calendar', caller);
    await expect(asked).rejects.toMatchObject({ code: 'invalid_token', reason: 'expired' });
    expect(server.issuer.requestCount('token')).toBe(0);
  });

  it('forgets the tokens of a principal, also those under way', async () => {
    const downstream = server.app.get(McpAuthDownstream);
    const caller = await server.app.get(McpAuthService).verify(await server.mint({ sub: 'bob' }));
    const first = await downstream.tokenFor('calendar', caller);
    expect(await downstream.tokenFor('calendar', caller)).toBe(first);
    downstream.forget(caller.principalKey);
    server.issuer.answerToken = (right) => {
      downstream.forget(caller.principalKey);
      return right;
    };
    const second = await downstream.tokenFor('calendar', caller);
    expect(second).not.toBe(first);
    expect(await downstream.tokenFor('calendar', caller)).not.toBe(second);
  });
});

describe.each(PLATFORMS)('Callers without a token to exchange, on %s', (platform) => {
  it('MCP-26-RS-03: get 401 without a caller and 403 with another credential, and this server acts for itself', async () => {
    const server = await startDownstreamServer(platform, {
      options: {
        credentials: [{ name: 'key', from: { header: 'x-api-key' }, verify: () => ({ subject: 'robot', scopes: [] }) }],
      },
    });
    const headers = { 'x-api-key': 'any' };
    const withKey = await fetch(`${server.origin}/calendar`, { headers });
    const token = await server.mint();
    const own = { authorization: `Bearer ${token}` };
    try {
      expect(withKey.status).toBe(403);
      expect(withKey.headers.get('www-authenticate')).toBeNull();
      expect((await fetch(`${server.origin}/public`)).status).toBe(500);
      expect((await fetch(`${server.origin}/calendar`, { headers: own })).status).toBe(200);
      expect(server.issuer.requestCount('token')).toBe(1);
    } finally {
      await server.close();
    }
  });

  it('RFC6749-4.4-a: this server gets a token for itself, without a caller', async () => {
    const itself = await startDownstreamServer(platform, { calendar: { grant: 'client-credentials' } });
    try {
      const downstream = itself.app.get(McpAuthDownstream);
      const token = await downstream.tokenFor('calendar');
      expect(await downstream.tokenFor('calendar')).toBe(token);
      const form = new URLSearchParams(itself.issuer.requests.find(({ endpoint }) => endpoint === 'token')?.body);
      expect(Object.fromEntries(form)).toEqual({
        grant_type: 'client_credentials',
        audience: 'https://calendar.example.com',
        scope: 'calendar.read',
      });
    } finally {
      await itself.close();
    }
  });
});
