import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { startDevAuthorizationServer, type DevAuthorizationServer } from 'nestjs-mcp-auth/dev-server';
import { TestIssuer, type AnswerToken } from 'nestjs-mcp-auth/testing';
import { Browser, Client, registerClient } from '../dev-server/flow.js';
import { startNotesServer } from '../support/notes-server.js';
import { examine, runCli, type DoctorRow, type Examination } from '../support/doctor.js';

const MCP_SERVER = 'http://127.0.0.1:3000/mcp';
const CALENDAR = 'https://calendar.example.com';

describe('doctor: a token for another API', () => {
  let issuer: TestIssuer;
  let token: string;

  beforeAll(async () => {
    issuer = await TestIssuer.start({ alg: 'ES256', audience: MCP_SERVER, tokenEndpoint: true });
    token = await issuer.mint({ sub: 'alice' });
  });
  afterAll(() => issuer.close());
  beforeEach(() => {
    issuer.answerToken = undefined;
    issuer.recover();
    issuer.clearRequests();
  });

  const secretOf = (): string => issuer.tokenClient.clientSecret;
  const environment = (): Record<string, string> => ({ MCP_AUTH_TOKEN: token, MCP_AUTH_CLIENT_SECRET: secretOf() });

  async function exchange(
    args: readonly string[] = ['--exchange', `audience=${CALENDAR}`, '--exchange', 'scope=calendar.read'],
    surroundings = environment(),
  ): Promise<Examination & { readonly found: DoctorRow[] }> {
    const client = ['--client-id', issuer.tokenClient.clientId];
    const run = await examine(issuer.issuer, ['--issuer', ...client, ...args], { environment: surroundings });
    expect(run.out + run.err).not.toContain(token.split('.')[2]);
    expect(run.out + run.err).not.toContain(secretOf());
    return { ...run, found: run.rows.filter(({ id }) => id === 'AS-31') };
  }

  /** The requests of the exchange, not of the client credentials grant. */
  const asked = (): URLSearchParams[] =>
    issuer.requests
      .filter(({ endpoint, body }) => endpoint === 'token' && body?.includes('urn%3A'))
      .map(({ body }) => new URLSearchParams(body));

  it('AS-31: says what the token is, and shows none of it', async () => {
    let issued = '';
    issuer.answerToken = (right) => {
      issued = String(right['access_token']);
      return right;
    };
    const { found, out } = await exchange();
    expect(found).toEqual([
      {
        id: 'AS-31',
        level: 'ok',
        seen: 'token-exchange: token_type "Bearer", expires_in 300, scope "calendar.read", aud ["https://calendar.example.com"], act.sub "resource-server"',
      },
    ]);
    for (const part of issued.split('.').slice(1)) expect(out).not.toContain(part);
    expect(Object.fromEntries(asked()[0] ?? [])).toMatchObject({
      subject_token: token,
      audience: CALENDAR,
      scope: 'calendar.read',
    });
  });

  it.each(['scope', 'token_type', 'issued_token_type', 'expires_in'])(
    'AS-31: shows none of a token that the server repeats as %s',
    async (member) => {
      const opaque = 'canary-of-an-opaque-token';
      issuer.answerToken = (right) => ({ ...right, access_token: opaque, [member]: [`a ${opaque}`, opaque] });
      const { found, out } = await exchange();
      expect(found).toHaveLength(1);
      expect(out).not.toContain(opaque);
    },
  );

  it('AS-31: asks by jwt-bearer, too', async () => {
    const { found } = await exchange(['--exchange=grant=jwt-bearer', '--exchange=scope=api://calendar/.default']);
    expect(found[0]).toMatchObject({
      level: 'ok',
      seen: expect.stringMatching(/^jwt-bearer: .*aud \["api:\/\/calendar"\]/),
    });
    expect(Object.fromEntries(asked()[0] ?? [])).toMatchObject({
      assertion: token,
      requested_token_use: 'on_behalf_of',
    });
  });

  const refusal =
    (error: string): AnswerToken =>
    () =>
      Response.json({ error, error_description: token }, { status: 400 });

  it.each<[string, AnswerToken, DoctorRow['level'], RegExp]>([
    ['invalid_client', refusal('invalid_client'), 'error', /client ID and secret/],
    ['unauthorized_client', refusal('unauthorized_client'), 'error', /allow the client this grant/],
    ['invalid_target', refusal('invalid_target'), 'error', /name the API/],
    ['invalid_scope', refusal('invalid_scope'), 'error', /name scopes/],
    ['invalid_grant', refusal('invalid_grant'), 'error', /still valid/],
    ['consent_required', refusal('consent_required'), 'warning', /stepUpScopes/],
    ['a code that nobody knows', refusal('constructor'), 'error', /see the log/],
    ['the token of the caller', (right) => ({ ...right, access_token: token }), 'error', /issue a token for the API/],
    ['no token_type', (right) => ({ ...right, token_type: undefined }), 'error', /token_type Bearer/],
    ['no issued_token_type', (right) => ({ ...right, issued_token_type: undefined }), 'error', /issued_token_type/],
    ['no expires_in', (right) => ({ ...right, expires_in: undefined }), 'note', /expires_in/],
    ['no token', () => ({ token_type: 'Bearer' }), 'error', /see the log/],
    ['a page', () => new Response('<p>', { headers: { 'content-type': 'text/html' } }), 'error', /see the log/],
  ])('AS-31: says what to do about %s', async (_what, answer, level, remedy) => {
    issuer.answerToken = answer;
    const { found } = await exchange();
    expect(found).toEqual([expect.objectContaining({ level, remedy: expect.stringMatching(remedy) })]);
  });

  it.each<[code: string, remedy: RegExp]>([
    ['access_denied', /^allow the client .*\. Keycloak: the client of your server must be in the aud of the tokens/],
    ['invalid_target', /^name the API .*\. Keycloak: its metadata always lists token exchange; turn on/],
  ])('AS-31: says what the product needs after %s', async (code, remedy) => {
    await using keycloak = await TestIssuer.start({ alg: 'ES256', path: '/realms/main', tokenEndpoint: true });
    keycloak.answerToken = refusal(code);
    const { clientId, clientSecret } = keycloak.tokenClient;
    const { rows } = await examine(
      keycloak.issuer,
      ['--issuer', '--client-id', clientId, '--exchange', `audience=${CALENDAR}`],
      { environment: { MCP_AUTH_TOKEN: await keycloak.mint(), MCP_AUTH_CLIENT_SECRET: clientSecret } },
    );
    expect(rows.filter(({ id }) => id === 'AS-31').map((row) => row.remedy)).toEqual([expect.stringMatching(remedy)]);
  });

  it('AS-31: warns of an audience that nobody asked for, and of one that both servers have', async () => {
    const other = await issuer.mint({ aud: MCP_SERVER });
    issuer.answerToken = (right) => ({ ...right, access_token: other });
    const { found } = await exchange();
    expect(found.map(({ level, seen }) => [level, seen.split(': ').at(-1)])).toEqual([
      ['warning', `its audience is none of ["${CALENDAR}"]`],
      ['warning', `the token of the caller has the audience ["${MCP_SERVER}"], too`],
    ]);
  });

  it('AS-31: says of an opaque token that it sees no audience, and nothing of an endpoint that fails', async () => {
    issuer.answerToken = (right) => ({ ...right, access_token: 'opaque' });
    expect((await exchange()).found[0]?.seen).toContain('not a JWT');
    issuer.answerToken = () => new Response(null, { status: 503 });
    expect((await exchange()).found[0]?.level).toBe('unseen');
  });

  it('AS-31: asks nothing without --exchange', async () => {
    const { found } = await exchange([]);
    expect(found).toEqual([
      { id: 'AS-31', level: 'unseen', seen: expect.stringMatching(/^needs an issuer as argument/) },
    ]);
    expect(asked()).toEqual([]);
  });

  it.each<[string, readonly string[], Record<string, string>]>([
    ['a token', ['--client-id', 'x'], { MCP_AUTH_TOKEN: '' }],
    ['the secret', ['--client-id', 'x'], { MCP_AUTH_CLIENT_SECRET: '' }],
    ['a client', [], {}],
  ])('AS-31: refuses --exchange without %s, which could not be tried', async (_what, args, changes) => {
    const surroundings = { environment: { ...environment(), ...changes } };
    const { code, out, err } = await runCli(
      ['doctor', issuer.issuer, '--exchange', 'audience=x', ...args],
      surroundings,
    );
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toMatch(/^--exchange needs --client-id, the secret of that client in MCP_AUTH_CLIENT_SECRET, and/);
    expect(err).not.toContain(token.split('.')[2]);
    expect(err).not.toContain(secretOf());
    expect(issuer.requests).toEqual([]);
  });

  it('AS-31: exchanges nothing at a server that only an MCP server names', async () => {
    const server = await startNotesServer('express', { sharedIssuer: issuer });
    try {
      const args = ['--client-id', issuer.tokenClient.clientId, '--exchange', `audience=${CALENDAR}`];
      const { rows, document } = await examine(server.resource, args, { environment: environment() });
      expect(document.remarks.join()).toContain('Nothing was exchanged');
      expect(rows.filter(({ id }) => id === 'AS-31').map(({ level }) => level)).toEqual(['unseen']);
      expect(issuer.requests.filter(({ body }) => body?.includes(token) || body?.includes(secretOf()))).toEqual([]);
    } finally {
      await server.close();
    }
  });

  it.each(['audience', 'audience=', 'grant=password', 'client_secret=x', 'https://calendar.example.com'])(
    'refuses --exchange %s, without repeating it',
    async (value) => {
      const { code, err } = await runCli(['doctor', issuer.issuer, '--exchange', value]);
      expect(code).toBe(2);
      expect(err).toMatch(/^--exchange is one of audience=/);
      expect(err.split('\n')[0]).not.toContain('password.');
    },
  );
});

