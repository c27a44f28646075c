import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { startDevAuthorizationServer, type DevAuthorizationServer } from 'nestjs-mcp-auth/dev-server';
import { TestIssuer, type TestFault } from 'nestjs-mcp-auth/testing';
import { freePort } from '../support/free-port.js';
import { startNotesServer, type NotesServer, type NotesServerSettings } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { examine, runCli } from '../support/doctor.js';

describe.each(PLATFORMS)(
  'doctor on a server of this library, on %s, with the development authorization server',
  (platform) => {
    let server: NotesServer;
    let dev: DevAuthorizationServer;

    beforeAll(async () => {
      const port = await freePort();
      const issuer = `http://127.0.0.1:${port}`;
      server = await startNotesServer(platform, {
        issuer: { alg: 'ES256' },
        options: { authorizationServers: [issuer], scopes: { required: ['notes:read'] } },
      });
      dev = await startDevAuthorizationServer({
        port,
        resources: [{ resource: server.resource, scopes: { 'notes:read': 'Read' } }],
      });
    });
    afterAll(async () => {
      await server.close();
      await dev.close();
    });

    it('finds nothing wrong with either', async () => {
      const { code, document, of } = await examine(server.resource);
      expect({ errors: of('error'), warnings: of('warning') }).toEqual({ errors: [], warnings: [] });
      expect(code).toBe(0);
      expect(document).toMatchObject({
        version: 1,
        kind: 'mcp-server',
        target: server.resource,
        exitCode: 0,
        remarks: [],
      });
      expect(document.sections.map(({ subject }) => subject)).toEqual(['mcp-server', 'authorization-server', 'token']);
      expect(document.counts['ok']).toBeGreaterThan(40);
    });

    it('notes only that both are on this machine, and that no page of another port may call', async () => {
      const { of } = await examine(server.resource);
      expect(of('note').map((row) => row.split(':')[0])).toEqual(['OA21-1.5-a', 'LIB-02', 'RFC9449-7.1-d', 'AS-03']);
    });

    it('finds out that the issuer is one', async () => {
      const { code, document } = await examine(dev.issuer);
      expect({ code, kind: document.kind }).toEqual({ code: 0, kind: 'authorization-server' });
    });

    it('has a row for each duty of an authorization server, seen or not', async () => {
      const { rows } = await examine(server.resource);
      const expected = Array.from({ length: 31 }, (_, index) => `AS-${String(index + 1).padStart(2, '0')}`);
      expect([...new Set(rows.map(({ id }) => id).filter((id) => id.startsWith('AS-')))].toSorted()).toEqual(expected);
    });

    it('registers a client only when told to, and says so', async () => {
      expect((await examine(dev.issuer)).rows.filter(({ seen }) => seen.includes('registered a client'))).toEqual([]);
      const { of } = await examine(dev.issuer, ['--probe-dcr']);
      expect(of('ok').filter((row) => row.startsWith('AS-07') && row.includes('may be deleted'))).toHaveLength(1);
    });

    it('AS-22: sees what the authorization endpoint refuses', async () => {
      const response = await fetch(`${dev.issuer}/register`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ redirect_uris: ['http://127.0.0.1/cb'], token_endpoint_auth_method: 'none' }),
      });
      const { client_id: id } = (await response.json()) as { client_id: string };
      // One identifier in 64 begins with a hyphen, and needs the equals sign.
      const { of } = await examine(dev.issuer, [`--client-id=${id}`, '--redirect-uri', 'http://127.0.0.1/cb']);
      expect(of('ok').filter((row) => row.startsWith('AS-22'))).toHaveLength(3);
    });

    it('writes a line for each row, and consequence and remedy where something is to be done', async () => {
      const { code, out } = await runCli(['doctor', server.resource]);
      expect(code).toBe(0);
      expect(out).toMatch(/^ {2}✓ RFC9728-3\.3-a +resource is "http:\/\/127\.0\.0\.1:\d+\/mcp"$/m);
      expect(out).toMatch(/^ {2}· AS-03 .*\n +→ only clients on this machine can reach it\n +Remedy: /m);
      expect(out).toMatch(/^Not verifiable from outside.*AS-10/m);
      expect(out).toMatch(/\d+ fine, 4 notes, 0 warnings, 0 errors\n$/);
      expect(out).not.toContain('\u001b');
      expect((await runCli(['doctor', server.resource, '--verbose'])).out).toMatch(/^ {2}\? AS-10/m);
    });

    it('uses colours on a terminal, unless told not to', async () => {
      const run = async (environment: Record<string, string>): Promise<string> =>
        (await runCli(['doctor', dev.issuer], { environment, isTerminal: true })).out;
      expect(await run({})).toContain('\u001b[32m✓\u001b[0m');
      expect(await run({ NO_COLOR: '1' })).not.toContain('\u001b');
    });
  },
);

