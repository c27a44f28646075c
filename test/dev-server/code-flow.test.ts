import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import type { DevAuthorizationServer } from 'nestjs-mcp-auth/dev-server';
import { RESOURCE, SCOPES, start, verify } from './fixtures.js';
import { Browser, Client, REDIRECT_URI, register, registerClient } from './flow.js';

describe('authorization code flow', () => {
  let server: DevAuthorizationServer;
  let client: Client;

  beforeAll(async () => {
    server = await start();
    client = new Client(server.issuer, await registerClient(server.issuer));
  });
  afterAll(() => server.close());

  it('issues a JWT access token for the resource that verifies against the served keys', async () => {
    const answer = await new Browser().signInAndAllow(
      client.authorizationUrl({ scope: 'notes:read', resource: RESOURCE }),
    );
    expect(answer.url.href.startsWith(`${REDIRECT_URI}?`)).toBe(true);
    const { status, body } = await client.exchange(answer, { resource: RESOURCE });
    expect({ status, ...body }).toMatchObject({
      status: 200,
      token_type: 'Bearer',
      expires_in: 300,
      scope: 'notes:read',
    });
    const { payload, protectedHeader } = await verify(body.access_token, server.issuer);
    expect(protectedHeader).toMatchObject({ alg: 'RS256', typ: 'at+jwt' });
    expect(payload).toMatchObject({
      iss: server.issuer,
      aud: RESOURCE,
      scope: 'notes:read',
      client_id: client.clientId,
      sub: 'alice',
    });
    expect(payload).toMatchObject({ jti: expect.any(String), iat: expect.any(Number), auth_time: expect.any(Number) });
    expect(payload.exp).toBe((payload.iat ?? 0) + 300);
  });

  it('names itself in the response and keeps the state (RFC 9207)', async () => {
    const { url } = await new Browser().signInAndAllow(client.authorizationUrl({ scope: 'notes:read' }));
    expect(url.searchParams.get('iss')).toBe(server.issuer);
    expect(url.searchParams.get('state')).toBe('some-state');
  });

  it('names itself in an error response too (RFC 9207)', async () => {
    const { url } = await new Browser().open(client.authorizationUrl({ resource: 'https://elsewhere.example/' }));
    expect(url.searchParams.get('iss')).toBe(server.issuer);
  });

  it('gives a client that names no resource the only one there is', async () => {
    const answer = await new Browser().signInAndAllow(client.authorizationUrl({ scope: 'notes:read' }));
    const { body } = await client.exchange(answer);
    expect((await verify(body.access_token, server.issuer)).payload.aud).toBe(RESOURCE);
  });

  it('refuses an unknown resource with invalid_target, at the client', async () => {
    const { url } = await new Browser().open(
      client.authorizationUrl({ scope: 'notes:read', resource: 'https://elsewhere.example/' }),
    );
    expect(url.href.startsWith(REDIRECT_URI)).toBe(true);
    expect(url.searchParams.get('error')).toBe('invalid_target');
    expect(url.searchParams.get('error_description')).toContain(RESOURCE);
  });

  it('refuses another resource at the token endpoint than was consented to', async () => {
    const answer = await new Browser().signInAndAllow(
      client.authorizationUrl({ scope: 'notes:read', resource: RESOURCE }),
    );
    const { status, body } = await client.exchange(answer, { resource: 'https://elsewhere.example/' });
    expect({ status, error: body.error }).toEqual({ status: 400, error: 'invalid_target' });
  });

  it('takes a request without scope for one for all scopes of the resource, each on the consent page', async () => {
    const browser = new Browser();
    const consent = await browser.submit(await browser.open(client.authorizationUrl()), 'login', {
      username: 'alice',
      password: 'alice',
    });
    for (const sentence of Object.values(SCOPES)) expect(consent.text).toContain(sentence);
    const { body } = await client.exchange(await browser.submit(consent, 'confirm'));
    expect(body.scope).toBe('notes:read notes:write');
  });

  it('refuses a scope that nothing here has, by name', async () => {
    const { url } = await new Browser().open(client.authorizationUrl({ scope: 'notes:read notes:wirte' }));
    expect(url.searchParams.get('error')).toBe('invalid_scope');
    expect(url.searchParams.get('scope')).toBe('notes:wirte');
  });

  it('refuses a request without PKCE', async () => {
    const { url } = await new Browser().open(
      client.authorizationUrl({ code_challenge: undefined, code_challenge_method: undefined }),
    );
    expect(url.searchParams.get('error')).toBe('invalid_request');
  });

  it('refuses PKCE plain', async () => {
    const { url } = await new Browser().open(client.authorizationUrl({ code_challenge_method: 'plain' }));
    expect(url.searchParams.get('error')).toBe('invalid_request');
  });

  it('refuses PKCE without a method, which would mean plain', async () => {
    const { url } = await new Browser().open(client.authorizationUrl({ code_challenge_method: undefined }));
    expect(url.searchParams.get('error')).toBe('invalid_request');
  });

  it('refuses a code with another verifier, and a code used twice', async () => {
    const answer = await new Browser().signInAndAllow(client.authorizationUrl({ scope: 'notes:read' }));
    expect((await client.exchange(answer, { code_verifier: 'x'.repeat(43) })).body.error).toBe('invalid_grant');
    expect((await client.exchange(answer)).status).toBe(200);
    expect((await client.exchange(answer)).body.error).toBe('invalid_grant');
  });

  it('offers no implicit flow', async () => {
    const { url } = await new Browser().open(client.authorizationUrl({ response_type: 'id_token', nonce: 'n' }));
    expect(new URLSearchParams(url.hash.slice(1)).get('error')).toBe('unsupported_response_type');
  });

  it('tells the client access_denied when the user denies', async () => {
    const browser = new Browser();
    const consent = await browser.submit(await browser.open(client.authorizationUrl()), 'login', {
      username: 'alice',
      password: 'alice',
    });
    const { url } = await browser.submit(consent, 'abort');
    expect(url.href.startsWith(REDIRECT_URI)).toBe(true);
    expect(url.searchParams.get('error')).toBe('access_denied');
    expect(url.searchParams.has('code')).toBe(false);
  });

  it('tells the client access_denied when the user cancels at the sign-in', async () => {
    const browser = new Browser();
    const { url } = await browser.submit(await browser.open(client.authorizationUrl()), 'abort');
    expect(url.searchParams.get('error')).toBe('access_denied');
  });

  it.each([
    ['a wrong password', { username: 'alice', password: 'bob' }],
    ['an unknown user', { username: 'carol', password: 'carol' }],
    ['no fields at all', {}],
  ])('shows the sign-in again, with status 401 and a message, after %s', async (_what, fields) => {
    const browser = new Browser();
    const again = await browser.submit(await browser.open(client.authorizationUrl()), 'login', fields);
    expect(again.status).toBe(401);
    expect(again.text).toContain('Wrong user name or password.');
    expect((await browser.submit(again, 'login', { username: 'alice', password: 'alice' })).text).toContain(
      'asks for access',
    );
  });

  it('issues an ID token about the user where openid is asked', async () => {
    const answer = await new Browser().signInAndAllow(
      client.authorizationUrl({ scope: 'openid profile email notes:read' }),
      'bob',
    );
    const { body } = await client.exchange(answer);
    const keys = createRemoteJWKSet(new URL(`${server.issuer}/jwks`));
    const { payload } = await jwtVerify(body.id_token ?? '', keys, {
      issuer: server.issuer,
      audience: client.clientId,
    });
    expect(payload).toMatchObject({ sub: 'bob', name: 'Bob', preferred_username: 'bob', email: 'bob@example.com' });
    expect((await verify(body.access_token, server.issuer)).payload).toMatchObject({
      aud: RESOURCE,
      scope: 'notes:read',
    });
  });

  it('lets a loopback redirect URI change its port (RFC 8252 §7.3)', async () => {
    const elsewhere = new Client(server.issuer, client.clientId, REDIRECT_URI.replace('45678', '45679'));
    const answer = await new Browser().signInAndAllow(elsewhere.authorizationUrl({ scope: 'notes:read' }));
    expect(answer.url.port).toBe('45679');
    expect((await elsewhere.exchange(answer)).status).toBe(200);
  });

  it('shows an error page, and redirects nowhere, for a redirect URI that was not registered', async () => {
    const thief = new Client(server.issuer, client.clientId, 'http://127.0.0.1:45678/thief');
    const page = await new Browser().open(thief.authorizationUrl());
    expect(page.status).toBe(400);
    expect(page.url.origin).toBe(server.issuer);
    expect(page.text).toContain('invalid_redirect_uri');
  });

  it('tells an unknown client that this server forgets clients', async () => {
    const page = await new Browser().open(new Client(server.issuer, 'from-before-the-restart').authorizationUrl());
    expect(page.status).toBe(400);
    expect(page.text).toContain('has to register again');
  });

  it('serves a client with a secret too, and not without the secret', async () => {
    const registered = (await (
      await register(server.issuer, { token_endpoint_auth_method: 'client_secret_post' })
    ).json()) as {
      client_id: string;
      client_secret: string;
    };
    const confidential = new Client(server.issuer, registered.client_id);
    const answer = await new Browser().signInAndAllow(confidential.authorizationUrl({ scope: 'notes:read' }));
    expect((await confidential.exchange(answer)).body.error).toBe('invalid_client');
    expect((await confidential.exchange(answer, { client_secret: registered.client_secret })).status).toBe(200);
  });
});

