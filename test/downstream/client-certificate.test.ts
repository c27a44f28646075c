import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Controller, Get } from '@nestjs/common';
import { McpController, Tool } from '@rekog/mcp-nest';
import { McpAuthDownstream, type ClientKeyPair, type DownstreamOptions } from 'nestjs-mcp-auth';
import { TestCertificate, TestIssuer } from 'nestjs-mcp-auth/testing';
import { fakeTimeouts } from '../support/fake-timeouts.js';
import { until } from '../support/until.js';
import { CertifiedEndpoints } from '../support/certified-endpoints.js';
import { CalendarApi, calendarAt, textOfTool } from '../support/downstream-server.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';

@McpController()
class Tools {
  constructor(private readonly downstream: McpAuthDownstream) {}

  @Tool({ name: 'events', description: 'Calls the API' })
  async events(): Promise<object> {
    const response = await this.downstream.fetch('calendar', `${api.origin}/events`);
    return { content: [{ type: 'text', text: await response.text() }] };
  }
}

@Controller('events')
class Routes {
  constructor(private readonly downstream: McpAuthDownstream) {}

  @Get()
  async events(): Promise<string> {
    return (await this.downstream.fetch('calendar', `${api.origin}/events`)).text();
  }
}

const api = await CalendarApi.start();
afterAll(() => api.close());