describe('doctor: a token for another API of the development authorization server', () => {
  let server: DevAuthorizationServer;
  beforeAll(async () => {
    server = await startDevAuthorizationServer({
      resources: [{ resource: MCP_SERVER, scopes: { 'notes:read': 'Read', calendar: 'Calendar' } }],
      clients: [{ clientId: 'notes-server', clientSecret: 'a secret of this test', resource: MCP_SERVER }],
      apis: [{ resource: CALENDAR, scopes: { 'calendar.read': ['calendar'] } }],
    });
  });
  afterAll(() => server.close());

  it.each([
    ['notes:read calendar', 'ok', /aud "https:\/\/calendar\.example\.com", act\.sub "notes-server"/],
    ['notes:read', 'error', /error "invalid_scope"/],
  ])('AS-31: with the scopes %s', async (scope, level, seen) => {
    const client = new Client(server.issuer, await registerClient(server.issuer));
    const url = client.authorizationUrl({ scope, resource: MCP_SERVER });
    const { body } = await client.exchange(await new Browser().signInAndAllow(url));
    const args = ['--client-id', 'notes-server', '--exchange', `resource=${CALENDAR}`];
    const environment = { MCP_AUTH_TOKEN: body.access_token, MCP_AUTH_CLIENT_SECRET: 'a secret of this test' };
    const { rows } = await examine(server.issuer, args, { environment });
    const found = rows.filter(({ id }) => id === 'AS-31');
    expect(found).toEqual([expect.objectContaining({ level, seen: expect.stringMatching(seen) })]);
  });
});
