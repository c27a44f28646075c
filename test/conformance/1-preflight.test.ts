import { afterEach, describe, expect, it } from '@jest/globals';
import { All, Controller, Options, type INestApplication } from '@nestjs/common';
import { RequireScopes } from 'nestjs-mcp-auth';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { expectRefusal, read } from '../support/expectations.js';
import { PLATFORMS } from '../support/platforms.js';

const issuer = { alg: 'ES256' } as const;

describe.each(PLATFORMS)('1. CORS preflight, on %s', (platform) => {
  const ORIGIN = 'http://localhost:6274';
  const ran: string[] = [];

  @Controller('all')
  class AllController {
    @All()
    all(): object {
      ran.push('all');
      return { ok: true };
    }

    @All('scoped')
    @RequireScopes('a')
    scoped(): object {
      ran.push('scoped');
      return { ok: true };
    }

    @Options('options')
    options(): object {
      ran.push('options');
      return { ok: true };
    }
  }

  let server: NotesServer;
  const start = async (prepare?: (app: INestApplication) => void): Promise<void> => {
    server = await startNotesServer(platform, { issuer, controllers: [AllController], ...(prepare && { prepare }) });
    ran.length = 0;
  };
  const preflight = (path: string): Promise<Response> =>
    fetch(server.origin + path, {
      method: 'OPTIONS',
      headers: {
        origin: ORIGIN,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,dpop,mcp-method',
      },
    });
  afterEach(() => server.close());

  it('LIB-02: leaves the preflight to the CORS layer of the application, which allows the headers', async () => {
    await start((app) => app.enableCors({ origin: ORIGIN }));
    for (const path of ['/mcp', '/plain/scoped', '/all', '/all/scoped', '/all/options']) {
      const response = await preflight(path);
      expect([path, response.status]).toEqual([path, 204]);
      expect(response.headers.get('access-control-allow-origin')).toBe(ORIGIN);
      expect(response.headers.get('access-control-allow-headers')).toBe('authorization,dpop,mcp-method');
      expect(response.headers.get('www-authenticate')).toBeNull();
    }
    expect([...ran, ...server.ran]).toEqual([]);
  });

  it('LIB-02: does not answer a preflight with 401 where there is no CORS layer, nor allows anything then', async () => {
    await start();
    for (const path of ['/all', '/all/scoped', '/all/options']) {
      const response = await preflight(path);
      expect([path, response.status]).toEqual([path, 204]);
      expect(response.headers.get('access-control-allow-origin')).toBeNull();
      expect(response.headers.get('www-authenticate')).toBeNull();
    }
    for (const path of ['/mcp', '/plain/scoped']) {
      // No route takes OPTIONS there, so the framework says so.
      const response = await preflight(path);
      expect([path, response.status]).toEqual([path, 404]);
      expect(response.headers.get('www-authenticate')).toBeNull();
    }
    expect([...ran, ...server.ran]).toEqual([]);
  });

  it('LIB-02: protects OPTIONS requests that are no preflight', async () => {
    await start();
    for (const path of ['/all', '/all/options']) {
      const bare = await fetch(server.origin + path, { method: 'OPTIONS', headers: { origin: ORIGIN } });
      await expectRefusal(server, bare, { status: 401 });
    }
    expect(ran).toEqual([]);
    const authorization = `Bearer ${await server.mint()}`;
    const served = await fetch(`${server.origin}/all`, { method: 'OPTIONS', headers: { authorization } });
    expect([served.status, ran]).toEqual([200, ['all']]);
  });

  it('LIB-02: does not let a request of another method pass for a preflight', async () => {
    await start();
    const headers = { 'access-control-request-method': 'POST', origin: ORIGIN };
    for (const method of ['GET', 'POST', 'PUT', 'DELETE']) {
      await expectRefusal(server, await fetch(`${server.origin}/all`, { method, headers }), { status: 401 });
    }
    expect((await read(await fetch(`${server.origin}/all`, { method: 'HEAD', headers }))).status).toBe(401);
    expect(ran).toEqual([]);
  });
});
