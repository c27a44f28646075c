import { afterEach, describe, expect, it } from '@jest/globals';
import { PLATFORMS } from '../support/platforms.js';
import type { RawResponse } from '../support/raw-http.js';
import { startTenantsServer, type TenantsServer, type TenantsSettings } from '../support/tenants-server.js';

const HOST = 'mcp.example.com';
const ACME = `https://${HOST}/orgs/acme/mcp`;

/** A resource that is one URL, at a route that serves many: only the URL of the resource is served. */
describe.each(PLATFORMS)('a resource without variables at a route with a parameter on %s', (platform) => {
  let server: TenantsServer;
  afterEach(() => server.close());
  const start = async (settings: Partial<TenantsSettings> = {}): Promise<void> => {
    server = await startTenantsServer(platform, { route: 'orgs/:org/mcp', options: { resource: ACME }, ...settings });
  };
  const call = async (path: string, aud?: string): Promise<RawResponse> =>
    server.call(HOST, path, aud === undefined ? undefined : await server.issuer.mint({ aud }));

  it('serves the path of the resource', async () => {
    await start();
    expect((await call('/orgs/acme/mcp')).status).toBe(401);
    expect((await call('/orgs/acme/mcp', ACME)).status).toBe(200);
    expect(server.ran).toHaveLength(1);
  });

  it.each(['/orgs/globex/mcp', '/orgs/%61cme/mcp', '/orgs/acme%2f/mcp', '/orgs/acme%00/mcp', '/orgs/.acme/mcp'])(
    'answers 404 at %s, with a token and without',
    async (path) => {
      await start();
      for (const aud of [undefined, ACME, `https://${HOST}${path}`]) {
        const { status, headers } = await call(path, aud);
        expect(status).toBe(404);
        expect(headers.get('www-authenticate')).toBeUndefined();
      }
      expect(server.ran).toEqual([]);
      expect(server.log.map(({ text }) => text).join('\n')).toContain('another value of a parameter');
    },
  );

  it('does not serve other methods at other values either', async () => {
    await start();
    expect((await server.get(HOST, '/orgs/globex/mcp')).status).toBe(404);
    expect((await server.get(HOST, '/orgs/acme/mcp')).status).toBe(401);
  });

  it('says at the start which paths are not served, and what to write', async () => {
    await start();
    expect(server.log.map(({ text }) => text).join('\n')).toMatch(
      /The route "\/orgs\/:org\/mcp" has a parameter, and the resource ".*\/orgs\/acme\/mcp" has one value for it.*resolveTenant/,
    );
  });

  it('applies below a global prefix, and to a resource that the route names', async () => {
    const resource = `https://${HOST}/api/orgs/acme/mcp`;
    await start({ options: { resource }, prepare: (app) => app.setGlobalPrefix('api') });
    expect((await call('/api/orgs/acme/mcp', resource)).status).toBe(200);
    expect((await call('/api/orgs/globex/mcp', resource)).status).toBe(404);
  });

  it('applies when the host of the resource has a variable', async () => {
    await start({
      options: { resource: 'https://{tenant}.example.com/orgs/acme/mcp', resolveTenant: () => ({}) },
    });
    expect((await call('/orgs/acme/mcp', ACME)).status).toBe(200);
    expect((await call('/orgs/globex/mcp', ACME)).status).toBe(404);
  });
});

describe.each(PLATFORMS)('a resource without variables at other routes on %s', (platform) => {
  it('is served at every path of a route without parameters', async () => {
    const server = await startTenantsServer(platform, {
      route: ['mcp', 'v1/mcp'],
      options: { resource: `https://${HOST}/mcp` },
    });
    try {
      for (const path of ['/mcp', '/v1/mcp']) {
        const token = await server.issuer.mint({ aud: `https://${HOST}/mcp` });
        expect((await server.call(HOST, path, token)).status).toBe(200);
      }
    } finally {
      await server.close();
    }
  });
});
