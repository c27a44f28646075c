import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { DevAuthorizationServer } from 'nestjs-mcp-auth/dev-server';
import { RESOURCE, start } from './fixtures.js';
import { Browser, Client, registerClient, type TokenResponse } from './flow.js';

const INTROSPECTION = { clientId: 'notes-server', clientSecret: 'for tests: only' };
const BASIC = `Basic ${btoa([INTROSPECTION.clientId, INTROSPECTION.clientSecret].map(formEncoded).join(':'))}`;

describe('introspection', () => {
  let server: DevAuthorizationServer;

  beforeAll(async () => {
    server = await start({ introspection: INTROSPECTION });
  });
  afterAll(() => server.close());

  async function signIn(): Promise<{ client: Client; tokens: TokenResponse }> {
    const client = new Client(server.issuer, await registerClient(server.issuer));
    const answer = await new Browser().signInAndAllow(
      client.authorizationUrl({ scope: 'notes:read', resource: RESOURCE }),
    );
    return { client, tokens: (await client.exchange(answer)).body };
  }

  const ask = (token = '', authorization = BASIC, more: Record<string, string> = {}): Promise<Response> =>
    fetch(`${server.issuer}/introspect`, {
      method: 'POST',
      headers: authorization ? { authorization } : {},
      body: new URLSearchParams({ token, ...more }),
    });

  it('is in the metadata', async () => {
    const metadata = await (await fetch(`${server.issuer}/.well-known/oauth-authorization-server`)).json();
    expect(metadata).toMatchObject({ issuer: server.issuer, introspection_endpoint: `${server.issuer}/introspect` });
  });

  it('says of an opaque access token what the JWT would say', async () => {
    const { client, tokens } = await signIn();
    expect(tokens.access_token).not.toContain('.');
    const response = await ask(tokens.access_token);
    expect({ status: response.status, body: await response.json() }).toEqual({
      status: 200,
      body: expect.objectContaining({
        active: true,
        iss: server.issuer,
        aud: RESOURCE,
        sub: 'alice',
        client_id: client.clientId,
        scope: 'notes:read',
        token_type: 'Bearer',
        exp: expect.any(Number),
        auth_time: expect.any(Number),
      }),
    });
  });

  it('takes the secret in the body too', async () => {
    const { tokens } = await signIn();
    const { clientId, clientSecret } = INTROSPECTION;
    const response = await ask(tokens.access_token, '', { client_id: clientId, client_secret: clientSecret });
    expect(await response.json()).toMatchObject({ active: true });
  });

  it('knows nothing of a token that was revoked, or that there never was', async () => {
    const { client, tokens } = await signIn();
    const body = new URLSearchParams({ client_id: client.clientId, token: tokens.access_token });
    expect((await fetch(`${server.issuer}/revoke`, { method: 'POST', body })).status).toBe(200);
    for (const token of [tokens.access_token, 'unknown'])
      expect(await (await ask(token)).json()).toEqual({ active: false });
  });

  it('says nothing of refresh tokens, which are no business of a resource', async () => {
    const { tokens } = await signIn();
    expect(tokens.refresh_token).toEqual(expect.any(String));
    expect(await (await ask(tokens.refresh_token)).json()).toEqual({ active: false });
  });

  it('is for the configured client only', async () => {
    const { client, tokens } = await signIn();
    const wrong = `Basic ${btoa(`${INTROSPECTION.clientId}:guessed`)}`;
    for (const authorization of [wrong, ''])
      expect([400, 401]).toContain((await ask(tokens.access_token, authorization)).status);
    const byItself = await ask(tokens.access_token, '', { client_id: client.clientId });
    expect(await byItself.json()).not.toMatchObject({ active: true });
  });

  it('signs nobody in for that client', async () => {
    const arrival = await new Browser().open(
      new Client(server.issuer, INTROSPECTION.clientId).authorizationUrl({ scope: 'notes:read' }),
    );
    expect(arrival.status).toBe(400);
    expect(arrival.url.origin).toBe(server.issuer);
  });
});

describe('introspection, where it was not asked for', () => {
  it('does not exist', async () => {
    const server = await start();
    try {
      expect((await fetch(`${server.issuer}/introspect`, { method: 'POST' })).status).toBe(404);
      const metadata = await (await fetch(`${server.issuer}/.well-known/oauth-authorization-server`)).json();
      expect(metadata).not.toHaveProperty('introspection_endpoint');
    } finally {
      await server.close();
    }
  });

  it.each([
    { clientId: '', clientSecret: 'x' },
    { clientId: 'x', clientSecret: '' },
  ])('does not start with %j', async (introspection) => {
    await expect(start({ introspection })).rejects.toThrow(/introspection: clientId and clientSecret/);
  });
});

/** RFC 6749 §2.3.1: id and secret are encoded before they are joined. */
function formEncoded(text: string): string {
  return new URLSearchParams({ '': text }).toString().slice(1);
}
