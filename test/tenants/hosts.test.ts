import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, type Type } from '@nestjs/common';
import {
  AuthInfo,
  McpAuthConfigError,
  ProtectedResource,
  Public,
  type McpAuthInfo,
  type McpAuthModuleOptions,
} from 'nestjs-mcp-auth';
import { parseChallenges } from 'nestjs-mcp-auth/testing';
import { PLATFORMS, type Platform } from '../support/platforms.js';
import { sendRaw, type RawResponse } from '../support/raw-http.js';
import { ROOT, startTenantsServer, type TenantsServer } from '../support/tenants-server.js';

let server: TenantsServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

const A = 'https://a.example.com/mcp';
const B = 'https://b.example.com/mcp';

@Controller('plain')
class PlainController {
  @Get()
  read(@AuthInfo('resource') resource: URL): object {
    return { resource: resource.href };
  }

  @Get('open')
  @Public()
  open(): object {
    return {};
  }

  @Get('of-b')
  @ProtectedResource('b')
  readOfB(@AuthInfo() { resource }: McpAuthInfo): object {
    return { resource: resource.href };
  }
}

async function start(platform: Platform, ...resources: readonly object[]): Promise<void> {
  server = await startTenantsServer(platform, {
    options: (issuer) =>
      ({ resources: resources.map((one) => ({ authorizationServers: [issuer], ...one })) }) as McpAuthModuleOptions,
    controllers: [PlainController as Type],
  });
}

const mint = (aud: string): Promise<string> => server!.issuer.mint({ aud });

async function statusOf(host: string, aud: string): Promise<number> {
  return (await server!.call(host, '/mcp', await mint(aud))).status;
}

async function getPlain(host: string, path: string, aud: string): Promise<RawResponse> {
  const headers = [`Host: ${host}`, `Authorization: Bearer ${await mint(aud)}`];
  return sendRaw(server!.origin, { method: 'GET', path, headers });
}

describe.each(PLATFORMS)('several hosts with one route, on %s', (platform) => {
  const two = [
    { id: 'a', resource: A },
    { id: 'b', resource: B },
  ];

  it('takes the resource by the host of the request', async () => {
    await start(platform, ...two);
    expect(await statusOf('a.example.com', A)).toBe(200);
    expect(await statusOf('B.example.com:443', B)).toBe(200);
    expect(server!.ran).toMatchObject([{ resource: A }, { resource: B }]);
    expect(JSON.parse((await getPlain('b.example.com', '/plain', B)).body)).toEqual({ resource: B });
  });

  it('LIB-13: refuses the token of one host at the other, and names the metadata of the host', async () => {
    await start(platform, ...two);
    const refused = await server!.call('b.example.com', '/mcp', await mint(A));
    const [challenge] = parseChallenges(refused.headers.get('www-authenticate')?.[0] ?? '');
    expect([refused.status, challenge?.params['resource_metadata']]).toEqual([401, `https://b.example.com${ROOT}/mcp`]);
    expect(server!.ran).toEqual([]);
  });

  it('publishes the metadata of each at its host, and nothing elsewhere', async () => {
    await start(platform, ...two);
    const read = async (host: string): Promise<unknown> => {
      const { status, body } = await server!.get(host, `${ROOT}/mcp`);
      return status === 200 ? (JSON.parse(body) as { resource: string }).resource : [status, body];
    };
    expect(await read('a.example.com')).toBe(A);
    expect(await read('b.example.com')).toBe(B);
    expect(await read('127.0.0.1')).toEqual([404, '']);
    expect(await read('a.example.com.evil.example')).toEqual([404, '']);
  });

  it('answers 403 to a host that no resource has, and logs what to do', async () => {
    await start(platform, ...two);
    for (const host of ['c.example.com', 'localhost', '127.0.0.1:80', 'a.example.com:8080'])
      expect(await statusOf(host, A)).toBe(403);
    const line = server!.log.find(({ text }) => text.includes('origin_rejected'));
    expect(line).toMatchObject({ level: 'warn', text: expect.stringMatching(/c\.example\.com.*allowedHosts/s) });
    expect(server!.ran).toEqual([]);
  });

  it('lets the declaration of a route decide, and leaves public routes alone', async () => {
    await start(platform, ...two);
    expect((await getPlain('a.example.com', '/plain/of-b', B)).status).toBe(200);
    expect((await getPlain('a.example.com', '/plain/of-b', A)).status).toBe(401);
    expect((await server!.get('c.example.com', '/plain/open')).status).toBe(200);
  });

  it('prefers a host that is written out to one with a variable, which never is that tenant', async () => {
    const resolveTenant = (): object => ({});
    await start(platform, ...two, { id: 'tenants', resource: 'https://{tenant}.example.com/mcp', resolveTenant });
    const ofTenant = 'https://acme.example.com/mcp';
    expect(await statusOf('a.example.com', A)).toBe(200);
    expect(await statusOf('acme.example.com', ofTenant)).toBe(200);
    expect(await statusOf('acme.example.com', A)).toBe(401);
    expect(server!.ran).toMatchObject([
      { resource: A, resourceVariables: {} },
      { resourceVariables: { tenant: 'acme' } },
    ]);
    const metadata = await server!.get('b.example.com', `${ROOT}/mcp`);
    expect(JSON.parse(metadata.body)).toMatchObject({ resource: B });
  });

  it('asks for the path where several resources have the host', async () => {
    await start(platform, ...two, { id: 'c', resource: 'https://b.example.com/other' });
    expect(await statusOf('b.example.com', B)).toBe(200);
    const { status } = await getPlain('b.example.com', '/plain', B);
    expect(status).toBe(404);
    expect(server!.log.filter(({ text }) => text.includes('@ProtectedResource()'))).not.toEqual([]);
  });

  it('still asks each route for its resource where no two of them share a path', async () => {
    const started = start(platform, two[0]!, { id: 'b', resource: 'https://b.example.com/other' });
    await expect(started).rejects.toThrow(
      'with several resources, each protected route must say whose tokens it accepts',
    );
  });

  it.each([
    ['the same template', 'https://{tenant}.example.com/mcp'],
    ['another name of the variable', 'https://{org}.example.com/mcp'],
    ['a template that overlaps', 'https://x.{org}.com/mcp'],
  ])('refuses two templates that one request can match: %s', async (_what, resource) => {
    const resolveTenant = (): object => ({});
    const first = { id: 'one', resource: 'https://{tenant}.example.com/mcp', resolveTenant };
    const started = start(platform, first, { id: 'two', resource, resolveTenant });
    await expect(started).rejects.toThrow(McpAuthConfigError);
  });
});

