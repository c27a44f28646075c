import { afterEach, describe, expect, it } from '@jest/globals';
import { McpAuthHealthIndicator, type BackChannelLogoutOptions } from 'nestjs-mcp-auth';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { introspecting } from '../support/introspection.js';
import { LOGOUT_CLIENT, LOGOUT_PATH, mintLogoutToken, sendLogout } from '../support/logout.js';
import { startNotesServer, type NotesServer, type NotesServerSettings } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { sendRaw } from '../support/raw-http.js';
import { Replicas, untilStatus } from '../support/replicas.js';
import { startTenantsServer } from '../support/tenants-server.js';

const LOGOUT: BackChannelLogoutOptions = { path: LOGOUT_PATH, clientIds: [LOGOUT_CLIENT] };

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close();
});

describe.each(PLATFORMS)('LIB-27: back-channel logout of other servers, on %s', (platform) => {
  async function start(
    logout: Partial<BackChannelLogoutOptions> = {},
    settings: NotesServerSettings = {},
  ): Promise<NotesServer> {
    const server = await startNotesServer(platform, {
      issuer: { alg: 'ES256' },
      ...settings,
      options: { revocation: { backChannelLogout: { ...LOGOUT, ...logout } }, ...settings.options },
    });
    open.push(() => server.close());
    return server;
  }

  async function newIssuer(options: Parameters<typeof TestIssuer.start>[0] = {}): Promise<TestIssuer> {
    const issuer = await TestIssuer.start({ alg: 'ES256', ...options });
    open.push(() => issuer.close());
    return issuer;
  }

  const errorOf = async (response: Response): Promise<unknown> => {
    expect(response.status).toBe(400);
    return ((await response.json()) as { error: unknown }).error;
  };

  it('OIDCBCL-2.5-c: does not exist without the option', async () => {
    const server = await startNotesServer(platform, { options: { revocation: {} } });
    open.push(() => server.close());
    expect((await sendLogout(server.resource, await mintLogoutToken(server.issuer))).status).not.toBe(200);
    expect(server.app.get(McpAuthHealthIndicator).isHealthy()['mcp-auth'].revocations?.kept).toBe(0);
  });

  it('OIDCBCL-2.5-d: reads the form itself where the application parses no bodies', async () => {
    const server = await start({}, { bodyParser: false });
    const body = new URLSearchParams({ logout_token: await mintLogoutToken(server.issuer) });
    const send = (form: URLSearchParams): Promise<Response> =>
      fetch(server.resource + LOGOUT_PATH, { method: 'POST', body: form });
    expect((await send(body)).status).toBe(200);
    expect(await errorOf(await send(new URLSearchParams([...body, ...body])))).toBe('invalid_request');
    expect(await errorOf(await send(new URLSearchParams({ logout_token: 'x'.repeat(70_000) })))).toBe(
      'invalid_request',
    );
    expect(await errorOf(await send(new URLSearchParams()))).toBe('invalid_request');
  });

  it('OIDCBCL-2.8-a: answers 400 while the keys cannot be fetched, and fetches them once for many tokens', async () => {
    const server = await start();
    server.issuer.fail('error');
    const tokens = await Promise.all(Array.from({ length: 20 }, () => mintLogoutToken(server.issuer)));
    const errors = await Promise.all(tokens.map(async (token) => errorOf(await sendLogout(server.resource, token))));
    expect(new Set(errors)).toEqual(new Set(['temporarily_unavailable']));
    server.issuer.recover();
    server.clock.now += 10_000;
    server.issuer.clearRequests();
    const answers = await Promise.all(tokens.map((token) => sendLogout(server.resource, token)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(server.issuer.requestCount('jwks')).toBe(1);
  });

  it('OIDCBCL-2.8-b: tells why only if the option says so', async () => {
    const server = await start({}, { options: { exposeErrorDetails: true } });
    const response = await sendLogout(server.resource, await mintLogoutToken(server.issuer, { aud: 'another' }));
    expect(await response.json()).toEqual({
      error: 'invalid_request',
      error_description: expect.stringContaining('its aud is not among'),
    });
  });

  it('LIB-27: works for opaque tokens, whose issuer signs logout tokens', async () => {
    const issuer = await newIssuer({ introspection: true });
    const server = await start(
      {},
      { sharedIssuer: issuer, options: { authorizationServers: [introspecting(issuer)] } },
    );
    const token = issuer.opaque({ aud: server.resource, sid: 's1' });
    expect((await server.callTool('ping', token)).status).toBe(200);
    expect((await sendLogout(server.resource, await mintLogoutToken(issuer, { sid: 's1' }))).status).toBe(200);
    expect((await server.callTool('ping', token)).status).toBe(401);
  });

  it('LIB-27: finds users by sub, although the subject is read from another claim', async () => {
    const issuer = await newIssuer();
    const authorizationServers = [{ issuer: issuer.issuer, claims: { subject: ['oid'] } }];
    const server = await start({}, { sharedIssuer: issuer, options: { authorizationServers } });
    const token = await server.mint({ sub: 'pairwise', oid: 'object-1' });
    expect((await server.callTool('ping', token)).status).toBe(200);
    expect((await sendLogout(server.resource, await mintLogoutToken(issuer, { sub: 'pairwise' }))).status).toBe(200);
    expect((await server.callTool('ping', token)).status).toBe(401);
  });

  it('LIB-27: takes the client IDs of each issuer from a function, and refuses if it fails', async () => {
    let answer: () => unknown = () => [LOGOUT_CLIENT];
    const asked: string[] = [];
    const clientIds = (issuer: string): string[] => {
      asked.push(issuer);
      return answer() as string[];
    };
    const server = await start({ clientIds });
    const send = async (): Promise<Response> => sendLogout(server.resource, await mintLogoutToken(server.issuer));
    expect((await send()).status).toBe(200);
    expect(asked).toEqual([server.issuer.issuer]);
    answer = () => [];
    expect(await errorOf(await send())).toBe('invalid_request');
    for (const bad of [() => LOGOUT_CLIENT, () => undefined, () => [1], () => Promise.reject(new Error('down'))]) {
      answer = bad;
      expect(await errorOf(await send())).toBe('temporarily_unavailable');
    }
  });

  it('LIB-27: asks the application about issuers that it looks up', async () => {
    const found = await newIssuer();
    const server = await start(
      {},
      {
        options: { trustedIssuer: (issuer: string) => (issuer === found.issuer ? issuer : undefined) },
      },
    );
    const token = await found.mint({ aud: server.resource, sub: 'ann' });
    expect((await server.callTool('ping', token)).status).toBe(200);
    expect((await sendLogout(server.resource, await mintLogoutToken(found, { sub: 'ann' }))).status).toBe(200);
    expect((await server.callTool('ping', token)).status).toBe(401);
  });

  it('OIDCBCL-2.6-l: lets replicas share used tokens, and refuses if their store fails', async () => {
    const seen = new Set<string>();
    let outage = false;
    const replayStore = {
      insertOnce: (key: string): boolean => {
        if (outage) throw new Error('down');
        const isNew = !seen.has(key);
        seen.add(key);
        return isNew;
      },
    };
    const issuer = await newIssuer();
    const [one, two] = [
      await start({ replayStore }, { sharedIssuer: issuer }),
      await start({ replayStore }, { sharedIssuer: issuer }),
    ];
    const token = await mintLogoutToken(issuer);
    expect((await sendLogout(one.resource, token)).status).toBe(200);
    expect(await errorOf(await sendLogout(two.resource, token))).toBe('invalid_request');
    outage = true;
    expect(await errorOf(await sendLogout(two.resource, await mintLogoutToken(issuer)))).toBe(
      'temporarily_unavailable',
    );
  });

  it('LIB-27: logs out at every replica', async () => {
    const replicas = await Replicas.of(platform, {}, { backChannelLogout: LOGOUT });
    open.push(() => replicas.close());
    const [one, two] = [await replicas.start(), await replicas.start()];
    const token = await replicas.mint({ sid: 's1' });
    expect((await two.callTool('ping', token)).status).toBe(200);
    expect((await sendLogout(one.resource, await mintLogoutToken(replicas.issuer, { sid: 's1' }))).status).toBe(200);
    replicas.advance(1_000);
    await untilStatus(() => two.callTool('ping', token), 401);
  });
});

describe.each(PLATFORMS)('LIB-27: back-channel logout of tenants, on %s', (platform) => {
  it.each<[string, string, string, (name: string) => { host: string; path: string }]>([
    ['host', 'https://{tenant}.example.com/mcp', 'mcp', (name) => ({ host: `${name}.example.com`, path: '/mcp' })],
    [
      'path',
      'https://example.com/{tenant}/mcp',
      ':tenant/mcp',
      (name) => ({ host: 'example.com', path: `/${name}/mcp` }),
    ],
  ])('LIB-27: each by its %s, with its own issuer', async (_where, resource, route, placeOf) => {
    const own = await TestIssuer.start({ alg: 'ES256' });
    open.push(() => own.close());
    const server = await startTenantsServer(platform, {
      route,
      options: {
        resource,
        resolveTenant: ({ tenant }: Readonly<Record<string, string>>) =>
          tenant === 'acme' ? { authorizationServers: [own.issuer] } : tenant === 'other' ? {} : undefined,
        revocation: { backChannelLogout: LOGOUT },
      } as never,
    });
    open.push(() => server.close());
    const logout = async (tenant: string, issuer: TestIssuer): Promise<number> => {
      const { host, path } = placeOf(tenant);
      const body = new URLSearchParams({ logout_token: await mintLogoutToken(issuer, { sub: 'ann' }) }).toString();
      const headers = [`Host: ${host}`, 'Content-Type: application/x-www-form-urlencoded'];
      return (await sendRaw(server.origin, { method: 'POST', path: path + LOGOUT_PATH, headers, body })).status;
    };
    const at = placeOf('acme');
    const token = await own.mint({ aud: `https://${at.host}${at.path}`, sub: 'ann' });
    expect((await server.call(at.host, at.path, token)).status).toBe(200);
    expect(await logout('other', own)).toBe(400);
    expect(await logout('nobody', own)).toBe(404);
    expect((await server.call(at.host, at.path, token)).status).toBe(200);
    expect(await logout('acme', own)).toBe(200);
    expect((await server.call(at.host, at.path, token)).status).toBe(401);
    expect(await logout('other', server.issuer)).toBe(200);
  });
});