describe('several resources', () => {
  const OTHER = 'http://127.0.0.1:4000';
  let server: DevAuthorizationServer;
  let client: Client;

  beforeAll(async () => {
    server = await start({
      resources: [
        { resource: RESOURCE, scopes: SCOPES },
        { resource: OTHER, scopes: { 'notes:read': 'Read other notes', 'files:read': 'Read files' } },
      ],
    });
    client = new Client(server.issuer, await registerClient(server.issuer));
  });
  afterAll(() => server.close());

  it('wants one named', async () => {
    const { url } = await new Browser().open(client.authorizationUrl({ scope: 'notes:read' }));
    expect(url.searchParams.get('error')).toBe('invalid_target');
    expect(url.searchParams.get('error_description')).toContain(OTHER);
  });

  it('writes the audience as configured where the client sent an equivalent spelling', async () => {
    const answer = await new Browser().signInAndAllow(
      client.authorizationUrl({ scope: 'files:read', resource: `${OTHER}/` }),
    );
    const { body } = await client.exchange(answer, { resource: `${OTHER}/` });
    expect((await verify(body.access_token, server.issuer, OTHER)).payload.aud).toBe(OTHER);
  });

  it('asks for the same scope again at another resource', async () => {
    const browser = new Browser();
    await browser.signInAndAllow(client.authorizationUrl({ scope: 'notes:read', resource: RESOURCE }));
    const consent = await browser.open(client.authorizationUrl({ scope: 'notes:read', resource: OTHER }));
    expect(consent.text).toContain('Read other notes');
    expect(consent.text).not.toContain('Already allowed');
  });

  it('leaves out of the token what only another resource has', async () => {
    const answer = await new Browser().signInAndAllow(
      client.authorizationUrl({ scope: 'notes:write files:read', resource: OTHER }),
    );
    const { body } = await client.exchange(answer);
    expect((await verify(body.access_token, server.issuer, OTHER)).payload.scope).toBe('files:read');
  });
});
