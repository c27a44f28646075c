import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { decodeJwt, type JWTPayload } from 'jose';
import type { DevAuthorizationServer, DevAuthorizationServerOptions } from 'nestjs-mcp-auth/dev-server';
import { TestDpopKey } from 'nestjs-mcp-auth/testing';
import { RESOURCE, SCOPES, start, verify } from './fixtures.js';
import { Browser, Client, register, registerClient, type TokenResponse } from './flow.js';

const OTHER_RESOURCE = 'http://127.0.0.1:3001/mcp';
const CALENDAR = 'http://127.0.0.1:4000/calendar';
const MAIL = 'http://127.0.0.1:4001/mail';
const NOTES_SERVER = { clientId: 'notes-server', clientSecret: 'for tests: only', resource: RESOURCE };
const OTHER_SERVER = { clientId: 'other-server', clientSecret: 'another secret', resource: OTHER_RESOURCE };
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';

const OPTIONS = {
  resources: [
    { resource: RESOURCE, name: 'Notes', scopes: { ...SCOPES, calendar: 'See your calendar' } },
    { resource: OTHER_RESOURCE, name: 'Other', scopes: { other: 'Something else' } },
  ],
  clients: [NOTES_SERVER, OTHER_SERVER],
  apis: [
    { resource: CALENDAR, scopes: { 'calendar.read': ['calendar'], 'calendar.holidays': [] } },
    { resource: MAIL, scopes: { 'mail.send': ['calendar'] } },
  ],
} satisfies DevAuthorizationServerOptions;

interface Exchanged extends TokenResponse {
  readonly issued_token_type?: string;
}
interface Answer {
  readonly status: number;
  readonly body: Exchanged;
}
type Form = Readonly<Record<string, string | readonly string[] | undefined>>;

async function post(
  server: DevAuthorizationServer,
  form: Form,
  { clientId, clientSecret }: { clientId: string; clientSecret: string } = NOTES_SERVER,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const basic = btoa([clientId, clientSecret].map(encodeURIComponent).join(':'));
  const pairs = Object.entries(form).flatMap(([name, value]) =>
    [value ?? []].flat().map((one): [string, string] => [name, one]),
  );
  const response = await fetch(`${server.issuer}/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${basic}`, ...headers },
    body: new URLSearchParams(pairs),
  });
  return { status: response.status, body: (await response.json()) as Exchanged };
}

const exchanging = (token: string, changes: Form = {}): Form => ({
  grant_type: EXCHANGE,
  subject_token: token,
  subject_token_type: ACCESS_TOKEN,
  audience: CALENDAR,
  ...changes,
});

interface SignedIn {
  readonly client: Client;
  readonly tokens: TokenResponse;
}

async function signIn(
  server: DevAuthorizationServer,
  { user = 'alice', scope = 'notes:read calendar', resource = RESOURCE, headers = {} as Record<string, string> } = {},
): Promise<SignedIn> {
  const client = new Client(server.issuer, await registerClient(server.issuer));
  const arrival = await new Browser().signInAndAllow(client.authorizationUrl({ scope, resource }), user);
  if (Object.keys(headers).length === 0) return { client, tokens: (await client.exchange(arrival)).body };
  const own = globalThis.fetch;
  globalThis.fetch = (input, init) => own(input, { ...init, headers: { ...(init?.headers as object), ...headers } });
  try {
    return { client, tokens: (await client.exchange(arrival)).body };
  } finally {
    globalThis.fetch = own;
  }
}

/** Moves the clock of this process, and with it that of the server; timers run on. */
function advance(milliseconds: number): void {
  const now = Date.now() + milliseconds;
  jest.useRealTimers();
  jest.useFakeTimers({
    now,
    doNotFake: [
      'setTimeout',
      'clearTimeout',
      'setInterval',
      'clearInterval',
      'setImmediate',
      'clearImmediate',
      'nextTick',
      'queueMicrotask',
      'performance',
      'hrtime',
    ],
  });
}

const claimsIn = (token: string): JWTPayload & { scope?: string; act?: unknown; cnf?: unknown } => decodeJwt(token);

