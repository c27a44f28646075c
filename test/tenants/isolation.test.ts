import { randomUUID } from 'node:crypto';
import type { Server } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import * as fc from 'fast-check';
import { McpAuthModule, McpAuthService, type McpAuthModuleOptions } from 'nestjs-mcp-auth';
import { TestDpopKey, TestIssuer } from 'nestjs-mcp-auth/testing';
import { alwaysAsync } from '../fuzz/property.js';
import { freePort } from '../support/free-port.js';
import { McpCaller } from '../support/mcp-caller.js';
import { adapterFor, PLATFORMS } from '../support/platforms.js';
import { sendRaw } from '../support/raw-http.js';
import { SharedStores, stateEndpoint } from '../support/state-endpoints.js';
import { startTenantsServer, type TenantsServer } from '../support/tenants-server.js';

const TENANTS = 10_000;

/** A label that is no other tenant's: some differ in one letter only, or begin alike. */
const nameOf = (index: number): string => `${'abc'[index % 3]}${(index / 3) | 0}`;

const index = fc.integer({ min: 0, max: TENANTS - 1 });

/** Another tenant, often a neighbour. */
const pair = fc
  .tuple(index, fc.oneof(index, fc.constantFrom(1, 3, 30)))
  .map(([one, other]): [number, number] => [one, one === other ? (one + 1) % TENANTS : other]);

describe.each(PLATFORMS)(`${TENANTS} tenants on %s`, (platform) => {
  let server: TenantsServer;
  let own: TestIssuer;
  let asked = 0;
  beforeAll(async () => {
    own = await TestIssuer.start({ alg: 'ES256' });
    server = await startTenantsServer(platform, {
      options: {
        resource: 'https://{tenant}.example.com/mcp',
        resolveTenant: ({ tenant }) => {
          asked += 1;
          const number = Number(tenant?.slice(1));
          if (!(number < TENANTS)) return undefined;
          // Every third tenant has an issuer of its own, every second a prefix of its audience.
          return {
            ...(number % 3 === 0 && { authorizationServers: [own.issuer] }),
            ...(number % 2 === 0 && { audience: `urn:tenants:${tenant}` }),
          };
        },
        tenants: { maxEntries: 500 },
      },
    });
  });
  afterAll(async () => {
    await server.close();
    await own.close();
  });
  const tokenFor = (at: number): Promise<string> => {
    const name = nameOf(at);
    const number = Number(name.slice(1));
    const issuer = number % 3 === 0 ? own : server.issuer;
    return issuer.mint({ aud: number % 2 === 0 ? `urn:tenants:${name}` : `https://${name}.example.com/mcp` });
  };
  const statusAt = async (at: number, token: string): Promise<number> =>
    (await server.call(`${nameOf(at)}.example.com`, '/mcp', token)).status;

  it('LIB-28: each accepts its tokens, and none of another', async () => {
    await alwaysAsync(300, pair, async ([one, other]) => {
      const token = await tokenFor(one);
      expect([await statusAt(one, token), await statusAt(other, token), await statusAt(one, token)]).toEqual([
        200, 401, 200,
      ]);
    });
  });

  // What decides is the same on both platforms.
  if (platform !== 'express') return;
  it('LIB-28: each of them verifies its own token only, outside of requests too', async () => {
    const service = server.app.get(McpAuthService);
    const outcome = (token: string, name: string): Promise<string> =>
      service.verify(token, `https://${name}.example.com/mcp`).then(
        ({ resource, resourceVariables }) => `${resource.href} ${resourceVariables['tenant']}`,
        (error: { readonly code?: string }) => String(error.code),
      );
    const before = asked;
    for (let at = 0; at < TENANTS; at += 1) {
      const token = await tokenFor(at);
      const name = nameOf(at);
      expect(await outcome(token, name)).toBe(`https://${name}.example.com/mcp ${name}`);
      expect(await outcome(token, nameOf((at + 4_999) % TENANTS))).toBe('invalid_token');
    }
    expect(asked - before).toBeLessThanOrEqual(2 * TENANTS);
    expect(await outcome('a.b.c', 'nobody')).toBe('resource_not_found');
  }, 120_000);
});

