import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { parseChallenges } from 'nestjs-mcp-auth/testing';
import { PLATFORMS } from '../support/platforms.js';
import { sendRaw, type RawResponse } from '../support/raw-http.js';
import { knowing, ROOT, startTenantsServer, type TenantsServer } from '../support/tenants-server.js';

/** Where the variable stands, and how a request and its metadata name a tenant there. */
const PLACES = [
  {
    place: 'the host',
    resource: 'https://{tenant}.example.com/mcp',
    route: 'mcp',
    host: (tenant: string) => `${tenant}.example.com`,
    path: () => '/mcp',
  },
  {
    place: 'the path',
    resource: 'https://api.example.com/orgs/{tenant}/mcp',
    route: 'orgs/:tenant/mcp',
    host: () => 'api.example.com',
    path: (tenant: string) => `/orgs/${tenant}/mcp`,
  },
] as const;

const identifierOf = (place: (typeof PLACES)[number], tenant: string): string =>
  `https://${place.host(tenant)}${place.path(tenant)}`;

/** Names that are neither a label nor a segment, as sent. Those of NUL and spaces never reach Node's request. */
const INVALID = {
  both: [
    '',
    '..',
    '%2e',
    '%2e%2e',
    '%2E%2E',
    'a%2Fb',
    'a%5cb',
    'a%00b',
    '%61cme',
    'a\\b',
    'acme%20',
    'äcme',
    'a*b',
    '{tenant}',
  ],
  'the host': ['a.b', '.acme', 'acme.', '-acme', 'acme-', 'a_b', 'a'.repeat(64), 'acme:99', 'x@acme', '[acme]'],
  'the path': ['.', '...', 'a/b', 'acme/..', 'acme/', ':tenant', 'acme;x=1', "acme'", 'a'.repeat(256)],
} as const;

/** An answer to a request about a tenant that does not exist: always the same, whatever the name and the token. */
function expectNothing(answer: RawResponse): void {
  expect(answer.status).toBe(404);
  expect(answer.headers.get('www-authenticate')).toBeUndefined();
  expect(answer.headers.get('cache-control')).toEqual(['no-store']);
  expect(JSON.parse(answer.body)).toEqual({ jsonrpc: '2.0', id: 1, error: { code: 404, message: 'Not found.' } });
}

