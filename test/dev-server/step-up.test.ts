import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { DevAuthorizationServer } from 'nestjs-mcp-auth/dev-server';
import { RESOURCE, start, verify } from './fixtures.js';
import { Browser, Client, registerClient, type Arrival } from './flow.js';

describe('step-up', () => {
  let server: DevAuthorizationServer;
  let client: Client;
  let browser: Browser;

  beforeEach(async () => {
    server = await start();
    client = new Client(server.issuer, await registerClient(server.issuer, { scope: 'notes:read' }));
    browser = new Browser();
    await browser.signInAndAllow(client.authorizationUrl({ scope: 'notes:read', resource: RESOURCE }));
  });
  afterEach(() => server.close());

  /** `sentence -> badge` of the consent page. */
  function badges({ text }: Arrival): Record<string, string> {
    const items = [...text.matchAll(/<li><span>([^<]*)<code>[^<]*<\/code><\/span><span class="badge[^"]*">([^<]*)</g)];
    return Object.fromEntries(items.map(([, sentence = '', badge = '']) => [sentence, badge]));
  }

  it('shows which scope is new and issues a token with both', async () => {
    const consent = await browser.open(
      client.authorizationUrl({ scope: 'notes:read notes:write', resource: RESOURCE }),
    );
    expect(badges(consent)).toEqual({ 'Read your notes': 'Already allowed', 'Change your notes': 'New' });
    const { body } = await client.exchange(await browser.submit(consent, 'confirm'));
    expect((await verify(body.access_token, server.issuer)).payload.scope).toBe('notes:read notes:write');
  });

  it('issues a token with only the new scope where only that was asked', async () => {
    const consent = await browser.open(client.authorizationUrl({ scope: 'notes:write', resource: RESOURCE }));
    expect(badges(consent)).toEqual({ 'Change your notes': 'New' });
    const { body } = await client.exchange(await browser.submit(consent, 'confirm'));
    expect((await verify(body.access_token, server.issuer)).payload.scope).toBe('notes:write');
  });

  it('keeps what was allowed before when the new scope is denied', async () => {
    const consent = await browser.open(client.authorizationUrl({ scope: 'notes:write', resource: RESOURCE }));
    expect((await browser.submit(consent, 'abort')).url.searchParams.get('error')).toBe('access_denied');
    const again = await browser.open(client.authorizationUrl({ scope: 'notes:read notes:write', resource: RESOURCE }));
    expect(badges(again)).toEqual({ 'Read your notes': 'Already allowed', 'Change your notes': 'New' });
  });

  it('asks the user even where all was allowed before, since any program could say it is this client (RFC 8252 §8.6)', async () => {
    const consent = await browser.open(client.authorizationUrl({ scope: 'notes:read', resource: RESOURCE }));
    expect(badges(consent)).toEqual({ 'Read your notes': 'Already allowed' });
  });

  it('does not carry what was allowed over to another client', async () => {
    const stranger = new Client(server.issuer, await registerClient(server.issuer));
    const consent = await browser.open(stranger.authorizationUrl({ scope: 'notes:read', resource: RESOURCE }));
    expect(badges(consent)).toEqual({ 'Read your notes': 'New' });
  });

  it('does not carry what was allowed over to another user', async () => {
    const consent = await browser.open(client.authorizationUrl({ scope: 'notes:read', resource: RESOURCE }));
    const signIn = await browser.submit(consent, 'switch');
    expect(signIn.text).toContain('Continue as Bob');
    const consentOfBob = await browser.submit(signIn, 'login', { username: 'bob', password: 'bob' });
    expect(consentOfBob.text).toContain('Signed in as <strong>Bob</strong>');
    expect(badges(consentOfBob)).toEqual({ 'Read your notes': 'New' });
    const { body } = await client.exchange(await browser.submit(consentOfBob, 'confirm'));
    expect((await verify(body.access_token, server.issuer)).payload.sub).toBe('bob');
  });

  it('lets someone else sign in where the client asks for a new sign-in', async () => {
    const signIn = await browser.open(
      client.authorizationUrl({ scope: 'notes:read', resource: RESOURCE, prompt: 'login' }),
    );
    const consent = await browser.submit(signIn, 'login', { username: 'bob', password: 'bob' });
    expect(consent.text).toContain('Signed in as <strong>Bob</strong>');
    expect(badges(consent)).toEqual({ 'Read your notes': 'New' });
    const { body } = await client.exchange(await browser.submit(consent, 'confirm'));
    expect((await verify(body.access_token, server.issuer)).payload.sub).toBe('bob');
  });

  it('signs in again where the client asks for it, and the token says when', async () => {
    const signIn = await browser.open(
      client.authorizationUrl({ scope: 'notes:read', resource: RESOURCE, prompt: 'login' }),
    );
    expect(signIn.text).toContain('Continue as Alice');
    const consent = await browser.submit(signIn, 'login', { username: 'alice', password: 'alice' });
    const { body } = await client.exchange(await browser.submit(consent, 'confirm'));
    expect((await verify(body.access_token, server.issuer)).payload['auth_time']).toEqual(expect.any(Number));
  });
});