describe.each(PLATFORMS)('the host of a public resource, on %s', (platform) => {
  const only = (allowedHosts?: string[]): Promise<TenantsServer> =>
    startTenantsServer(platform, { options: { resource: A, ...(allowedHosts && { allowedHosts }) } });

  it.each([
    'a.example.com',
    'A.Example.com:443',
    'a.example.com:8080',
    '127.0.0.1:3000',
    '10.0.0.5',
    '[fd00::1]:8080',
    'localhost',
    'mcp-server:3000',
    'mcp.default.svc',
    'mcp.default.svc.cluster.local',
    'backend.internal',
  ])('is accepted as %s without the option', async (host) => {
    server = await only();
    expect(await statusOf(host, A)).toBe(200);
  });

  it.each([
    'evil.example',
    'a.example.com.evil.example',
    'b.example.com',
    'app.azurewebsites.example',
    'x@a.example.com',
    'a.example.com,',
  ])('is refused as %s without the option, with a line that says what to do', async (host) => {
    server = await only();
    const answer = await server.call(host, '/mcp', await mint(A));
    expect(answer.status).toBe(403);
    expect(server.ran).toEqual([]);
    const line = server.log.find(({ text }) => text.includes('origin_rejected'));
    expect(line).toMatchObject({ level: 'warn', text: expect.stringContaining('allowedHosts') });
  });

  it.each<[string, number]>([
    ['a.example.com', 200],
    ['backend.example.net', 200],
    ['backend.example.net:8443', 200],
    ['10.0.0.5:8080', 200],
    ['10.0.0.5', 403],
    ['10.0.0.5:8081', 403],
    ['localhost', 403],
    ['mcp-server', 403],
    ['evil.example', 403],
  ])('with the option, only listed hosts are accepted: %s gets %i', async (host, status) => {
    server = await only(['backend.example.net', '10.0.0.5:8080']);
    expect(await statusOf(host, A)).toBe(status);
  });

  it('accepts its own host alone if the list is empty', async () => {
    server = await only([]);
    expect([await statusOf('a.example.com', A), await statusOf('127.0.0.1', A)]).toEqual([200, 403]);
  });

  it('never reads X-Forwarded-Host', async () => {
    server = await only();
    const send = async (...headers: string[]): Promise<number> =>
      (
        await sendRaw(server!.origin, {
          path: '/mcp',
          headers: [...headers, 'Content-Type: application/json', `Authorization: Bearer ${await mint(A)}`],
          body: '{"jsonrpc":"2.0","id":1,"method":"tools/list"}',
        })
      ).status;
    expect(await send('Host: evil.example', 'X-Forwarded-Host: a.example.com')).toBe(403);
    expect(await send('Host: a.example.com', 'X-Forwarded-Host: evil.example')).not.toBe(403);
  });

  it.each([
    'https://backend.example.net',
    'backend.example.net/',
    'Backend.example.net',
    '*',
    '*.example.net',
    'a:0',
    '',
  ])('refuses to start with "%s" in the list', async (host) => {
    await expect(only([host])).rejects.toThrow(/allowedHosts.*must be/s);
  });
});
