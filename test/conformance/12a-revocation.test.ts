import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { McpAuthRevocations, McpAuthService, type McpAuthEvent, type RevocationTarget } from 'nestjs-mcp-auth';
import { API_KEY, testCredentials } from '../support/api-keys.js';
import { startDpopServer } from '../support/dpop-server.js';
import { expectRefusal, expectServed, resetRecorded } from '../support/expectations.js';
import { startIntrospectingServer } from '../support/introspection.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';

const HOUR = 3_600;

/** Revokes tokens that were issued until now. The clock then moves on, so that new tokens are accepted. */
async function revoke({ app, clock }: NotesServer, target: RevocationTarget): Promise<void> {
  await app.get(McpAuthRevocations).revoke(target);
  clock.now += 10_000;
}

describe.each(PLATFORMS)('LIB-27: a revoked token is refused, on %s', (platform) => {
  let server: NotesServer;
  let now: () => number;
  beforeAll(async () => {
    server = await startNotesServer(platform, {
      issuer: { alg: 'ES256' },
      options: { revocation: {}, clockToleranceSeconds: 2 },
    });
    now = () => Math.floor(server.clock.now / 1000);
  });
  beforeEach(() => resetRecorded(server));
  afterAll(() => server.close());

  async function expectRevoked(token: string): Promise<void> {
    resetRecorded(server);
    await expectRefusal(server, await server.callTool('ping', token), { status: 401, error: 'invalid_token', token });
    expect(server.log.join('\n')).toContain('the token was revoked here');
  }

  async function expectAccepted(token: string): Promise<void> {
    resetRecorded(server);
    await expectServed(server, await server.callTool('ping', token), 'ping');
  }

  it('LIB-27: of a user, by issuer and subject, even if it is in the cache', async () => {
    const [old, other] = [await server.mint({ sub: 'ann' }), await server.mint({ sub: 'bob' })];
    await expectAccepted(old);
    await expectAccepted(other);
    await revoke(server, { principal: { issuer: server.issuer.issuer, subject: 'ann' } });
    await expectRevoked(old);
    await expectAccepted(other);
    await expectAccepted(await server.mint({ sub: 'ann' }));
  });

  it('LIB-27: of a user and of a client that acts for itself, by the key of the principal', async () => {
    const names = [{ sub: 'carl' }, { sub: undefined, client_id: 'robot' }];
    for (const claims of names) {
      const token = await server.mint(claims);
      const { principalKey } = await server.app.get(McpAuthService).verify(token);
      await revoke(server, { principal: principalKey });
      await expectRevoked(token);
      await expect(server.app.get(McpAuthService).verify(token)).rejects.toMatchObject({ reason: 'revoked' });
      await expectAccepted(await server.mint(claims));
    }
  });

  it('LIB-27: of one session, by sid', async () => {
    const [one, other] = [await server.mint({ sub: 'dora', sid: 's1' }), await server.mint({ sub: 'dora', sid: 's2' })];
    await revoke(server, { sessionId: 's1', issuer: server.issuer.issuer });
    await expectRevoked(one);
    await expectAccepted(other);
  });

  it('LIB-27: one token, by jti, whenever it was issued', async () => {
    const one = await server.mint({ jti: 'j1', iat: now() + 120 });
    const other = await server.mint({ jti: 'j2' });
    await revoke(server, { tokenId: 'j1', issuer: server.issuer.issuer });
    await expectRevoked(one);
    await expectAccepted(other);
  });

  it('LIB-27: of one client, whoever the user is', async () => {
    const [one, two] = await Promise.all(['eve', 'finn'].map((sub) => server.mint({ sub, client_id: 'app' })));
    const other = await server.mint({ sub: 'eve', client_id: 'other' });
    await revoke(server, { client: 'app', issuer: server.issuer.issuer });
    await expectRevoked(one!);
    await expectRevoked(two!);
    await expectAccepted(other);
  });

  it('LIB-27: without iat, for as long as the revocation is kept', async () => {
    await revoke(server, { principal: { issuer: server.issuer.issuer, subject: 'gus' } });
    await expectRevoked(await server.mint({ sub: 'gus', iat: undefined }));
    await expectAccepted(await server.mint({ sub: 'henry', iat: undefined }));
  });

  it('LIB-27: of the same second, and of the seconds by which the clocks may differ', async () => {
    await server.app.get(McpAuthRevocations).revoke({ principal: { issuer: server.issuer.issuer, subject: 'ida' } });
    const second = now();
    for (const ahead of [0, 1, 2]) await expectRevoked(await server.mint({ sub: 'ida', iat: second + ahead }));
    await expectAccepted(await server.mint({ sub: 'ida', iat: second + 3 }));
  });

  it('LIB-27: issued before the time that the application gives, exactly', async () => {
    const issuedBefore = now() - 100;
    const principal = { issuer: server.issuer.issuer, subject: 'jack' };
    await server.app.get(McpAuthRevocations).revoke({ principal }, { issuedBefore });
    await expectRevoked(await server.mint({ sub: 'jack', iat: issuedBefore - 1 }));
    await expectRevoked(await server.mint({ sub: 'jack', iat: issuedBefore - 0.5 }));
    await expectAccepted(await server.mint({ sub: 'jack', iat: issuedBefore }));
    // An earlier time does not take back a later one.
    await server.app.get(McpAuthRevocations).revoke({ principal }, { issuedBefore: issuedBefore - 50 });
    await expectRevoked(await server.mint({ sub: 'jack', iat: issuedBefore - 1 }));
  });

  it('LIB-27: or could live longer than the revocation is kept', async () => {
    const old = { sub: 'kim', iat: now() - 23 * HOUR, exp: now() + HOUR };
    await expectAccepted(await server.mint(old));
    const token = await server.mint({ ...old, iat: now() - 24 * HOUR });
    resetRecorded(server);
    await expectRefusal(server, await server.callTool('ping', token), { status: 401, error: 'invalid_token', token });
    expect(server.log.join('\n')).toContain('revocation.maxTokenSeconds');
  });

  it('LIB-27: is told to operators without the name of the user', async () => {
    const events: McpAuthEvent[] = [];
    const subscription = server.app.get(McpAuthService).events$.subscribe((event) => events.push(event));
    const { issuer } = server.issuer;
    const token = await server.mint({ sub: 'a-private-name' });
    await revoke(server, { principal: { issuer, subject: 'a-private-name' } });
    await expectRefusal(server, await server.callTool('ping', token), { status: 401, error: 'invalid_token', token });
    subscription.unsubscribe();
    expect(events).toMatchObject([
      { type: 'revoked', what: 'principal', issuer, by: 'application' },
      { type: 'refused', reason: 'revoked', status: 401, issuer, clientId: 'test-client', isVerified: true },
    ]);
    expect(server.log.join('\n')).toContain(`Refuses the earlier tokens of a principal of ${issuer}`);
    expect(JSON.stringify([events, server.log])).not.toContain('a-private-name');
  });

  it('LIB-27: anonymous requests and public routes go on', async () => {
    expect((await fetch(`${server.origin}/open`)).status).toBe(200);
  });

  it.each<[string, unknown, unknown, string]>([
    ['nothing', undefined, undefined, 'exactly one of|an object'],
    ['an invalid key', { principal: 'alice' }, undefined, 'McpAuthInfo.principalKey'],
    ['a principal of another shape', { principal: { issuer: 'x' } }, undefined, 'as subject; write a non-empty string'],
    ['a principal and an issuer beside it', { principal: 'x'.repeat(43), issuer: 'x' }, undefined, 'no other members'],
    ['a session without issuer', { sessionId: 's' }, undefined, 'as issuer; write a non-empty string'],
    ['a number', { tokenId: 1, issuer: 'x' }, undefined, 'as tokenId'],
    ['two at once', { tokenId: 'a', client: 'b', issuer: 'x' }, undefined, 'exactly one of'],
    [
      'another issuer than those configured',
      { client: 'b', issuer: 'https://other.example' },
      undefined,
      'write one of',
    ],
    ['milliseconds', { principal: 'x'.repeat(43) }, { issuedBefore: Date.now() }, 'seconds since the epoch'],
    ['text', { principal: 'x'.repeat(43) }, { issuedBefore: '2026' }, 'seconds since the epoch'],
    ['not a number', { principal: 'x'.repeat(43) }, { issuedBefore: Number.NaN }, 'seconds since the epoch'],
  ])('LIB-27: refuses to revoke %s', async (_what, target, options, message) => {
    const revoked = server.app.get(McpAuthRevocations).revoke(target as RevocationTarget, options as object);
    await expect(revoked).rejects.toThrow(TypeError);
    await expect(revoked).rejects.toThrow(new RegExp(message));
  });
});

