import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { DevAuthorizationServer } from 'nestjs-mcp-auth/dev-server';
import { RESOURCE, start, verify } from './fixtures.js';
import { Browser, Client, registerClient, type TokenResponse } from './flow.js';

describe('refresh tokens', () => {
  let server: DevAuthorizationServer;

  beforeAll(async () => {
    server = await start({ accessTokenTtlSeconds: 77 });
  });
  afterAll(() => server.close());

  async function firstTokens(
    registration?: Record<string, unknown>,
  ): Promise<{ client: Client; browser: Browser; tokens: TokenResponse }> {
    const client = new Client(server.issuer, await registerClient(server.issuer, registration));
    const browser = new Browser();
    const answer = await browser.signInAndAllow(
      client.authorizationUrl({ scope: 'notes:read notes:write', resource: RESOURCE }),
    );
    return { client, browser, tokens: (await client.exchange(answer)).body };
  }

  const refresh = (client: Client, token: string | undefined, parameters: Record<string, string> = {}) =>
    client.token({ grant_type: 'refresh_token', refresh_token: token ?? '', ...parameters });

  it('come without offline_access, and give an equal access token for the resource', async () => {
    const { client, tokens } = await firstTokens();
    const { status, body } = await refresh(client, tokens.refresh_token, { resource: RESOURCE });
    expect({ status, expires: body.expires_in }).toEqual({ status: 200, expires: 77 });
    const { payload } = await verify(body.access_token, server.issuer);
    expect(payload).toMatchObject({
      aud: RESOURCE,
      sub: 'alice',
      client_id: client.clientId,
      scope: 'notes:read notes:write',
      auth_time: expect.any(Number),
    });
  });

  it('keep the resource where the refresh names none', async () => {
    const { client, tokens } = await firstTokens();
    const { body } = await refresh(client, tokens.refresh_token);
    expect((await verify(body.access_token, server.issuer)).payload.aud).toBe(RESOURCE);
  });

  it('are replaced at each use, and a second use ends the grant', async () => {
    const { client, tokens } = await firstTokens();
    const second = (await refresh(client, tokens.refresh_token)).body;
    expect(second.refresh_token).not.toBe(tokens.refresh_token);
    expect((await refresh(client, tokens.refresh_token)).body.error).toBe('invalid_grant');
    expect((await refresh(client, second.refresh_token)).body.error).toBe('invalid_grant');
  });

  it('let the client sign in again after its grant ended', async () => {
    const { client, browser, tokens } = await firstTokens();
    await refresh(client, tokens.refresh_token);
    await refresh(client, tokens.refresh_token);
    const consent = await browser.open(client.authorizationUrl({ scope: 'notes:read' }));
    expect(consent.text).not.toContain('Already allowed');
    expect((await client.exchange(await browser.submit(consent, 'confirm'))).status).toBe(200);
  });

  it('narrow the scope, and never widen it', async () => {
    const { client, tokens } = await firstTokens();
    const narrowed = await refresh(client, tokens.refresh_token, { scope: 'notes:read' });
    expect((await verify(narrowed.body.access_token, server.issuer)).payload.scope).toBe('notes:read');
    const reader = await firstTokens();
    expect((await refresh(reader.client, reader.tokens.refresh_token, { scope: 'openid' })).body.error).toBe(
      'invalid_scope',
    );
  });

  it('are not for another resource or another client', async () => {
    const { client, tokens } = await firstTokens();
    const stranger = new Client(server.issuer, await registerClient(server.issuer));
    expect((await refresh(stranger, tokens.refresh_token)).body.error).toBe('invalid_grant');
    expect((await refresh(client, tokens.refresh_token, { resource: 'https://elsewhere.example/' })).body.error).toBe(
      'invalid_target',
    );
  });

  it('survive that the browser changes its user', async () => {
    const { client, browser, tokens } = await firstTokens();
    await browser.submit(await browser.open(client.authorizationUrl()), 'switch');
    expect((await refresh(client, tokens.refresh_token)).status).toBe(200);
  });

  it('end when they are revoked', async () => {
    const { client, tokens } = await firstTokens();
    const revocation = await fetch(`${server.issuer}/revoke`, {
      method: 'POST',
      body: new URLSearchParams({ client_id: client.clientId, token: tokens.refresh_token ?? '' }),
    });
    expect(revocation.status).toBe(200);
    expect((await refresh(client, tokens.refresh_token)).body.error).toBe('invalid_grant');
  });

  it('are not given to a client that did not register the grant', async () => {
    const { tokens } = await firstTokens({ grant_types: ['authorization_code'] });
    expect(tokens.refresh_token).toBeUndefined();
  });
});
