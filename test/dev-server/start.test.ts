import { once } from 'node:events';
import { createServer, request } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { startDevAuthorizationServer, type DevAuthorizationServer } from 'nestjs-mcp-auth/dev-server';
import { RESOURCE, start, verify } from './fixtures.js';
import { Browser, Client, registerClient } from './flow.js';

describe('startDevAuthorizationServer', () => {
  const running: DevAuthorizationServer[] = [];

  afterEach(async () => {
    await Promise.all(running.splice(0).map((server) => server.close()));
  });

  async function run(options?: Parameters<typeof start>[0]): Promise<DevAuthorizationServer> {
    const server = await start(options);
    running.push(server);
    return server;
  }

  const portOf = ({ issuer }: DevAuthorizationServer): number => Number(new URL(issuer).port);

  it('listens on a free port of 127.0.0.1, with two ready users', async () => {
    const server = await run();
    expect(server.issuer).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(server.users.map(({ username, password, name }) => ({ username, password, name }))).toEqual([
      { username: 'alice', password: 'alice', name: 'Alice' },
      { username: 'bob', password: 'bob', name: 'Bob' },
    ]);
  });

  async function withEnvironment<T>(value: string | undefined, action: () => Promise<T>): Promise<T> {
    const before = process.env['NODE_ENV'];
    if (value === undefined) delete process.env['NODE_ENV'];
    else process.env['NODE_ENV'] = value;
    try {
      return await action();
    } finally {
      process.env['NODE_ENV'] = before;
    }
  }

  it.each(['production', 'Production', 'PRODUCTION', 'prod', 'production ', 'staging', 'Development'])(
    'refuses to start with NODE_ENV=%s',
    async (value) => {
      await withEnvironment(value, () => expect(run()).rejects.toThrow(`NODE_ENV=${value}: `));
    },
  );

  it.each([undefined, '', 'development', 'test'])('starts with NODE_ENV=%s', async (value) => {
    await expect(withEnvironment(value, () => run())).resolves.toMatchObject({ issuer: expect.any(String) });
  });

  it('lists every mistake in the options at once', async () => {
    const mistakes = startDevAuthorizationServer({
      port: 70_000,
      accessTokenTtlSeconds: 0,
      resources: [
        { resource: 'notes', scopes: {} },
        { resource: `${RESOURCE}#part`, scopes: { 'two words': '' } },
      ],
      users: [],
    });
    await expect(mistakes).rejects.toThrow(
      /port: 70000[^]*accessTokenTtlSeconds: 0[^]*"notes"[^]*fragment[^]*"two words"[^]*users/,
    );
  });

  it('refuses a start without a resource', async () => {
    await expect(run({ resources: [] })).rejects.toThrow(/resources: must not be empty/);
  });

  it('uses the port it is given', async () => {
    const first = await run();
    const port = portOf(first);
    await first.close();
    expect(portOf(await run({ port }))).toBe(port);
  });

  it('uses another port where the given one is taken, and says so', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const onNotice = jest.fn();
    try {
      const server = await run({ port, onNotice });
      expect(portOf(server)).not.toBe(port);
      expect(onNotice).toHaveBeenCalledWith(`port ${port} is taken, so ${portOf(server)} is used`);
      expect((await fetch(`${server.issuer}/jwks`)).status).toBe(200);
    } finally {
      other.close();
    }
  });

  it('signs in the users it is given, and no others', async () => {
    const server = await run({ users: [{ username: 'admin', password: 'öffne dich', name: 'Admin' }] });
    const client = new Client(server.issuer, await registerClient(server.issuer));
    const browser = new Browser();
    const signIn = await browser.open(client.authorizationUrl());
    expect((await browser.submit(signIn, 'login', { username: 'alice', password: 'alice' })).status).toBe(401);
    const consent = await browser.submit(signIn, 'login', { username: 'admin', password: 'öffne dich' });
    const { body } = await client.exchange(await browser.submit(consent, 'confirm'));
    expect((await verify(body.access_token, server.issuer)).payload.sub).toBe('admin');
  });

  it('lets two servers run at once, also in one browser, and share nothing', async () => {
    const [one, two] = [await run(), await run()];
    const [clientOfOne, clientOfTwo] = [
      new Client(one.issuer, await registerClient(one.issuer)),
      new Client(two.issuer, await registerClient(two.issuer)),
    ];
    const browser = new Browser();
    const signInAtOne = await browser.open(clientOfOne.authorizationUrl());
    await browser.signInAndAllow(clientOfTwo.authorizationUrl(), 'bob');
    const consentAtOne = await browser.submit(signInAtOne, 'login', { username: 'alice', password: 'alice' });
    const { body } = await clientOfOne.exchange(await browser.submit(consentAtOne, 'confirm'));
    expect((await verify(body.access_token, one.issuer)).payload.sub).toBe('alice');
    await expect(verify(body.access_token, two.issuer)).rejects.toThrow();
    expect((await browser.open(new Client(two.issuer, clientOfOne.clientId).authorizationUrl())).text).toContain(
      'client not found',
    );
    expect((await browser.open(clientOfTwo.authorizationUrl())).text).toContain('Signed in as <strong>Bob</strong>');
  });

  it('is not reachable from other machines', async () => {
    const outside = Object.values(networkInterfaces())
      .flat()
      .find((address) => address?.family === 'IPv4' && !address.internal);
    const socket = connect(portOf(await run()), outside?.address ?? '127.0.0.2');
    await expect(once(socket, 'connect')).rejects.toThrow(/ECONNREFUSED/);
  });

  it('answers under its own name only, so that no foreign web page gets in by DNS rebinding', async () => {
    const server = await run();
    const rebound = request(`${server.issuer}/.well-known/oauth-authorization-server`, {
      headers: { host: `rebound.example:${portOf(server)}` },
    }).end();
    const [response] = (await once(rebound, 'response')) as [{ statusCode: number; resume(): void }];
    response.resume();
    expect(response.statusCode).toBe(421);
  });

  it('closes at once with a connection open, and may be closed twice', async () => {
    const server = await run();
    const socket = connect(portOf(server), '127.0.0.1');
    await once(socket, 'connect');
    const ended = once(socket, 'close');
    await Promise.all([server.close(), server.close()]);
    await ended;
    await expect(fetch(server.issuer)).rejects.toThrow();
  });

  it('writes nothing to the console during a whole flow, and never a token', async () => {
    const methods = ['log', 'info', 'warn', 'error', 'debug'] as const;
    const spies = methods.map((method) => jest.spyOn(console, method).mockImplementation(() => undefined));
    try {
      const server = await run();
      const client = new Client(server.issuer, await registerClient(server.issuer));
      const answer = await new Browser().signInAndAllow(client.authorizationUrl({ scope: 'openid email notes:read' }));
      const { body } = await client.exchange(answer);
      await client.token({ grant_type: 'refresh_token', refresh_token: body.refresh_token ?? '' });
      await client.token({ grant_type: 'refresh_token', refresh_token: body.refresh_token ?? '' });
      await new Browser().open(`${server.issuer}/authorize?client_id=unknown`);
      await new Browser().open(`${server.issuer}/nowhere`);
      for (const spy of spies) expect(spy).not.toHaveBeenCalled();
    } finally {
      for (const spy of spies) spy.mockRestore();
    }
  });
});

describe('startDevAuthorizationServer without oidc-provider', () => {
  it('says what to install', async () => {
    jest.resetModules();
    jest.unstable_mockModule('oidc-provider', () => {
      throw Object.assign(new Error(`Cannot find package 'oidc-provider' imported from …`), {
        code: 'ERR_MODULE_NOT_FOUND',
      });
    });
    const fresh = await import('nestjs-mcp-auth/dev-server');
    await expect(
      fresh.startDevAuthorizationServer({ resources: [{ resource: RESOURCE, scopes: {} }] }),
    ).rejects.toThrow(/npm i -D oidc-provider/);
  });
});