describe.each(PLATFORMS)('LIB-27: tokens of every kind can be revoked, on %s', (platform) => {
  it('LIB-27: opaque ones, although their active answer is in the cache', async () => {
    const server = await startIntrospectingServer(platform, { options: { revocation: {} } });
    const token = server.opaque({ sub: 'ann', jti: 'j1' });
    expect((await server.callTool('ping', token)).status).toBe(200);
    await revoke(server, { tokenId: 'j1', issuer: server.issuer.issuer });
    expect((await server.callTool('ping', token)).status).toBe(401);
    expect((await server.callTool('ping', server.opaque({ sub: 'ann' }))).status).toBe(200);
    await server.close();
  });

  it('LIB-27: those that the application verifies, with and without claims', async () => {
    const server = await startNotesServer(platform, {
      options: {
        revocation: {},
        verifier: async (token: string) => {
          const [subject = '', iat] = token.split('~');
          const { origin } = new URL(server.resource);
          return {
            issuer: server.issuer.issuer,
            subject,
            scopes: [],
            audience: [`${origin}/mcp`],
            expiresAt: server.clock.now / 1000 + 60,
            claims: iat === undefined ? {} : { iat: Number(iat) },
          };
        },
      },
    });
    await revoke(server, { principal: { issuer: server.issuer.issuer, subject: 'ann' } });
    const later = Math.floor(server.clock.now / 1000);
    expect((await server.callTool('ping', 'ann')).status).toBe(401);
    expect((await server.callTool('ping', `ann~${later - 100}`)).status).toBe(401);
    expect((await server.callTool('ping', `ann~${later}`)).status).toBe(200);
    expect((await server.callTool('ping', 'bob')).status).toBe(200);
    await server.close();
  });

  it('LIB-27: API keys, in a header field and as Bearer', async () => {
    const { options: credentials } = testCredentials({ cacheSeconds: 300 });
    const server = await startNotesServer(platform, { options: { revocation: {}, credentials } });
    const call = (): Promise<Response> => server.callTool('ping', undefined, {}, { 'x-api-key': API_KEY });
    expect((await call()).status).toBe(200);
    await revoke(server, { principal: { issuer: 'credential:api-key', subject: 'alice' } });
    expect((await call()).status).toBe(401);
    await server.close();
  });

  it('LIB-27: those that are bound to a key', async () => {
    const dpop = await startDpopServer(platform, { dpop: 'accepted', revocation: {} });
    expect((await dpop.callWith({})).status).toBe(200);
    await dpop.server.app
      .get(McpAuthRevocations)
      .revoke({ principal: { issuer: dpop.server.issuer.issuer, subject: 'alice' } });
    expect((await dpop.callWith({})).status).toBe(401);
    await dpop.close();
  });

  it('LIB-27: but nothing without the option', async () => {
    const server = await startNotesServer(platform);
    const { issuer } = server.issuer;
    const revoked = server.app.get(McpAuthRevocations).revoke({ principal: { issuer, subject: 'alice' } });
    await expect(revoked).rejects.toThrow('write `revocation: {}` into the options');
    expect((await server.callTool('ping', await server.mint())).status).toBe(200);
    await server.close();
  });
});