describe('token exchange at the development authorization server', () => {
  let server: DevAuthorizationServer;
  let alice: SignedIn;

  beforeAll(async () => {
    server = await start(OPTIONS);
    alice = await signIn(server);
  });
  afterAll(() => server.close());

  const exchange = (changes: Form = {}, client = NOTES_SERVER): Promise<Answer> =>
    post(server, exchanging(alice.tokens.access_token, changes), client);

  it('is in the metadata', async () => {
    const metadata = await (await fetch(`${server.issuer}/.well-known/oauth-authorization-server`)).json();
    expect(metadata).toMatchObject({
      grant_types_supported: expect.arrayContaining(['authorization_code', EXCHANGE, 'client_credentials']),
    });
  });

  it.each(['alice', 'bob'])('RFC8693-2.2.1-a: issues a token of %s for the API alone', async (user) => {
    const { client, tokens } = await signIn(server, { user });
    const { status, body } = await post(server, exchanging(tokens.access_token, { scope: 'calendar.read' }));
    expect({ status, body }).toEqual({
      status: 200,
      body: {
        access_token: expect.any(String),
        issued_token_type: ACCESS_TOKEN,
        token_type: 'Bearer',
        expires_in: expect.any(Number),
        scope: 'calendar.read',
      },
    });
    const { payload } = await verify(body.access_token, server.issuer, CALENDAR);
    expect(payload).toMatchObject({
      sub: user,
      aud: CALENDAR,
      scope: 'calendar.read',
      client_id: NOTES_SERVER.clientId,
      act: { sub: NOTES_SERVER.clientId },
      auth_time: claimsIn(tokens.access_token)['auth_time'],
    });
    expect(payload['client_id']).not.toBe(client.clientId);
  });

  it('issues no token that is valid longer than that of the caller', async () => {
    const { body } = await exchange();
    expect(claimsIn(body.access_token).exp).toBeLessThanOrEqual(claimsIn(alice.tokens.access_token).exp ?? 0);
    expect(body.expires_in).toBeLessThanOrEqual(300);
  });

  describe('later', () => {
    afterEach(() => {
      jest.useRealTimers();
    });

    it('RFC8693-2.2.2-b: refuses a token that has expired', async () => {
      const { tokens } = await signIn(server);
      advance(299_000);
      const { body } = await post(server, exchanging(tokens.access_token));
      expect(body.expires_in).toBeLessThanOrEqual(2);
      advance(301_000);
      expect(await post(server, exchanging(tokens.access_token))).toMatchObject({ body: { error: 'invalid_request' } });
    });
  });

  it('RFC6749-3.3-b: gives all scopes that the caller allowed where none is named', async () => {
    const { tokens } = await signIn(server, { scope: 'notes:read' });
    const { body } = await post(server, exchanging(tokens.access_token));
    expect(body.scope).toBe('calendar.holidays');
    expect((await exchange()).body.scope).toBe('calendar.read calendar.holidays');
  });

  it.each<[string, Form]>([
    ['resource', { audience: undefined, resource: CALENDAR }],
    ['resource and audience alike', { resource: CALENDAR }],
    ['resource twice', { audience: undefined, resource: [CALENDAR, CALENDAR] }],
    ['requested_token_type', { requested_token_type: ACCESS_TOKEN }],
  ])('takes %s', async (_what, changes) => {
    const { status, body } = await exchange(changes);
    expect({ status, aud: claimsIn(body.access_token).aud }).toEqual({ status: 200, aud: CALENDAR });
  });

  it('RFC8693-4.1-b: takes the own token of the client as actor, and nobody else', async () => {
    const own = await post(server, { grant_type: 'client_credentials', resource: RESOURCE });
    const other = await post(server, { grant_type: 'client_credentials', resource: RESOURCE }, OTHER_SERVER);
    const actor = { actor_token: own.body.access_token, actor_token_type: ACCESS_TOKEN };
    const { body } = await exchange(actor);
    expect(claimsIn(body.access_token).act).toEqual({ sub: NOTES_SERVER.clientId });
    for (const token of [other.body.access_token, alice.tokens.access_token, 'nobody']) {
      expect(await exchange({ ...actor, actor_token: token })).toMatchObject({
        status: 400,
        body: { error: 'invalid_request' },
      });
    }
  });

  const forged = (token: string): string => {
    const [header, payload = '', signature] = token.split('.');
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object;
    return [header, Buffer.from(JSON.stringify({ ...claims, sub: 'bob' })).toString('base64url'), signature].join('.');
  };

  it.each<[string, string, () => Form | Promise<Form>]>([
    ['a token that nobody issued', 'invalid_request', () => ({ subject_token: 'nobody' })],
    ['a token with changed claims', 'invalid_request', () => ({ subject_token: forged(alice.tokens.access_token) })],
    ['no token', 'invalid_request', () => ({ subject_token: undefined })],
    ['two tokens', 'invalid_request', () => ({ subject_token: [alice.tokens.access_token, 'nobody'] })],
    ['another type of token', 'invalid_request', () => ({ subject_token_type: 'urn:example:other' })],
    ['no type of token', 'invalid_request', () => ({ subject_token_type: undefined })],
    [
      'a wanted refresh token',
      'invalid_request',
      () => ({ requested_token_type: 'urn:ietf:params:oauth:token-type:refresh_token' }),
    ],
    ['the type of an actor that is missing', 'invalid_request', () => ({ actor_token_type: ACCESS_TOKEN })],
    ['a refresh token', 'invalid_request', () => ({ subject_token: alice.tokens.refresh_token })],
    ['an unknown API', 'invalid_target', () => ({ audience: 'http://127.0.0.1:9/other' })],
    ['the MCP server itself', 'invalid_target', () => ({ audience: RESOURCE })],
    ['two APIs', 'invalid_target', () => ({ audience: [CALENDAR, MAIL] })],
    ['no API where there are several', 'invalid_target', () => ({ audience: undefined })],
    ['a scope of another API', 'invalid_scope', () => ({ scope: 'mail.send' })],
    ['a scope of the MCP server', 'invalid_scope', () => ({ scope: 'calendar.read notes:read' })],
    ['a name that every object has', 'invalid_scope', () => ({ scope: 'constructor' })],
    [
      'a scope that the user has not allowed',
      'invalid_scope',
      async () => ({
        subject_token: (await signIn(server, { scope: 'notes:read' })).tokens.access_token,
        scope: 'calendar.read',
      }),
    ],
    [
      'an API of which the user has allowed nothing',
      'invalid_scope',
      async () => ({
        subject_token: (await signIn(server, { scope: 'notes:read' })).tokens.access_token,
        audience: MAIL,
      }),
    ],
    [
      'a token for another MCP server',
      'invalid_request',
      async () => ({
        subject_token: (await signIn(server, { resource: OTHER_RESOURCE, scope: 'other' })).tokens.access_token,
      }),
    ],
    ['an exchanged token', 'invalid_request', async () => ({ subject_token: (await exchange()).body.access_token })],
    [
      'a token that another server issued',
      'invalid_request',
      async () => {
        const other = await start(OPTIONS);
        const { tokens } = await signIn(other);
        await other.close();
        return { subject_token: tokens.access_token };
      },
    ],
    [
      'a token of a client for itself',
      'invalid_request',
      async () => {
        const { body } = await post(server, { grant_type: 'client_credentials', resource: RESOURCE });
        return { subject_token: body.access_token };
      },
    ],
    [
      'a token whose grant was revoked',
      'invalid_request',
      async () => {
        const { client, tokens } = await signIn(server);
        const body = new URLSearchParams({ client_id: client.clientId, token: tokens.refresh_token ?? '' });
        expect((await post(server, exchanging(tokens.access_token))).status).toBe(200);
        expect((await fetch(`${server.issuer}/revoke`, { method: 'POST', body })).status).toBe(200);
        return { subject_token: tokens.access_token };
      },
    ],
  ])('RFC8693-2.2.2-b: refuses %s with %s', async (_what, error, changes) => {
    expect(await exchange(await changes())).toEqual({
      status: 400,
      body: {
        error,
        error_description: expect.any(String),
        ...(error === 'invalid_scope' && { scope: expect.any(String) }),
      },
    });
  });

  it('refuses a client with a wrong secret, and one for another MCP server', async () => {
    expect(await exchange({}, { ...NOTES_SERVER, clientSecret: 'guessed' })).toMatchObject({
      status: 401,
      body: { error: 'invalid_client' },
    });
    expect(await exchange({}, OTHER_SERVER)).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
  });

  it('RFC6749-5.2-a: refuses a client that registered itself, whatever it asked for, with unauthorized_client', async () => {
    const answer = await register(server.issuer, {
      client_id: NOTES_SERVER.clientId,
      grant_types: ['authorization_code', EXCHANGE, 'client_credentials'],
      token_endpoint_auth_method: 'client_secret_basic',
    });
    const metadata = (await answer.json()) as { client_id: string; client_secret: string; grant_types: string[] };
    expect(metadata.client_id).not.toBe(NOTES_SERVER.clientId);
    expect(metadata.grant_types).toEqual(['authorization_code']);
    const client = { clientId: metadata.client_id, clientSecret: metadata.client_secret };
    for (const form of [
      exchanging(alice.tokens.access_token),
      { grant_type: 'client_credentials', resource: CALENDAR },
    ]) {
      expect(await post(server, form, client)).toMatchObject({ status: 400, body: { error: 'unauthorized_client' } });
    }
  });

  it('signs nobody in for the client, and lets MCP clients ask for no API', async () => {
    const scope = 'calendar.read';
    const own = new Client(server.issuer, NOTES_SERVER.clientId).authorizationUrl({ scope: 'notes:read' });
    expect((await new Browser().open(own)).status).toBe(400);
    const url = alice.client.authorizationUrl({ scope, resource: CALENDAR });
    expect((await new Browser().open(url)).url.searchParams.get('error')).toBe('invalid_target');
  });

  it('RFC6749-4.4-b: gives the client a token for itself, with the scopes that it names', async () => {
    const form = { grant_type: 'client_credentials', resource: CALENDAR, scope: 'calendar.read' };
    const { status, body } = await post(server, form);
    expect({ status, claims: claimsIn(body.access_token) }).toMatchObject({
      status: 200,
      claims: { aud: CALENDAR, sub: NOTES_SERVER.clientId, client_id: NOTES_SERVER.clientId, scope: 'calendar.read' },
    });
    expect(await post(server, { ...form, scope: 'mail.send' })).toMatchObject({ body: { error: 'invalid_scope' } });
    expect(await post(server, { grant_type: 'client_credentials' })).toMatchObject({
      body: { error: 'invalid_target' },
    });
  });
});

