import { once, type EventEmitter } from 'node:events';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { ProtectedResourceOptions } from 'nestjs-mcp-auth';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { watchArrivals } from '../support/arrivals.js';
import { PLATFORMS, type Platform } from '../support/platforms.js';
import type { RawResponse } from '../support/raw-http.js';
import { ROOT, startTenantsServer, type TenantsServer } from '../support/tenants-server.js';

type Resolve = NonNullable<ProtectedResourceOptions['resolveTenant']>;

const host = (tenant: string): string => `${tenant}.example.com`;
const audience = (tenant: string): string => `https://${host(tenant)}/mcp`;

let server: TenantsServer | undefined;
const issuers: TestIssuer[] = [];
afterEach(async () => {
  await server?.close();
  for (const issuer of issuers.splice(0)) await issuer.close();
});

/** What the function was asked, in order. */
let asked: string[] = [];

async function start(platform: Platform, resolve: Resolve, options: object = {}): Promise<TenantsServer> {
  asked = [];
  server = await startTenantsServer(platform, {
    options: {
      resource: 'https://{tenant}.example.com/mcp',
      resolveTenant: (variables) => {
        asked.push(String(variables['tenant']));
        return resolve(variables);
      },
      ...options,
    },
  });
  return server;
}

async function call(tenant: string, given?: { token?: string; tool?: string }): Promise<RawResponse> {
  const token = given?.token ?? (await server!.issuer.mint({ aud: audience(tenant) }));
  return server!.call(host(tenant), '/mcp', token, given?.tool);
}

const warnings = (): string[] =>
  (server?.log ?? []).flatMap(({ level, text }) =>
    level === 'warn' && text.includes('lookup of the tenant') ? [text] : [],
  );