describe.each(PLATFORMS)('A certificate as authentication, on %s', (platform) => {
  let issuer: TestIssuer;
  let endpoints: CertifiedEndpoints;
  const certificate = TestCertificate.generate({ commonName: 'the MCP server' });
  const servers: NotesServer[] = [];
  beforeAll(async () => {
    issuer = await TestIssuer.start({ alg: 'ES256', tokenEndpoint: true, introspection: true });
    endpoints = await CertifiedEndpoints.start(issuer);
    endpoints.accepted.add(certificate.thumbprint);
  });
  afterAll(async () => {
    for (const server of servers) await server.close();
    await endpoints.close();
    await issuer.close();
  });
  beforeEach(() => {
    issuer.clearRequests();
    issuer.metadata = { mtls_endpoint_aliases: endpoints.aliases };
    endpoints.requests.length = 0;
    endpoints.answer = () => false;
    api.calls.length = 0;
  });

  const authOf = (changes: object = {}): DownstreamOptions['auth'] =>
    ({
      method: 'self_signed_tls_client_auth',
      certificate: certificate.cert,
      key: certificate.key,
      ca: endpoints.certificate.cert,
      ...changes,
    }) as DownstreamOptions['auth'];
  const start = async (auth: DownstreamOptions['auth'], introspects = false, changes = {}): Promise<NotesServer> => {
    const { clientId } = issuer.introspectionClient;
    const server = await startNotesServer(platform, {
      sharedIssuer: issuer,
      options: {
        authorizationServers: introspects
          ? [{ issuer: issuer.issuer, introspection: { clientId, auth } }]
          : [issuer.issuer],
        downstream: { calendar: calendarAt(issuer, api, { auth, ...changes }) },
      },
      controllers: [Tools, Routes],
    });
    servers.push(server);
    return server;
  };
  const events = async (server: NotesServer): Promise<Response> => server.callTool('events', await server.mint());

  it('RFC8705-2-a: the token endpoint gets certificate and client id, over the alias of the metadata', async () => {
    const server = await start(authOf());
    expect(await textOfTool(await events(server))).toContain('"owner":"alice"');
    const [request, ...others] = endpoints.requests;
    expect(others).toEqual([]);
    expect(request).toMatchObject({ path: '/token', authorization: undefined, thumbprint: certificate.thumbprint });
    expect(request!.form.get('client_id')).toBe('resource-server');
    expect([...request!.form.keys()].filter((name) => /secret|assertion/.test(name))).toEqual([]);
    const received = issuer.requests.filter(({ endpoint }) => endpoint === 'token');
    expect(received.map(({ headers }) => headers['x-over-tls'])).toEqual(['1']);
  });

  it('RFC8705-2-a: the introspection endpoint gets them, too, on one connection for several requests', async () => {
    const server = await start(authOf({ method: 'tls_client_auth' }), true);
    for (const sub of ['ada', 'bob']) {
      const response = await server.callTool('whoami', issuer.opaque({ aud: server.resource, sub }));
      expect(await textOfTool(response)).toContain(sub);
    }
    const asked = endpoints.requests.filter(({ path }) => path === '/introspect');
    expect(asked.map(({ thumbprint }) => thumbprint)).toEqual([certificate.thumbprint, certificate.thumbprint]);
    expect(asked[0]!.form.get('client_id')).toBe('resource-server');
    expect(asked[1]!.socket).toBe(asked[0]!.socket);
    expect(server.log.join('\n')).not.toContain('PRIVATE KEY');
  });

  it('RFC8705-5-a: uses the endpoint of the options, and that of the metadata where there is no alias', async () => {
    issuer.metadata = { mtls_endpoint_aliases: { token_endpoint: 'https://unused.test/' } };
    const named = await start(authOf(), false, { tokenEndpoint: `${endpoints.origin}/token` });
    expect((await events(named)).status).toBe(200);
    issuer.metadata = {
      token_endpoint: `${endpoints.origin}/token`,
      mtls_endpoint_aliases: { revocation_endpoint: 'x' },
    };
    expect((await events(await start(authOf()))).status).toBe(200);
    expect(endpoints.requests).toHaveLength(2);
  });

  it('RFC8705-5-b: shows no certificate over plain http', async () => {
    issuer.metadata = {};
    const server = await start(authOf());
    expect((await events(server)).status).toBe(503);
    expect(issuer.requestCount('token')).toBe(0);
    expect(server.log.join('\n')).toContain('let the server have the endpoint on https');
  });

  it('RFC8705-2-b: another certificate is refused, and the log says what to do', async () => {
    const other = TestCertificate.generate();
    const server = await start(authOf({ certificate: other.cert, key: other.key }));
    const authorization = `Bearer ${await server.mint()}`;
    expect((await fetch(`${server.origin}/events`, { headers: { authorization } })).status).toBe(500);
    expect(server.log.join('\n')).toContain('see that the client "resource-server" exists');
  });

  it('RFC8705-2-c: a server whose TLS insists on its authority', async () => {
    const strict = await CertifiedEndpoints.start(issuer, certificate);
    try {
      strict.accepted.add(certificate.thumbprint);
      issuer.metadata = { mtls_endpoint_aliases: strict.aliases };
      const ca = strict.certificate.cert;
      expect((await events(await start(authOf({ ca })))).status).toBe(200);
      const other = TestCertificate.generate();
      const refused = await start(authOf({ ca, certificate: other.cert, key: other.key }));
      const response = await events(refused);
      expect(response.status).toBe(503);
      expect(response.headers.get('retry-after')).not.toBeNull();
      expect(refused.log.join('\n')).toMatch(/No token for the API "calendar".*no answer \(/);
      expect(refused.log.join('\n')).not.toContain(other.key.split('\n')[1]);
      expect(strict.requests).toHaveLength(1);
    } finally {
      await strict.close();
    }
  });

  it('LIB-29: trusts no server whose certificate it does not know', async () => {
    const server = await start(authOf({ ca: undefined }));
    expect((await events(server)).status).toBe(503);
    expect(server.log.join('\n')).toContain('NODE_EXTRA_CA_CERTS');
    expect(endpoints.requests).toEqual([]);
  });

  it('LIB-29: shows the certificate to no server to which the endpoint redirects', async () => {
    const elsewhere = await CertifiedEndpoints.start(issuer);
    endpoints.answer = (_request, response) => {
      response.writeHead(307, { location: `${elsewhere.origin}/token` }).end();
      return true;
    };
    try {
      const server = await start(authOf());
      const authorization = `Bearer ${await server.mint()}`;
      expect((await fetch(`${server.origin}/events`, { headers: { authorization } })).status).toBe(500);
      expect(elsewhere.requests).toEqual([]);
    } finally {
      await elsewhere.close();
    }
  });

  it.each<[string, CertifiedEndpoints['answer']]>([
    ['a long answer', (_request, response) => !!response.end(`"${'a'.repeat(70_000)}"`)],
    [
      'half an answer',
      (request, response) => {
        response.writeHead(200, { 'content-length': '100' });
        response.write('{', () => request.socket.destroy());
        return true;
      },
    ],
    ['no answer', (request) => !!request.socket.destroy()],
    ['a status that is none', (_request, response) => !!response.writeHead(999).end()],
    ['no content', (_request, response) => !!response.writeHead(204).end()],
    ['an error', (_request, response) => !!response.writeHead(500).end('oops')],
  ])('LIB-29: answers 503 or 500, and never hangs, for %s', async (_what, answer) => {
    endpoints.answer = answer;
    const server = await start(authOf());
    const authorization = `Bearer ${await server.mint()}`;
    const response = await fetch(`${server.origin}/events`, { headers: { authorization } });
    expect([500, 503]).toContain(response.status);
    endpoints.answer = () => false;
    server.clock.now += 61_000;
    expect((await events(server)).status).toBe(200);
  });

  it('LIB-29: shows the certificate that the function returns now', async () => {
    const next = TestCertificate.generate({ commonName: 'renewed' });
    let pair: unknown = { certificate: certificate.cert, key: certificate.key } satisfies ClientKeyPair;
    const { cert: ca } = endpoints.certificate;
    const server = await start({ method: 'tls_client_auth', keyPair: () => pair as ClientKeyPair, ca });
    const statusNow = async (): Promise<number> => {
      server.clock.now += 31_000;
      return (await events(server)).status;
    };
    expect(await statusNow()).toBe(200);
    pair = { certificate: next.cert, key: next.key };
    endpoints.accepted.add(next.thumbprint);
    expect(await statusNow()).toBe(200);
    expect(endpoints.requests.map(({ thumbprint }) => thumbprint)).toEqual([certificate.thumbprint, next.thumbprint]);
    for (const wrong of [undefined, {}, { certificate: next.cert, key: certificate.key }, { certificate: 1, key: 2 }]) {
      pair = wrong;
      server.log.length = 0;
      expect(await statusNow()).toBe(503);
      expect(server.log.join('\n')).toContain('let keyPair of auth return { certificate, key }');
      expect(server.log.join('\n')).not.toContain('PRIVATE KEY');
    }
    expect(endpoints.requests).toHaveLength(2);
    pair = Promise.resolve({ certificate: next.cert, key: next.key });
    expect(await statusNow()).toBe(200);
  });

  it.each(['the endpoint', 'the function'])('LIB-29: gives up after five seconds if %s hangs', async (what) => {
    let isCalled = false;
    let load: ((pair: ClientKeyPair) => void) | undefined;
    const pair = { certificate: certificate.cert, key: certificate.key };
    const keyPair = (): ClientKeyPair | Promise<ClientKeyPair> => {
      isCalled = true;
      return what === 'the endpoint' ? pair : new Promise((resolve) => (load = resolve));
    };
    endpoints.answer = () => true;
    const server = await start({ method: 'tls_client_auth', keyPair, ca: endpoints.certificate.cert });
    fakeTimeouts();
    try {
      const answer = events(server);
      await until(() => (what === 'the endpoint' ? endpoints.requests.length > 0 : isCalled));
      jest.advanceTimersByTime(5_000);
      expect((await answer).status).toBe(503);
      expect(server.log.join('\n')).toContain('no answer within 5000 ms');
    } finally {
      jest.useRealTimers();
    }
    // Too late: nothing is sent any more.
    load?.(pair);
    expect(endpoints.requests).toHaveLength(what === 'the endpoint' ? 1 : 0);
  });
});
