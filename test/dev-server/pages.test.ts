import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { DevAuthorizationServer } from 'nestjs-mcp-auth/dev-server';
import { RESOURCE, start } from './fixtures.js';
import { Browser, Client, registerClient, type Arrival } from './flow.js';

describe('pages', () => {
  let server: DevAuthorizationServer;
  let client: Client;
  let browser: Browser;
  let signIn: Arrival;

  beforeAll(async () => {
    server = await start();
    client = new Client(server.issuer, await registerClient(server.issuer));
  });
  beforeEach(async () => {
    browser = new Browser();
    signIn = await browser.open(client.authorizationUrl({ scope: 'notes:read', resource: RESOURCE }));
  });
  afterAll(() => server.close());

  const consent = (): Promise<Arrival> => browser.submit(signIn, 'login', { username: 'alice', password: 'alice' });

  const everyPage: [string, () => Promise<Arrival>][] = [
    ['sign-in', async () => signIn],
    ['consent', consent],
    ['error', () => browser.open(`${server.issuer}/authorize`)],
    ['home', () => browser.open(server.issuer)],
  ];

  it.each(everyPage)(
    '%s: says that it is for development, and is a whole document with landmarks',
    async (_page, open) => {
      const { text } = await open();
      expect(text).toContain('Development server — not for production');
      expect(text).toMatch(/^<!DOCTYPE html>\n<html lang="en">/);
      expect(text.match(/<main>/g)).toHaveLength(1);
      expect(text.match(/<h1>/g)).toHaveLength(1);
    },
  );

  it.each(everyPage)('%s: has no script, loads nothing, fits in no frame', async (_page, open) => {
    const { headers, text } = await open();
    const policy = headers.get('content-security-policy') ?? '';
    expect(policy).toMatch(
      /^default-src 'none'; style-src 'sha256-[^']+'; img-src data:; form-action 'self'[^;]*; frame-ancestors 'none'; base-uri 'none'$/,
    );
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('cache-control')).toMatch(/no-store/);
    expect(text).not.toMatch(/<script|\son\w+=|javascript:/i);
    expect(text).not.toMatch(/(?:src|href)="(?!data:,|\/)/);
  });

  it('sign-in: says which client wants what, and offers the users and a form with labels', async () => {
    expect(signIn.status).toBe(200);
    expect(signIn.text).toContain('<bdi>Notes client</bdi></strong> wants to use <strong>Notes</strong>');
    expect(signIn.text).toContain('Continue as Alice');
    expect(signIn.text).toContain('Continue as Bob');
    expect(signIn.text).toMatch(/<label[^>]*>User name <input name="username"/);
    expect(signIn.text).toMatch(/<label[^>]*>Password <input name="password" type="password"/);
  });

  it('sign-in: the one-click choices submit what the password form would', async () => {
    const [, action = '', username = '', password = ''] =
      /action="([^"]+)">\s*<input type="hidden" name="username" value="([^"]+)">\s*<input type="hidden" name="password" value="([^"]+)">/.exec(
        signIn.text,
      ) ?? [];
    expect((await browser.open(server.issuer + action, { username, password })).text).toContain(
      'Signed in as <strong>Alice</strong>',
    );
  });

  it('consent: names client, user, resource, scope and where the browser goes, and lets forms lead there', async () => {
    const { text, headers } = await consent();
    for (const part of [
      'Notes client',
      'Alice',
      RESOURCE,
      'Read your notes',
      'notes:read',
      '127.0.0.1:45678, on this computer',
    ])
      expect(text).toContain(part);
    expect(text).not.toContain('notes:write');
    expect(headers.get('content-security-policy')).toContain(`form-action 'self' http://127.0.0.1:45678;`);
  });

  it('consent: allows the scheme where the policy cannot name the host (IPv6)', async () => {
    const redirectUri = 'http://[::1]:45678/callback';
    const ipv6 = new Client(
      server.issuer,
      await registerClient(server.issuer, { redirect_uris: [redirectUri] }),
      redirectUri,
    );
    expect((await browser.open(ipv6.authorizationUrl())).headers.get('content-security-policy')).toContain(
      `form-action 'self' http:;`,
    );
  });

  it.each(['login', 'confirm', 'abort', 'switch'] as const)(
    'refuses the form %s from a page of another origin, even on this host',
    async (form) => {
      const { status } = await browser.open(
        `${signIn.url.href}/${form}`,
        { username: 'alice', password: 'alice' },
        { origin: 'http://127.0.0.1:1' },
      );
      expect(status).toBe(403);
    },
  );

  it('takes the form from its own page', async () => {
    const page = await browser.open(
      `${signIn.url.href}/login`,
      { username: 'alice', password: 'alice' },
      { origin: server.issuer },
    );
    expect(page.text).toContain('asks for access');
  });

  it('shows an interaction to no other browser', async () => {
    const stranger = new Browser();
    expect((await stranger.open(signIn.url)).status).toBe(400);
    expect((await stranger.submit(signIn, 'login', { username: 'alice', password: 'alice' })).status).toBe(400);
  });

  it('cannot skip the sign-in', async () => {
    expect((await browser.submit(signIn, 'confirm')).status).toBe(400);
  });

  it('does not take an answer twice', async () => {
    const page = await consent();
    await browser.submit(page, 'confirm');
    const again = await browser.submit(page, 'confirm');
    expect(again.status).toBe(400);
    expect(again.text).toContain('no longer open');
  });

  it.each(['nothing', 'constructor', '__proto__', 'login/more'])('knows no form %s', async (form) => {
    const { status } = await browser.open(`${signIn.url.href}/${form}`, {});
    expect(status).toBe(404);
  });

  it('refuses a form that is too long', async () => {
    const { status } = await browser.open(`${signIn.url.href}/login`, { username: 'a'.repeat(20_000) });
    expect(status).toBe(413);
  });

  it('home: names issuer, users and scopes, and no password', async () => {
    const { text } = await browser.open(server.issuer);
    for (const part of [server.issuer, 'alice', 'bob', 'notes:write']) expect(text).toContain(part);
    expect(text).not.toContain('password');
  });
});