describe.each(PLATFORMS)('resolveTenant, on %s', (platform) => {
  it('is called once for concurrent requests, before and after authentication', async () => {
    let answer = (): void => undefined;
    const waiting = new Promise<void>((resolve) => (answer = resolve));
    const { app } = await start(platform, async () => {
      await waiting;
      return {};
    });
    const arrived = watchArrivals({ app });
    const token = await server!.issuer.mint({ aud: audience('acme') });
    const calls = Promise.all([
      ...Array.from({ length: 10 }, () => call('acme', { token })),
      server!.call(host('acme'), '/mcp'),
    ]);
    await arrived(11);
    const received = once(app.getHttpServer() as EventEmitter, 'request');
    const metadata = server!.get(host('acme'), `${ROOT}/mcp`);
    await received;
    answer();
    expect((await calls).map(({ status }) => status)).toEqual([...Array(10).fill(200), 401]);
    expect((await metadata).status).toBe(200);
    expect(asked).toEqual(['acme']);
  });

  it('is called again when its answer has become old, sooner for a tenant that does not exist', async () => {
    const tenants = new Set(['acme']);
    await start(platform, ({ tenant }) => (tenants.has(String(tenant)) ? {} : null), {
      tenants: { cacheSeconds: 60, negativeCacheSeconds: 5 },
    });
    const statuses = async (): Promise<number[]> => [(await call('acme')).status, (await call('globex')).status];
    expect(await statuses()).toEqual([200, 404]);
    tenants.add('globex').delete('acme');
    expect(await statuses()).toEqual([200, 404]);
    server!.clock.now += 5_000;
    expect(await statuses()).toEqual([200, 200]);
    server!.clock.now += 55_000;
    expect(await statuses()).toEqual([404, 200]);
    expect(asked).toEqual(['acme', 'globex', 'globex', 'acme']);
  });

  it('answers 503 with Retry-After while it fails, asks again for each request, and does not flood the log', async () => {
    let isDown = true;
    await start(platform, async () => {
      if (isDown) throw new Error('no database');
      return {};
    });
    for (let times = 0; times < 5; times += 1) {
      const { status, headers, body } = await call('acme');
      expect([status, headers.get('retry-after'), headers.get('www-authenticate')]).toEqual([503, ['5'], undefined]);
      expect(body).not.toContain('database');
    }
    const metadata = await server!.get(host('acme'), `${ROOT}/mcp`);
    expect([metadata.status, metadata.headers.get('retry-after'), metadata.body]).toEqual([503, ['5'], '']);
    expect(asked).toHaveLength(6);
    expect(warnings()).toEqual([expect.stringContaining('no database')]);
    isDown = false;
    expect((await call('acme')).status).toBe(200);
  });

  it.each<[string, unknown, string]>([
    ['an unknown member', { issuers: [] }, 'there is no such option here'],
    ['plain http', { authorizationServers: ['http://login.example.com'] }, 'plain http is accepted on loopback only'],
    ['no issuer', { authorizationServers: [] }, 'at least one authorization server'],
    ['an invalid audience', { audience: [7] }, 'must be a list of non-empty strings'],
    ['an empty audience', { audience: [] }, 'must be a list of non-empty strings'],
    ['an invalid scope', { scopes: { required: ['a b'] } }, 'a scope is visible ASCII'],
    ['too many scopes', { scopes: { supported: Array(101).fill('a') } }, 'at most 100 entries'],
    ['a long audience', { audience: 'a'.repeat(2_049) }, 'at most 2048 characters'],
    ['true', true, 'must be an object'],
    ['a text', 'acme', 'must be an object'],
    ['a list', [], 'must be an object'],
  ])('answers 503 if it returns %s', async (_what, answer, why) => {
    await start(platform, () => answer as object);
    expect((await call('acme')).status).toBe(503);
    expect(warnings()).toEqual([expect.stringContaining(why)]);
  });

  it.each([undefined, null, false])('means by %s that there is no such tenant', async (answer) => {
    await start(platform, () => answer as undefined);
    expect((await call('acme')).status).toBe(404);
  });

  it('gives a tenant its own issuers, audience and scopes', async () => {
    const own = await TestIssuer.start({ alg: 'ES256' });
    issuers.push(own);
    await start(
      platform,
      ({ tenant }) =>
        tenant === 'acme'
          ? { authorizationServers: [own.issuer], audience: 'urn:acme', scopes: { required: ['acme:use'] } }
          : {},
      { scopes: { required: ['use'], supported: ['use', 'more'] } },
    );
    expect(JSON.parse((await server!.get(host('acme'), `${ROOT}/mcp`)).body)).toMatchObject({
      authorization_servers: [own.issuer],
      scopes_supported: ['use', 'more'],
    });
    const allowed = await own.mint({ aud: 'urn:acme', scope: 'acme:use' });
    expect((await call('acme', { token: allowed })).status).toBe(200);
    const lacking = await call('acme', { token: await own.mint({ aud: 'urn:acme', scope: 'use' }) });
    expect([lacking.status, lacking.headers.get('www-authenticate')?.[0]]).toEqual([
      403,
      expect.stringContaining('scope="acme:use"'),
    ]);
    // The issuer of the resource is none of acme, and that of acme none of globex.
    const ofResource = await server!.issuer.mint({ aud: 'urn:acme', scope: 'acme:use' });
    expect((await call('acme', { token: ofResource })).status).toBe(401);
    expect((await call('globex', { token: await own.mint({ aud: audience('globex'), scope: 'use' }) })).status).toBe(
      401,
    );
    const ofGlobex = await server!.issuer.mint({ aud: audience('globex'), scope: 'use' });
    expect((await call('globex', { token: ofGlobex })).status).toBe(200);
  });

  it('fetches the keys of an issuer once for all tenants that have it of their own, and keeps them while they do', async () => {
    const own = await TestIssuer.start({ alg: 'ES256', now: () => server?.clock.now ?? Date.now() });
    issuers.push(own);
    await start(platform, () => ({ authorizationServers: [own.issuer] }), { authorizationServers: [] });
    const fetched = (): number => own.requests.filter(({ endpoint }) => endpoint === 'jwks').length;
    const use = async (tenant: string): Promise<number> =>
      (await call(tenant, { token: await own.mint({ aud: audience(tenant) }) })).status;
    for (let times = 0; times < 5; times += 1) expect(await use(`t${times}`)).toBe(200);
    server!.clock.now += 300_000;
    expect(await use('t0')).toBe(200);
    expect([asked.length, fetched()]).toEqual([6, 1]);
  });

  it('takes a change of the tenant into account when it asks again, also for tokens that were accepted before', async () => {
    let required = ['a'];
    await start(platform, () => ({ scopes: { required } }));
    const token = await server!.issuer.mint({
      aud: audience('acme'),
      scope: 'a',
      exp: server!.clock.now / 1000 + 3_000,
    });
    expect((await call('acme', { token })).status).toBe(200);
    required = ['b'];
    server!.clock.now += 300_000;
    expect((await call('acme', { token })).status).toBe(403);
  });

  it('hands on frozen variables, and takes a copy of the answer', async () => {
    const answer = { audience: [audience('acme')] };
    await start(platform, (variables) => {
      expect(Object.isFrozen(variables)).toBe(true);
      return answer;
    });
    expect((await call('acme')).status).toBe(200);
    answer.audience[0] = audience('globex');
    expect((await call('acme')).status).toBe(200);
    expect((await call('acme', { token: await server!.issuer.mint({ aud: audience('globex') }) })).status).toBe(401);
  });
});
