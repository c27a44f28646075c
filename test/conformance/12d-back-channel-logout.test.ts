import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { McpAuthService, type McpAuthEvent } from 'nestjs-mcp-auth';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { expectNoTrace, resetRecorded } from '../support/expectations.js';
import { LOGOUT_CLIENT, LOGOUT_EVENT, LOGOUT_PATH, mintLogoutToken, sendLogout } from '../support/logout.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';

type Claims = Readonly<Record<string, unknown>>;

describe.each(PLATFORMS)('LIB-27: back-channel logout, on %s', (platform) => {
  let server: NotesServer;
  let other: TestIssuer;
  let alien: TestIssuer;
  let users = 0;
  beforeAll(async () => {
    let now = (): number => Date.now();
    const start = (): Promise<TestIssuer> => TestIssuer.start({ alg: 'ES256', now: () => now() });
    [other, alien] = [await start(), await start()];
    const sharedIssuer = await start();
    server = await startNotesServer(platform, {
      sharedIssuer,
      options: {
        authorizationServers: [sharedIssuer.issuer, other.issuer],
        revocation: { backChannelLogout: { path: LOGOUT_PATH, clientIds: [LOGOUT_CLIENT, 'second-client'] } },
      },
    });
    now = () => server.clock.now;
  });
  beforeEach(() => resetRecorded(server));
  afterAll(async () => {
    await server.close();
    await Promise.all([server.issuer, other, alien].map((issuer) => issuer.close()));
  });

  const seconds = (): number => Math.floor(server.clock.now / 1000);
  const newUser = (): string => `user-${(users += 1)}`;
  const statusOf = async (token: string): Promise<number> => (await server.callTool('ping', token)).status;

  async function expectAccepted(token: string): Promise<void> {
    const response = await sendLogout(server.resource, token);
    expect([response.status, await response.text()]).toEqual([200, '']);
    expect(response.headers.get('cache-control')).toBe('no-store');
  }

  /** The answer says no more than that; the log says why, and shows nothing of the token. */
  async function expectRefused(token: string, why: string | RegExp, error = 'invalid_request'): Promise<void> {
    server.clock.now += 6_000;
    resetRecorded(server);
    const response = await sendLogout(server.resource, token);
    const text = await response.text();
    expect([response.status, JSON.parse(text)]).toEqual([400, { error, error_description: expect.any(String) }]);
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(response.headers.get('content-type')).toMatch(/^application\/json/);
    const log = server.log.join('\n');
    expect(log).toMatch(why);
    if (token.length > 100) expectNoTrace(token, { text, log });
  }

  it('OIDCBCL-2.6-a: ends the session that sid names, and no other of the user', async () => {
    const sub = newUser();
    const [ended, goesOn] = [await server.mint({ sub, sid: `${sub} 1` }), await server.mint({ sub, sid: `${sub} 2` })];
    expect([await statusOf(ended), await statusOf(goesOn)]).toEqual([200, 200]);
    await expectAccepted(await mintLogoutToken(server.issuer, { sub, sid: `${sub} 1` }));
    expect([await statusOf(ended), await statusOf(goesOn)]).toEqual([401, 200]);
  });

  it('OIDCBCL-2.6-a: ends the session without the name of the user', async () => {
    const sub = newUser();
    const token = await server.mint({ sub, sid: `${sub} 1` });
    await expectAccepted(await mintLogoutToken(server.issuer, { sub: undefined, sid: `${sub} 1` }));
    expect(await statusOf(token)).toBe(401);
  });

  it('OIDCBCL-2.6-a: ends tokens of the user that name no session, since they may belong to it', async () => {
    const sub = newUser();
    const [without, another] = [await server.mint({ sub }), await server.mint({ sub: newUser() })];
    await expectAccepted(await mintLogoutToken(server.issuer, { sub, sid: `${sub} 1` }));
    expect([await statusOf(without), await statusOf(another)]).toEqual([401, 200]);
  });

  it('OIDCBCL-2.6-b: ends all sessions of the user if it names no session, until a new sign-in', async () => {
    const sub = newUser();
    const tokens = [
      await server.mint({ sub, sid: 'x' }),
      await server.mint({ sub, sid: 'y' }),
      await server.mint({ sub }),
    ];
    await expectAccepted(await mintLogoutToken(server.issuer, { sub }));
    for (const token of tokens) expect(await statusOf(token)).toBe(401);
    // The clock of the issuer counts, so nobody has to wait.
    expect(await statusOf(await server.mint({ sub, iat: seconds() + 1 }))).toBe(200);
  });

  it('OIDCBCL-2.6-b: concerns users of the issuer alone that sent it', async () => {
    const sub = newUser();
    const aud = server.resource;
    const [here, there] = [await server.mint({ sub, sid: 's' }), await other.mint({ aud, sub, sid: 's' })];
    await expectAccepted(await mintLogoutToken(other, { sub, sid: 's' }));
    expect([await statusOf(here), await statusOf(there)]).toEqual([200, 401]);
    await expectAccepted(await mintLogoutToken(server.issuer, { sub }));
    expect(await statusOf(here)).toBe(401);
  });

  it('OIDCBCL-2.6-c: tells operators, without the names of users and sessions', async () => {
    const events: McpAuthEvent[] = [];
    const subscription = server.app.get(McpAuthService).events$.subscribe((event) => events.push(event));
    await expectAccepted(await mintLogoutToken(server.issuer, { sub: 'secret-name', sid: 'secret-session' }));
    subscription.unsubscribe();
    expect(events).toMatchObject([{ type: 'revoked', what: 'session', issuer: server.issuer.issuer, by: 'logout' }]);
    expect(JSON.stringify([events, server.log])).not.toMatch(/secret-(?:name|session)/);
  });

  it.each<[string, Claims, object?]>([
    [
      'of the type JWT, as Keycloak writes it, with further events',
      { events: { [LOGOUT_EVENT]: {}, revoke_offline_access: true } },
      { typ: 'JWT' },
    ],
    ['without a type', {}, { typ: undefined }],
    ['with the long form of the type', {}, { typ: 'application/LOGOUT+JWT' }],
    ['for several clients that are all known', { aud: [LOGOUT_CLIENT, 'second-client'] }],
    ['with something in the event', { events: { [LOGOUT_EVENT]: { reason: 'x' } } }],
    ['with unknown claims', { trace_id: 'x' }],
  ])('OIDCBCL-2.6-d: accepts a token %s', async (_what, claims, header = {}) => {
    const sub = newUser();
    const token = await server.mint({ sub });
    await expectAccepted(await mintLogoutToken(server.issuer, { sub, ...claims }, { header: header as Claims }));
    expect(await statusOf(token)).toBe(401);
  });

  it.each<[string, string, Claims, object | undefined, RegExp]>([
    ['OIDCBCL-2.6-e', 'for another client', { aud: 'another' }, undefined, /its aud/],
    ['OIDCBCL-2.6-e', 'for a known and an unknown client', { aud: [LOGOUT_CLIENT, 'another'] }, undefined, /its aud/],
    ['OIDCBCL-2.6-e', 'for this resource', { aud: 'http://127.0.0.1/mcp' }, undefined, /its aud/],
    ['OIDCBCL-2.6-e', 'for nobody', { aud: undefined }, undefined, /its aud/],
    ['OIDCBCL-2.6-f', 'without exp', { exp: undefined }, undefined, /no exp claim/],
    ['OIDCBCL-2.6-f', 'that has expired', { exp: 1_000 }, undefined, /has expired/],
    ['OIDCBCL-2.6-f', 'without iat', { iat: undefined }, undefined, /no iat claim/],
    ['OIDCBCL-2.6-f', 'with iat as text', { iat: '1' }, undefined, /time claim/],
    [
      'OIDCBCL-2.6-f',
      'with iat in the future',
      { iat: Math.floor(Date.now() / 1000) + 250, exp: Math.floor(Date.now() / 1000) + 600 },
      undefined,
      /iat lies in the future/,
    ],
    ['OIDCBCL-2.6-g', 'without sub and sid', { sub: undefined }, undefined, /neither sub nor sid/],
    ['OIDCBCL-2.6-g', 'with an empty sid', { sid: '' }, undefined, /claim sid/],
    ['OIDCBCL-2.6-g', 'with a list as sub', { sub: ['alice'] }, undefined, /claim sub/],
    ['OIDCBCL-2.6-h', 'without events', { events: undefined }, undefined, /claim events/],
    [
      'OIDCBCL-2.6-h',
      'with another event',
      { events: { 'http://schemas.openid.net/event/other': {} } },
      undefined,
      /claim events/,
    ],
    ['OIDCBCL-2.6-h', 'with the event as text', { events: LOGOUT_EVENT }, undefined, /claim events/],
    ['OIDCBCL-2.6-h', 'with the event in a list', { events: [LOGOUT_EVENT] }, undefined, /claim events/],
    ['OIDCBCL-2.6-h', 'with true as the event', { events: { [LOGOUT_EVENT]: true } }, undefined, /claim events/],
    ['OIDCBCL-2.6-i', 'with a nonce', { nonce: 'n' }, undefined, /nonce/],
    ['OIDCBCL-2.6-i', 'with an empty nonce', { nonce: '' }, undefined, /nonce/],
    ['OIDCBCL-2.6-j', 'without jti', { jti: undefined }, undefined, /no jti claim/],
    ['OIDCBCL-2.4-a', 'of the type of access tokens', {}, { typ: 'at+jwt' }, /typ header/],
    ['OIDCBCL-2.4-a', 'of another type', {}, { typ: 'secevent+jwt' }, /typ header/],
    ['OIDCBCL-2.6-k', 'with a critical header', {}, { crit: ['exp'] }, /JOSE header/],
  ])('%s: refuses a token %s', async (_id, _what, claims, header, why) => {
    const sub = newUser();
    const token = await server.mint({ sub });
    const logout = await mintLogoutToken(server.issuer, { sub, ...claims }, { header: (header ?? {}) as Claims });
    await expectRefused(logout, why);
    expect(await statusOf(token)).toBe(200);
  });

  it('OIDCBCL-2.6-l: refuses a token that was used before', async () => {
    const token = await mintLogoutToken(server.issuer, { sub: newUser() });
    await expectAccepted(token);
    await expectRefused(token, /it was used before/);
  });

  it('OIDCBCL-2.6-m: refuses a token of another issuer, and one with its name', async () => {
    await expectRefused(await mintLogoutToken(alien), /an issuer this resource does not trust/);
    await expectRefused(await mintLogoutToken(alien, { iss: server.issuer.issuer }), /no usable key|does not verify/);
    await expectRefused(await mintLogoutToken(other, { iss: server.issuer.issuer }), /no usable key|does not verify/);
  });

  it('OIDCBCL-2.6-n: refuses a token without a signature, with a secret of a client, with a broken one, and an encrypted one', async () => {
    const [header = '', payload = '', signature = ''] = (await mintLogoutToken(server.issuer)).split('.');
    const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    for (const alg of ['none', 'HS256']) {
      await expectRefused(`${encoded({ alg, typ: 'logout+jwt' })}.${payload}.${signature}`, /signature algorithm/);
    }
    await expectRefused(`${encoded({ alg: 'none' })}.${payload}.`, /not a signed JWT/);
    const changed = encoded({ ...JSON.parse(Buffer.from(payload, 'base64url').toString()), sub: 'bob' });
    await expectRefused(`${header}.${changed}.${signature}`, /does not verify/);
    await expectRefused(`${header}.a.b.c.${signature}`, /encrypted/);
    await expectRefused('x'.repeat(20_000), /longer than accepted/);
  });

  it('OIDCBCL-2.6-o: refuses ID tokens and access tokens, and no logout token is an access token', async () => {
    await expectRefused(await server.mint({ aud: LOGOUT_CLIENT }), /typ header/);
    await expectRefused(
      await server.mint({ aud: LOGOUT_CLIENT, events: undefined }, { header: { typ: 'JWT' } }),
      /events/,
    );
    expect(await statusOf(await mintLogoutToken(server.issuer, { aud: server.resource, scope: 'a' }))).toBe(401);
  });

  it.each<[string, RequestInit]>([
    ['JSON', { body: '{"logout_token":"a"}', headers: { 'content-type': 'application/json' } }],
    ['no media type', { body: new Uint8Array([97]) }],
    ['an empty form', { body: new URLSearchParams() }],
    ['a form without the token', { body: new URLSearchParams({ token: 'a' }) }],
    [
      'the token twice',
      {
        body: new URLSearchParams([
          ['logout_token', 'a'],
          ['logout_token', 'b'],
        ]),
      },
    ],
    ['the token in the URL', { body: new URLSearchParams() }],
  ])('OIDCBCL-2.5-a: refuses a request with %s', async (what, init) => {
    const query = what.endsWith('URL') ? `?logout_token=${await mintLogoutToken(server.issuer)}` : '';
    const response = await fetch(`${server.resource}${LOGOUT_PATH}${query}`, { method: 'POST', ...init });
    expect([response.status, await response.json()]).toEqual([
      400,
      { error: 'invalid_request', error_description: 'The request must be a form with one logout_token.' },
    ]);
    expect(response.headers.get('cache-control')).toBe('no-store');
  });

  it('OIDCBCL-2.5-a: does not read a form of any length', async () => {
    const body = new URLSearchParams({ logout_token: 'x'.repeat(200_000) });
    const response = await fetch(server.resource + LOGOUT_PATH, { method: 'POST', body });
    expect([400, 413]).toContain(response.status);
  });

  it('OIDCBCL-2.5-b: answers other methods with 405, and is there only', async () => {
    for (const method of ['GET', 'PUT', 'OPTIONS']) {
      const response = await fetch(server.resource + LOGOUT_PATH, { method });
      expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST']);
    }
    const body = new URLSearchParams({ logout_token: await mintLogoutToken(server.issuer) });
    const elsewhere = await fetch(server.origin + LOGOUT_PATH, { method: 'POST', body });
    expect(elsewhere.status).toBe(404);
  });
});