describe('token exchange with other settings', () => {
  async function run(
    options: Partial<DevAuthorizationServerOptions>,
    test: (server: DevAuthorizationServer) => Promise<void>,
  ) {
    const server = await start({ ...OPTIONS, ...options });
    try {
      await test(server);
    } finally {
      await server.close();
    }
  }

  it('is for opaque tokens too, until they are revoked, and issues JWTs', () =>
    run({ introspection: NOTES_SERVER }, async (server) => {
      const { client, tokens } = await signIn(server);
      expect(tokens.access_token).not.toContain('.');
      const { body } = await post(server, exchanging(tokens.access_token));
      expect(claimsIn(body.access_token)).toMatchObject({ sub: 'alice', aud: CALENDAR, auth_time: expect.any(Number) });
      const form = new URLSearchParams({ client_id: client.clientId, token: tokens.access_token });
      await fetch(`${server.issuer}/revoke`, { method: 'POST', body: form });
      expect(await post(server, exchanging(tokens.access_token))).toMatchObject({ body: { error: 'invalid_request' } });
      const introspected = await fetch(`${server.issuer}/introspect`, {
        method: 'POST',
        body: new URLSearchParams({
          client_id: NOTES_SERVER.clientId,
          client_secret: NOTES_SERVER.clientSecret,
          token: (await signIn(server)).tokens.access_token,
        }),
      });
      expect(await introspected.json()).toMatchObject({ active: true });
    }));

  it('RFC9449-5-a: binds the new token to the key of the client, and never to that of the caller', () =>
    run({ dpop: true }, async (server) => {
      const [callers, own] = [await TestDpopKey.generate(), await TestDpopKey.generate()];
      const at = { method: 'POST', url: `${server.issuer}/token` };
      const proof = async (key: TestDpopKey): Promise<Record<string, string>> => ({ dpop: await key.proof(at) });
      const { tokens } = await signIn(server, { headers: await proof(callers) });
      expect(tokens.token_type).toBe('DPoP');
      const headers = await proof(own);
      const bound = await post(server, exchanging(tokens.access_token), NOTES_SERVER, headers);
      expect(bound.body.token_type).toBe('DPoP');
      expect(claimsIn(bound.body.access_token).cnf).toEqual(own.confirmation);
      const replayed = await post(server, exchanging(tokens.access_token), NOTES_SERVER, headers);
      expect(replayed).toMatchObject({ status: 400, body: { error: 'invalid_grant' } });
      const bad = await post(server, exchanging(tokens.access_token), NOTES_SERVER, { dpop: 'no proof' });
      expect(bad).toMatchObject({ status: 400, body: { error: 'invalid_dpop_proof' } });
      const free = await post(server, exchanging(tokens.access_token));
      expect(free.body.token_type).toBe('Bearer');
      expect(claimsIn(free.body.access_token)).not.toHaveProperty('cnf');
    }));

  it('takes the only API where none is named', () =>
    run({ apis: [{ resource: CALENDAR, scopes: {} }] }, async (server) => {
      const { tokens } = await signIn(server);
      const { body } = await post(server, exchanging(tokens.access_token, { audience: undefined }));
      expect(claimsIn(body.access_token)).toMatchObject({ aud: CALENDAR });
      expect(body).not.toHaveProperty('scope');
      const own = await post(server, { grant_type: 'client_credentials' });
      expect(claimsIn(own.body.access_token)).toMatchObject({ aud: CALENDAR, sub: NOTES_SERVER.clientId });
    }));

  it('does not exist without clients', () =>
    run({ clients: [], apis: [] }, async (server) => {
      const metadata = await (await fetch(`${server.issuer}/.well-known/oauth-authorization-server`)).json();
      expect(metadata).toMatchObject({ grant_types_supported: ['authorization_code', 'refresh_token'] });
      const client = await registerClient(server.issuer);
      const body = new URLSearchParams({ grant_type: EXCHANGE, client_id: client });
      const answer = await fetch(`${server.issuer}/token`, { method: 'POST', body });
      expect(await answer.json()).toMatchObject({ error: 'unsupported_grant_type' });
    }));

  it.each<[string, Partial<DevAuthorizationServerOptions>, RegExp]>([
    [
      'a client without a secret',
      { clients: [{ ...NOTES_SERVER, clientSecret: '' }] },
      /clients: clientId and clientSecret/,
    ],
    ['a client twice', { clients: [NOTES_SERVER, NOTES_SERVER] }, /clients: "notes-server" occurs twice/],
    [
      'a client of no resource',
      { clients: [{ ...NOTES_SERVER, resource: CALENDAR }] },
      /clients: ".*calendar" of "notes-server" must be one of the resources/,
    ],
    ['clients without an API', { apis: [] }, /apis: must not be empty/],
    ['APIs without a client', { clients: [] }, /clients: must not be empty if there are apis; write e\.g\./],
    [
      'an API that is not a URI',
      { apis: [{ resource: 'calendar', scopes: { 'two words': [] } }] },
      /apis: "calendar" must be[^]*"two words"/,
    ],
    ['an API that is a resource', { apis: [{ resource: RESOURCE, scopes: {} }] }, /apis: ".*mcp" occurs twice/],
    [
      'a scope that needs an unknown one',
      { apis: [{ resource: CALENDAR, scopes: { read: ['nothing'] } }] },
      /apis: "read" needs "nothing"/,
    ],
    [
      'two secrets',
      { introspection: { ...NOTES_SERVER, clientSecret: 'x' } },
      /"notes-server" must have the same clientSecret/,
    ],
  ])('does not start with %s', async (_what, options, message) => {
    await expect(start({ ...OPTIONS, ...options })).rejects.toThrow(message);
  });
});