describe('doctor on an authorization server that has a fault', () => {
  let issuer: TestIssuer;
  let server: NotesServer;

  beforeAll(async () => {
    issuer = await TestIssuer.start({ alg: 'ES256', introspection: true });
    server = await startNotesServer('express', { sharedIssuer: issuer });
  });
  afterAll(async () => {
    await server.close();
    await issuer.close();
  });

  it.each<[string, TestFault, RegExp]>([
    ['cuts the connection', 'down', /AS-01: no metadata; .*no answer/],
    ['does not answer', 'hang', /AS-01: no metadata; .*no answer within 2000 ms/],
    ['answers 500', 'error', /AS-01: no metadata; .*status 500/],
    ['answers 404', 'not-found', /AS-01: no metadata; .*status 404/],
    ['redirects', 'redirect', /AS-01: no metadata; .*status 302, a redirect to "http:.*canary/],
    ['sends a page', 'html', /AS-01: no metadata; .*content type "text\/html"/],
    ['sends JSON cut off', 'invalid-json', /AS-01: no metadata; .*not a JSON object/],
    ['sends 50 MiB', 'huge', /AS-01: no metadata; .*longer than 1048576 bytes/],
    ['names another issuer', 'wrong-issuer', /AS-02: issuer is "https:\/\/wrong-issuer.invalid"/],
  ])('names it where the server %s', async (_what, fault, expected) => {
    issuer.clearRequests();
    issuer.fail(fault, 'metadata');
    for (const [url, flags] of [
      [server.resource, []],
      [issuer.issuer, ['--issuer']],
    ] as const) {
      const { code, of } = await examine(url, ['--timeout', fault === 'hang' ? '2' : '20', ...flags]);
      expect({ code, errors: of('error') }).toEqual({ code: 1, errors: [expect.stringMatching(expected)] });
    }
    // A document of somebody else is not used, and a redirect is not followed.
    expect(issuer.requestCount('jwks') + issuer.requestCount('canary')).toBe(0);
    issuer.recover();
  });

  it.each<[string, TestFault, RegExp]>([
    ['cut the connection', 'down', /no answer/],
    ['do not come', 'hang', /no answer within/],
    ['are answered with 500', 'error', /status 500/],
    ['redirect', 'redirect', /redirect/],
    ['are a page', 'html', /text\/html/],
    ['are cut off', 'invalid-json', /not a JSON object/],
    ['are 50 MiB', 'huge', /longer than/],
  ])('AS-12: names it where the keys %s', async (_what, fault, expected) => {
    issuer.fail(fault, 'jwks');
    const { code, of } = await examine(server.resource, ['--timeout', fault === 'hang' ? '2' : '20']);
    expect({ code, errors: of('error') }).toEqual({ code: 1, errors: [expect.stringMatching(expected)] });
    expect(of('error')[0]).toMatch(/^AS-12/);
    issuer.recover();
  });

  it('exits with 1 for a server that answers, and shows neither of the two', async () => {
    issuer.fail('error');
    const { code, document } = await examine(issuer.issuer);
    expect({ code, kind: document.kind }).toEqual({ code: 1, kind: 'mcp-server' });
    expect(document.remarks).toEqual([expect.stringContaining('--issuer')]);
    issuer.recover();
  });

  it('AS-17: is content with an introspection endpoint that asks who is there', async () => {
    const { of } = await examine(issuer.issuer);
    expect(of('ok')).toContainEqual(expect.stringMatching(/^AS-17: .*401/));
  });

  it('AS-20: warns where pages may not read metadata and keys', async () => {
    const { of } = await examine(issuer.issuer);
    expect(of('warning')).toContainEqual(expect.stringMatching(/^AS-20: .*metadata, keys, token endpoint/));
  });
});

/** Closed after the test, however it ends. */
const opened: NotesServer[] = [];
afterEach(async () => {
  for (const server of opened.splice(0)) await server.close();
});

async function open(settings: NotesServerSettings): Promise<NotesServer> {
  const server = await startNotesServer('express', settings);
  opened.push(server);
  return server;
}

describe('doctor on the documents of an authorization server', () => {
  it('AS-14: sees that the two disagree', async () => {
    await using issuer = await TestIssuer.start({ alg: 'ES256' });
    let turn = 0;
    issuer.metadata = {
      get token_endpoint() {
        return `${issuer.issuer}/token/${turn++}`;
      },
    };
    const { code, of } = await examine(issuer.issuer);
    expect(code).toBe(1);
    expect(of('error')).toEqual([expect.stringMatching(/^AS-14: .*differ in token_endpoint/)]);
  });

  it('AS-15, AS-16: compares them with what the MCP server says', async () => {
    await using issuer = await TestIssuer.start({
      alg: 'ES256',
      metadata: { scopes_supported: ['b'], protected_resources: ['https://other.example'] },
    });
    const server = await open({ sharedIssuer: issuer, options: { scopes: { required: ['a'] } } });
    const { of } = await examine(server.resource);
    expect(of('warning')).toContainEqual(expect.stringMatching(/^AS-15: .*\["a"\]/));
    expect(of('warning')).toContainEqual(expect.stringMatching(/^AS-16: .*lacks "/));
  });

  it.each(['oauth', 'oidc-insert', 'oidc-append'] as const)('AS-01: finds them at %s alone', async (form) => {
    await using issuer = await TestIssuer.start({ alg: 'ES256', path: '/tenant', wellKnown: [form] });
    const { code, of } = await examine(issuer.issuer);
    expect(code).toBe(0);
    expect(of('ok')).toContainEqual(`AS-01: the metadata is at "${issuer.wellKnownUris[form]}"`);
  });
});

describe('doctor with the secret of a client', () => {
  const SECRET = 'a-secret-that-nobody-else-has';
  const environment = { MCP_AUTH_CLIENT_SECRET: SECRET };

  it('AS-21: sends it to an issuer that was named by the operator, and not to one that an MCP server names', async () => {
    await using issuer = await TestIssuer.start({ alg: 'ES256' });
    const server = await open({ sharedIssuer: issuer });
    const sent = (): number => issuer.requests.filter(({ headers }) => headers.authorization !== undefined).length;
    const throughServer = await examine(server.resource, ['--client-id', 'doctor'], { environment });
    expect(sent()).toBe(0);
    const direct = await examine(issuer.issuer, ['--client-id', 'doctor'], { environment });
    expect(sent()).toBe(1);
    expect(direct.of('unseen')).toContainEqual(expect.stringMatching(/^AS-21: token endpoint: status 405/));
    expect(throughServer.out + direct.out).not.toContain(SECRET);
  });
});
