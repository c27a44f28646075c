import { afterEach, describe, expect, it } from '@jest/globals';
import { TestIssuer, type TestFault, type WellKnownForm } from 'nestjs-mcp-auth/testing';
import { expectRefusal, expectServed, forget } from '../support/expectations.js';
import { startNotesServer, type NotesServer, type NotesServerSettings } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';

const MINUTE = 60_000;

describe.each(PLATFORMS)('4. Keys and metadata of the authorization server, on %s', (platform) => {
  let server: NotesServer;
  const others: TestIssuer[] = [];
  afterEach(async () => {
    await server.close();
    for (const issuer of others.splice(0)) await issuer.close();
  });

  async function start(settings: NotesServerSettings = {}): Promise<void> {
    server = await startNotesServer(platform, { issuer: { alg: 'ES256', ...settings.issuer }, ...settings });
  }

  it('RFC8414-3.3-a: uses no metadata that names another issuer, and none of its keys', async () => {
    await start();
    server.issuer.fail('wrong-issuer', 'metadata');
    const token = await server.mint();
    await expectRefusal(server, await server.callTool('ping', token), { status: 503, token });
    expect(server.issuer.requestCount('jwks')).toBe(0);
  });

  it.each<[string, WellKnownForm]>([
    ['', 'oauth'],
    ['', 'oidc-append'],
    ['/tenant', 'oauth'],
    ['/tenant', 'oidc-insert'],
    ['/tenant', 'oidc-append'],
    ['/tenant/', 'oidc-append'],
  ])('RFC8414-3.1-a: finds the metadata of an issuer with path "%s" that serves only the form %s', async (path, form) => {
    await start({ issuer: { alg: 'ES256', path, wellKnown: [form] } });
    await expectServed(server, await server.callTool('ping', await server.mint()), 'ping');
    expect(server.issuer.requestCount('jwks')).toBe(1);
  });

  it.each<[TestFault]>([['down'], ['error'], ['html'], ['invalid-json'], ['not-found'], ['redirect'], ['huge']])(
    'LIB-12: starts while the issuer is at fault (%s), says 503 until it is not, and needs no restart',
    async (fault) => {
      const issuer = await TestIssuer.start({ alg: 'ES256' });
      others.push(issuer);
      issuer.fail(fault);
      await start({ sharedIssuer: issuer });
      const token = await issuer.mint({ aud: server.resource, exp: Math.floor(server.clock.now / 1000) + 600 });
      await expectRefusal(server, await server.callTool('ping', token), { status: 503, token });
      expect(issuer.requestCount('canary')).toBe(0);
      issuer.recover();
      server.clock.now += MINUTE;
      await expectServed(server, await server.callTool('ping', token), 'ping');
    },
  );

  it('LIB-12: serves on with the keys it has for a limited time', async () => {
    await start({ options: { cache: false } });
    const ping = async (): Promise<Response> => server.callTool('ping', await server.mint());
    await expectServed(server, await ping(), 'ping');
    server.issuer.fail('error');
    for (const minutes of [15, 60, 240]) {
      server.clock.now += minutes * MINUTE;
      forget(server);
      await expectServed(server, await ping(), 'ping');
    }
    server.clock.now += 60 * MINUTE;
    forget(server);
    await expectRefusal(server, await ping(), { status: 503 });
    server.issuer.recover();
    server.clock.now += MINUTE;
    await expectServed(server, await ping(), 'ping');
  });

  it('LIB-12: asks once, however many are waiting', async () => {
    await start();
    const token = await server.mint();
    const answers = await Promise.all(Array.from({ length: 200 }, () => server.callTool('ping', token)));
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    expect([server.issuer.requestCount('metadata'), server.issuer.requestCount('jwks')]).toEqual([1, 1]);
  });

  it('MCP-26-DISC-04: takes each issuer by its own keys, and publishes whom it trusts', async () => {
    const [one, two] = await Promise.all([TestIssuer.start({ alg: 'ES256' }), TestIssuer.start({ alg: 'ES256' })]);
    others.push(one, two);
    await start({ sharedIssuer: one, options: { authorizationServers: [one.issuer, two.issuer] } });
    const of = async (issuer: TestIssuer): Promise<Response> =>
      server.callTool('ping', await issuer.mint({ aud: server.resource, exp: Math.floor(server.clock.now / 1000) + 60 }));
    expect([(await of(one)).status, (await of(two)).status]).toEqual([200, 200]);
    const metadata = await fetch(`${server.origin}/.well-known/oauth-protected-resource/mcp`);
    expect(await metadata.json()).toMatchObject({ authorization_servers: [one.issuer, two.issuer] });
    two.fail('down');
    expect((await of(one)).status).toBe(200);
  });

  it('MCP-26-DISC-04: takes no token of an issuer that is not listed any more', async () => {
    const removed = await TestIssuer.start({ alg: 'ES256' });
    others.push(removed);
    await start();
    const token = await removed.mint({ aud: server.resource });
    await expectRefusal(server, await server.callTool('ping', token), { status: 401, error: 'invalid_token', token });
    expect(removed.requests).toEqual([]);
  });
});
