import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { All, Controller, Get, HttpCode, Options, Res } from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Public, RequireScopes } from 'nestjs-mcp-auth';
import { expectRefusal, resetRecorded } from './support/expectations.js';
import { http2Client } from './support/http2.js';
import { startNotesServer, type NotesServer } from './support/notes-server.js';
import { PLATFORMS } from './support/platforms.js';
import { bearer } from './support/rpc.js';
import { sendRaw, type RawResponse } from './support/raw-http.js';

@Controller('cors')
class CorsController {
  @Get()
  @Public()
  get(): string {
    return 'got';
  }

  @Options()
  @Public()
  @HttpCode(200)
  options(@Res({ passthrough: true }) response: { header(name: string, value: string): unknown }): string {
    response.header('access-control-allow-origin', '*');
    return 'by the application';
  }

  @All('everything')
  @Public()
  @HttpCode(200)
  everything(): string {
    return 'everything';
  }

  @Options('guarded')
  @RequireScopes('a')
  guarded(): string {
    return 'never';
  }
}

const CALL = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'ping', arguments: {} } });
const JSON_HEADERS = ['Content-Type: application/json', 'Accept: application/json, text/event-stream'];
const PUBLIC_RESOURCE = 'https://mcp.example.com/mcp';

describe.each(PLATFORMS)('request targets and hosts, on %s', (platform) => {
  let local: NotesServer;
  let remote: NotesServer;
  let token: string;
  let remoteToken: string;
  beforeAll(async () => {
    local = await startNotesServer(platform, { issuer: { alg: 'ES256' }, controllers: [CorsController] });
    remote = await startNotesServer(platform, { issuer: { alg: 'ES256' }, options: { resource: PUBLIC_RESOURCE } });
    token = await local.mint();
    remoteToken = await remote.mint({ aud: PUBLIC_RESOURCE });
  });
  afterAll(async () => {
    await local.close();
    await remote.close();
  });
  beforeEach(() => {
    resetRecorded(local);
    resetRecorded(remote);
  });

  const call = (server: NotesServer, as: string, path: string, headers: string[] = []): Promise<RawResponse> =>
    sendRaw(server.origin, { path, headers: [...JSON_HEADERS, `Authorization: Bearer ${as}`, ...headers], body: CALL });

  describe('a target in absolute form', () => {
    it.each(['http://mcp.example.com', 'https://mcp.example.com:8443', 'HTTP://MCP.example.com', 'http://evil.test'])(
      'of %s finds the metadata of a resource',
      async (authority) => {
        const path = `${authority}/.well-known/oauth-protected-resource/mcp`;
        const response = await sendRaw(remote.origin, { method: 'GET', path });
        expect([response.status, (JSON.parse(response.body) as { resource: string }).resource]).toEqual([
          200,
          PUBLIC_RESOURCE,
        ]);
        expect((await sendRaw(remote.origin, { method: 'GET', path: `${path}?x=http://y` })).status).toBe(200);
      },
    );

    it('is checked by the host that it names, not by the Host field', async () => {
      const { host } = new URL(local.origin);
      const seen = async (path: string, headers: string[]): Promise<unknown[]> => {
        resetRecorded(local);
        return [(await call(local, token, path, headers)).status, [...local.ran]];
      };
      expect(await seen(`http://${host}/mcp`, [])).toEqual([200, ['ping']]);
      expect(await seen(`http://${host}/mcp`, ['Host: evil.test'])).toEqual([200, ['ping']]);
      expect(await seen('http://evil.test/mcp', [`Host: ${host}`])).toEqual([403, []]);
      expect(await seen(`http://user@${host}/mcp`, [])).toEqual([403, []]);
    });

    it('of the server as a whole breaks nothing', async () => {
      const response = await sendRaw(local.origin, {
        method: 'OPTIONS',
        path: '*',
        headers: [`Authorization: Bearer ${token}`],
      });
      expect(response.status).toBeLessThan(500);
      expect((await sendRaw(local.origin, { method: 'GET', path: 'http://x' })).status).toBe(404);
    });
  });

  describe('two Host fields', () => {
    it.each([
      ['the same twice', (host: string) => [`Host: ${host}`, `Host: ${host}`]],
      ['the right one first', (host: string) => [`Host: ${host}`, 'Host: evil.test']],
      ['the right one last', (host: string) => ['host: evil.test', `HOST: ${host}`]],
    ])('are refused on every resource: %s', async (_what, hosts) => {
      for (const [server, as] of [
        [local, token],
        [remote, remoteToken],
      ] as const) {
        const response = await call(server, as, '/mcp', hosts(new URL(server.origin).host));
        await expectRefusal(server, response, { status: 403, transport: 'origin_rejected' });
      }
    });

    it('are told to the operator', async () => {
      await call(remote, remoteToken, '/mcp', ['Host: a.example', 'Host: b.example']);
      expect(remote.log.join('\n')).toContain('Host is ["a.example", "b.example"]');
    });
  });

  describe('a preflight', () => {
    const preflight = (path: string): Promise<Response> =>
      fetch(local.origin + path, {
        method: 'OPTIONS',
        headers: { origin: 'https://x.test', 'access-control-request-method': 'GET' },
      });

    it('reaches the handler of a public route that takes it', async () => {
      const response = await preflight('/cors');
      expect([response.status, response.headers.get('access-control-allow-origin'), await response.text()]).toEqual([
        200,
        '*',
        'by the application',
      ]);
      expect(await (await preflight('/cors/everything')).text()).toBe('everything');
    });

    it('of a route that is protected is answered, and runs nothing', async () => {
      const response = await preflight('/cors/guarded');
      expect([response.status, await response.text()]).toEqual([204, '']);
    });
  });
});

describe('hosts over HTTP/2', () => {
  let server: NotesServer;
  let client: ReturnType<typeof http2Client>;
  let token: string;
  beforeAll(async () => {
    server = await startNotesServer('fastify', {
      issuer: { alg: 'ES256' },
      adapter: new FastifyAdapter({ http2: true } as object),
    });
    client = http2Client(server.origin);
    token = await server.mint();
  });
  afterAll(async () => {
    await client.close();
    await server.close();
  });

  const call = async (headers: Record<string, string>): Promise<unknown[]> => {
    resetRecorded(server);
    const all = {
      ':path': '/mcp',
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...bearer(token),
      ...headers,
    };
    const answer = await client.send(all, CALL);
    await answer.text;
    return [answer.status, [...server.ran]];
  };

  it('are read from :authority on a resource on loopback', async () => {
    expect(await call({})).toEqual([200, ['ping']]);
    expect(await call({ ':authority': 'localhost:1' })).toEqual([200, ['ping']]);
    expect(await call({ ':authority': 'evil.test' })).toEqual([403, []]);
  });

  it('must all be allowed where there is a Host field beside it', async () => {
    const { host } = new URL(server.origin);
    expect(await call({ ':authority': host, host: 'localhost' })).toEqual([200, ['ping']]);
    expect(await call({ ':authority': host, host: 'evil.test' })).toEqual([403, []]);
    expect(await call({ ':authority': 'evil.test', host })).toEqual([403, []]);
  });

  it('LIB-17: a body is one as well where no field announces it', async () => {
    resetRecorded(server);
    const headers = { ':path': '/mcp', accept: 'application/json, text/event-stream', ...bearer(token) };
    const answer = await client.send(headers, CALL);
    expect([await answer.text, answer.status, server.ran]).toEqual([
      expect.stringContaining('body_not_parsed'),
      400,
      [],
    ]);
  });
});