describe.each(PLATFORMS)('other ways to verify, on %s', (platform) => {
  const resource = 'https://{tenant}.example.com/mcp';
  const audience = 'https://acme.example.com/mcp';
  const resolveTenant = (): object => ({});
  const statuses = async (server: TenantsServer, token: string): Promise<number[]> => {
    const answers = [];
    // Twice each, since results are remembered.
    for (const tenant of ['acme', 'globex', 'acme', 'globex'])
      answers.push((await server.call(`${tenant}.example.com`, '/mcp', token)).status);
    return answers;
  };

  it('LIB-28: an opaque token of one tenant is inactive for no tenant, and accepted at its own', async () => {
    const asking = await TestIssuer.start({ alg: 'ES256', introspection: true });
    const auth = { method: 'client_secret_basic', clientSecret: 'resource-server-secret' } as const;
    const authorizationServers = [{ issuer: asking.issuer, introspection: { clientId: 'resource-server', auth } }];
    const server = await startTenantsServer(platform, { options: { resource, resolveTenant, authorizationServers } });
    expect(await statuses(server, asking.opaque({ aud: audience }))).toEqual([200, 401, 200, 401]);
    await server.close();
    await asking.close();
  });

  it('LIB-28: what a verifier of the application accepts is compared with the audience of the tenant', async () => {
    const server = await startTenantsServer(platform, {
      options: (issuer) => ({
        resource,
        resolveTenant,
        authorizationServers: [issuer],
        cache: {},
        verifier: () => ({
          issuer,
          subject: 'alice',
          clientId: 'client',
          audience: [audience],
          scopes: [],
          expiresAt: Math.floor(Date.now() / 1000) + 600,
          claims: {},
        }),
      }),
    });
    expect(await statuses(server, 'any')).toEqual([200, 401, 200, 401]);
    await server.close();
  });

  it('LIB-28: an issuer that trustedIssuer finds gives each tenant its own tokens', async () => {
    const found = await TestIssuer.start({ alg: 'ES256' });
    const server = await startTenantsServer(platform, {
      options: { resource, resolveTenant, trustedIssuer: (issuer) => (issuer === found.issuer ? issuer : undefined) },
    });
    expect(await statuses(server, await found.mint({ aud: audience }))).toEqual([200, 401, 200, 401]);
    await server.close();
    await found.close();
  });
});

it.each(PLATFORMS)(
  'LIB-28: a proof for one tenant is refused at another, with one key and one issuer, on %s',
  async (platform) => {
    const server = await startTenantsServer(platform, {
      options: { resource: 'https://{tenant}.example.com/mcp', resolveTenant: () => ({}), dpop: 'required' },
    });
    const key = await TestDpopKey.generate();
    const url = (tenant: string): string => `https://${tenant}.example.com/mcp`;
    const send = async (at: string, provenFor: string): Promise<number> => {
      const token = await server.issuer.mint({ aud: url(at), cnf: key.confirmation });
      const proof = key.proof({ method: 'POST', url: url(provenFor), token, claims: { iat: server.clock.now / 1000 } });
      const headers = [`Host: ${at}.example.com`, `Authorization: DPoP ${token}`, `DPoP: ${proof}`, ...JSON_HEADERS];
      return (await sendRaw(server.origin, { path: '/mcp', headers, body: LIST_TOOLS })).status;
    };
    expect([await send('acme', 'acme'), await send('acme', 'globex'), await send('globex', 'globex')]).toEqual([
      200, 401, 200,
    ]);
    await server.close();
  },
);

const JSON_HEADERS = ['Content-Type: application/json', 'Accept: application/json, text/event-stream'];
const LIST_TOOLS = '{"jsonrpc":"2.0","id":1,"method":"tools/list"}';