describe.each(PLATFORMS)('tenants on %s', (platform) => {
  describe.each(PLACES)('named in $place', (at) => {
    const { asked, resolveTenant } = knowing('acme', 'globex');
    let server: TenantsServer;
    beforeAll(async () => {
      server = await startTenantsServer(platform, {
        options: { resource: at.resource, resolveTenant },
        route: at.route,
      });
    });
    afterAll(() => server.close());
    beforeEach(() => {
      asked.length = 0;
      server.ran.length = 0;
      server.clock.now += 3_600_000;
    });
    const call = (tenant: string, token?: string, tool?: string): Promise<RawResponse> =>
      server.call(at.host(tenant), at.path(tenant), token, tool);
    const mint = (tenant: string): Promise<string> => server.issuer.mint({ aud: identifierOf(at, tenant) });

    it('names the metadata of the tenant in the challenge', async () => {
      const { status, headers } = await call('acme');
      const [challenge] = parseChallenges(headers.get('www-authenticate')?.[0] ?? '');
      expect([status, challenge?.params['resource_metadata']]).toEqual([
        401,
        `https://${at.host('acme')}${ROOT}${at.path('acme')}`,
      ]);
    });

    it('publishes metadata with the identifier of the tenant', async () => {
      const { status, body, headers } = await server.get(at.host('globex'), `${ROOT}${at.path('globex')}`);
      expect([status, JSON.parse(body)]).toMatchObject([
        200,
        { resource: identifierOf(at, 'globex'), authorization_servers: [server.issuer.issuer] },
      ]);
      expect(headers.get('access-control-allow-origin')).toEqual(['*']);
    });

    it('lets a token for the tenant in, and gives the tool its resource and variables', async () => {
      expect((await call('acme', await mint('acme'))).status).toBe(200);
      expect(server.ran).toEqual([
        { resource: identifierOf(at, 'acme'), resourceVariables: { tenant: 'acme' }, isFrozen: true },
      ]);
    });

    it('gives policies the variables', async () => {
      expect((await call('acme', await mint('acme'), 'acme-only')).status).toBe(200);
      expect((await call('globex', await mint('globex'), 'acme-only')).status).toBe(403);
      expect(server.ran).toEqual(['acme-only']);
    });

    it('LIB-28: refuses the token of one tenant at another, which share an issuer', async () => {
      const { status, headers } = await call('globex', await mint('acme'));
      expect([status, headers.get('www-authenticate')?.[0]]).toEqual([401, expect.stringContaining('invalid_token')]);
      expect(server.ran).toEqual([]);
    });

    it('answers 404 for a tenant that does not exist, with and without a token', async () => {
      expectNothing(await call('initech'));
      expectNothing(await call('initech', await mint('acme')));
      expectNothing(await call('initech', await mint('initech')));
      expect(asked).toEqual([{ tenant: 'initech' }]);
      const metadata = await server.get(at.host('initech'), `${ROOT}${at.path('initech')}`);
      expect([metadata.status, metadata.body]).toEqual([404, '']);
      expect(server.ran).toEqual([]);
    });

    it.each([...INVALID.both, ...INVALID[at.place]])('asks nobody about "%s"', async (name) => {
      const answer = await call(name, await mint('acme'));
      // Node and the platforms refuse some of them themselves.
      expect([400, 404, 414]).toContain(answer.status);
      expect(answer.body).not.toMatch(/tenant|acme-|globex/);
      const metadata = await server.get(at.host(name), `${ROOT}${at.path(name)}`);
      expect([400, 404, 414]).toContain(metadata.status);
      expect(asked).toEqual([]);
      expect(server.ran).toEqual([]);
    });
  });

  describe('with a variable in the host', () => {
    const { asked, resolveTenant } = knowing('acme', 'xn--bcher-kva');
    let server: TenantsServer;
    beforeAll(async () => {
      server = await startTenantsServer(platform, {
        options: { resource: 'https://{tenant}.Example.com/mcp', resolveTenant },
      });
    });
    afterAll(() => server.close());
    const token = (): Promise<string> => server.issuer.mint({ aud: 'https://acme.example.com/mcp' });

    it.each(['ACME.example.com', 'acme.EXAMPLE.COM', 'acme.example.com:443'])('reads the host %s', async (host) => {
      expect((await server.call(host, '/mcp', await token())).status).toBe(200);
    });

    it('reads an internationalised name in its ASCII form', async () => {
      expect((await server.call('xn--bcher-kva.example.com', '/mcp')).status).toBe(401);
    });

    it('answers 404 for the ASCII form of no name, whether or not the URLs of this version of Node may have it', async () => {
      expectNothing(await server.call('xn--a.example.com', '/mcp', await token()));
    });

    it.each(['example.com', 'acme.example.org', 'acme.evil.example.com', 'acme.example.com.evil.org', '127.0.0.1'])(
      'answers 404 at the host %s',
      async (host) => {
        expectNothing(await server.call(host, '/mcp', await token()));
        expect((await server.get(host, `${ROOT}/mcp`)).status).toBe(404);
      },
    );

    it('reads a target in absolute form, and never X-Forwarded-Host', async () => {
      const send = (path: string, ...headers: string[]): Promise<RawResponse> =>
        sendRaw(server.origin, { method: 'GET', path, headers });
      const metadata = `${ROOT}/mcp`;
      expect((await send(`https://acme.example.com${metadata}`, 'Host: other.example.com')).status).toBe(200);
      expect((await send(metadata, 'Host: proxy.internal', 'X-Forwarded-Host: acme.example.com')).status).toBe(404);
    });

    it('serves the metadata of each tenant at the root of its host, too', async () => {
      expect(JSON.parse((await server.get('acme.example.com', ROOT)).body)).toMatchObject({
        resource: 'https://acme.example.com/mcp',
      });
      asked.length = 0;
      expect((await server.get('nobody.example.com', ROOT)).status).toBe(404);
      expect(asked).toEqual([{ tenant: 'nobody' }]);
    });
  });

  it('reads several variables, in host and path', async () => {
    const asked: unknown[] = [];
    const server = await startTenantsServer(platform, {
      options: {
        resource: 'https://{region}.example.com/{org}/{project}/mcp',
        resolveTenant: (variables) => {
          asked.push(variables);
          return {};
        },
      },
      route: ':org/:project/mcp',
    });
    const aud = 'https://eu.example.com/Acme/p-1/mcp';
    expect((await server.call('eu.example.com', '/Acme/p-1/mcp', await server.issuer.mint({ aud }))).status).toBe(200);
    expect((await server.call('eu.example.com', '/acme/p-1/mcp', await server.issuer.mint({ aud }))).status).toBe(401);
    expect(asked).toEqual([
      { region: 'eu', org: 'Acme', project: 'p-1' },
      { region: 'eu', org: 'acme', project: 'p-1' },
    ]);
    await server.close();
  });
});