describe.each(PLATFORMS)('the same user at two tenants, on %s', (platform) => {
  const shared = new SharedStores();
  let app: INestApplication;
  let issuer: TestIssuer;
  let origin: string;
  beforeAll(async () => {
    issuer = await TestIssuer.start({ alg: 'ES256' });
    const port = await freePort();
    origin = `http://127.0.0.1:${port}`;
    const options = {
      resource: `${origin}/{tenant}/mcp`,
      authorizationServers: [issuer.issuer],
      // One tenant at a time: each request for another one evicts it.
      resolveTenant: () => ({}),
      tenants: { maxEntries: 1 },
      checkAuthorizationServers: false,
    } satisfies McpAuthModuleOptions;
    const module = await Test.createTestingModule({
      imports: [McpAuthModule.forRoot(options)],
      controllers: [
        stateEndpoint(':tenant/mcp', { sessions: true, json: false }, shared),
        stateEndpoint(':tenant/mcp/stateless', { sessions: false, json: true }, shared),
      ],
    }).compile();
    app = module.createNestApplication(adapterFor(platform), { logger: false });
    await app.listen(port, '127.0.0.1');
  });
  afterAll(async () => {
    (app.getHttpServer() as Server).closeAllConnections();
    await app.close();
    await issuer.close();
    shared.taskStore.cleanup();
  });
  const mint = (tenant: string): Promise<string> => issuer.mint({ sub: 'alice', aud: `${origin}/${tenant}/mcp` });
  const at = async (tenant: string): Promise<McpCaller> =>
    new McpCaller(`${origin}/${tenant}/mcp/stateless`, await mint(tenant));

  async function send(tenant: string, method: string, headers: Record<string, string>): Promise<Response> {
    const body = method === 'initialize' ? INITIALIZE : { jsonrpc: '2.0', id: randomUUID(), method };
    return fetch(`${origin}/${tenant}/mcp`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        authorization: `Bearer ${await mint(tenant)}`,
        ...headers,
      },
      body: JSON.stringify(body),
    });
  }

  it('LIB-23: reaches no task of the other tenant', async () => {
    const taskId = await (await at('acme')).createTask('report');
    expect((await (await at('globex')).ask('tasks/get', { taskId })).error?.code).toBe(-32_602);
    expect((await (await at('globex')).ask('tasks/list', {})).result).toMatchObject({ tasks: [] });
    expect((await (await at('acme')).ask('tasks/get', { taskId })).result).toMatchObject({ taskId });
  });

  it('MCP-25-SES-02: reaches no session and no event of the other tenant, and keeps its own when a tenant is forgotten', async () => {
    const opened = await send('acme', 'initialize', {});
    const session = opened.headers.get('mcp-session-id') ?? '';
    const event = /^id: (.*)$/m.exec(await opened.text())?.[1] ?? '';
    expect([session, event]).toEqual([expect.stringMatching(/./), expect.stringMatching(/./)]);
    const version = { 'mcp-protocol-version': '2025-11-25' };
    const withSession = { ...version, 'mcp-session-id': session };
    const theirs = await send('globex', 'tools/list', withSession);
    expect([theirs.status, await theirs.text()]).toEqual([404, expect.stringContaining('There is no such session.')]);
    const ours = await send('acme', 'tools/list', withSession);
    expect([ours.status, await ours.text()]).toEqual([200, expect.stringContaining('report')]);
    const asked = shared.asked.length;
    const replayed = await fetch(`${origin}/globex/mcp`, {
      headers: {
        ...version,
        accept: 'text/event-stream',
        authorization: `Bearer ${await mint('globex')}`,
        'last-event-id': Buffer.from(event, 'utf8').toString('latin1'),
      },
    });
    expect([replayed.status, shared.asked.length]).toEqual([404, asked]);
  });
});

const INITIALIZE = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } },
};
