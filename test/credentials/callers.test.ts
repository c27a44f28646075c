import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, Injectable, Inject, Req } from '@nestjs/common';
import {
  AuthInfo,
  McpAuthError,
  McpAuthService,
  RequireScopes,
  type McpAuthEvent,
  type McpAuthInfo,
  type PolicyContext,
} from 'nestjs-mcp-auth';
import { expectNoTrace, expectRefusal, expectServed, resetRecorded } from '../support/expectations.js';
import { givenTool } from '../support/given-tool.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { bearer } from '../support/rpc.js';
import { expectReason } from '../support/tokens.js';
import { ACCESS_TOKEN, API_KEY, ASSERTION, OTHER_KEY, testCredentials } from '../support/api-keys.js';

// Credentials of the application beside access tokens: who the caller is, and how bad ones are answered.

const issuer = { alg: 'ES256' } as const;
const KEY = { 'x-api-key': API_KEY };

describe.each(PLATFORMS)('credentials of the application, on %s', (platform) => {
  const credentials = testCredentials();
  let server: NotesServer;
  let seen: McpAuthInfo[] = [];

  @Injectable()
  class Below {
    constructor(@Inject(McpAuthService) private readonly service: McpAuthService) {}

    async subject(): Promise<string | undefined> {
      await Promise.resolve();
      return this.service.authInfo?.subject;
    }
  }

  @Controller('callers')
  class CallersController {
    constructor(@Inject(Below) private readonly below: Below) {}

    @Get()
    @RequireScopes('a')
    async get(@AuthInfo() auth: McpAuthInfo, @Req() request: { auth?: unknown }): Promise<object> {
      seen.push(auth);
      expect(request.auth).toBe(auth);
      const { token, issuer: iss, subject, credential, clientId, scopes, kind, expiresAt, principalKey } = auth;
      const below = await this.below.subject();
      return { token, iss, subject, credential, clientId, scopes, kind, expiresAt, principalKey, below };
    }
  }

  beforeAll(async () => {
    const policy = ({ auth }: PolicyContext): boolean => auth.claims['plan'] === 'team';
    server = await startNotesServer(platform, {
      issuer,
      options: { credentials: credentials.options },
      controllers: [CallersController],
      providers: [Below],
      tools: [givenTool('of-teams', { policies: [policy] })],
    });
  });
  afterAll(() => server.close());
  beforeEach(() => {
    resetRecorded(server);
    credentials.asked.length = 0;
    credentials.answer = undefined;
    seen = [];
  });

  const callerWith = async (headers: Record<string, string>): Promise<Record<string, unknown>> => {
    const response = await fetch(`${server.origin}/callers`, { headers });
    expect(response.status).toBe(200);
    return (await response.json()) as Record<string, unknown>;
  };

  it('calls a tool with a credential in its own header, and with one in Authorization', async () => {
    await expectServed(server, await server.callTool('read-note', undefined, {}, KEY), 'read-note');
    resetRecorded(server);
    await expectServed(server, await server.callTool('read-note', ACCESS_TOKEN), 'read-note');
    expect(credentials.asked).toEqual([
      ['api-key', API_KEY],
      ['pat', ACCESS_TOKEN],
    ]);
  });

  it('leaves access tokens to the built-in verification', async () => {
    const token = await server.mint({ scope: 'a' });
    expect(await callerWith(bearer(token))).toMatchObject({ token, iss: server.issuer.issuer, subject: 'alice' });
    expect(seen[0]?.credential).toBeUndefined();
    expect(credentials.asked).toEqual([]);
  });

  it('says to handlers, plain routes and services who calls, and by which credential', async () => {
    expect(await callerWith(KEY)).toMatchObject({
      iss: 'credential:api-key',
      credential: 'api-key',
      subject: 'alice',
      below: 'alice',
      clientId: 'script',
      kind: 'client',
      scopes: ['a'],
    });
    expect(await callerWith({ 'x-gateway': ASSERTION })).toMatchObject({
      iss: 'credential:gateway',
      credential: 'gateway',
      clientId: '',
      kind: 'unknown',
    });
    expect(await callerWith(bearer(ACCESS_TOKEN))).toMatchObject({ credential: 'pat', kind: 'user' });
    expect(seen.map(({ claims }) => claims)).toEqual([{ plan: 'team' }, {}, {}]);
    expect(seen.map(({ audience }) => audience)).toEqual([[], [], []]);
  });

  it('LIB-22: takes the same subject with another credential for another principal', async () => {
    const callers = [KEY, { 'x-gateway': ASSERTION }, bearer(ACCESS_TOKEN), bearer(await server.mint({ scope: 'a' }))];
    const keys: unknown[] = [];
    for (const headers of callers) keys.push((await callerWith(headers))['principalKey']);
    expect(new Set(keys).size).toBe(4);
    expect((await callerWith(KEY))['principalKey']).toBe(keys[0]);
  });

  it('attaches text that stands for the credential, and not the credential', async () => {
    const first = await callerWith(KEY);
    expect(first['token']).toMatch(/^credential:api-key:[\w-]{43}$/);
    expect((await callerWith(KEY))['token']).toBe(first['token']);
    expect((await callerWith({ 'x-api-key': OTHER_KEY }))['token']).not.toBe(first['token']);
    const pat = await callerWith(bearer(ACCESS_TOKEN));
    expect(pat['token']).toMatch(/^credential:pat:/);
    for (const key of [API_KEY, OTHER_KEY, ACCESS_TOKEN]) expectNoTrace(key, { seen: JSON.stringify([first, pat]) });
  });

  it('refuses that text as a credential of its own', async () => {
    const { token } = await callerWith(bearer(ACCESS_TOKEN));
    resetRecorded(server);
    await expectRefusal(server, await server.callTool('ping', String(token)), { status: 401, error: 'invalid_token' });
    await expectRefusal(server, await server.callTool('ping', undefined, {}, { 'x-api-key': String(token) }), {
      status: 401,
    });
  });

  it('RFC6750-3.1-b: needs the scopes of the operation, and names them in the challenge of OAuth', async () => {
    const refused = await server.callTool('write-note', undefined, {}, KEY);
    await expectRefusal(server, refused, { status: 403, error: 'insufficient_scope', scope: 'a b', token: API_KEY });
    expectReason(server, 'scope_missing');
    expect(server.log.join('\n')).toContain('scope is "a" by verify of the credential "api-key"');
    resetRecorded(server);
    await expectServed(
      server,
      await server.callTool('write-note', undefined, {}, { 'x-api-key': OTHER_KEY }),
      'write-note',
    );
  });

  it('asks policies about the caller', async () => {
    await expectServed(server, await server.callTool('of-teams', undefined, {}, KEY), 'of-teams');
    resetRecorded(server);
    await expectRefusal(server, await server.callTool('of-teams', undefined, {}, { 'x-api-key': OTHER_KEY }), {
      status: 403,
    });
  });

  it('RFC6750-3.1-a: refuses an unknown credential without a code in a header of its own, and as a token in Authorization', async () => {
    const unknown = 'unknown-key-0123456789';
    const inHeader = await server.callTool('read-note', undefined, {}, { 'x-api-key': unknown });
    await expectRefusal(server, inHeader, { status: 401, scope: 'a', token: unknown });
    expectReason(server, 'credential_unknown');
    expect(server.log.join('\n')).toContain('credential is "api-key"');
    resetRecorded(server);
    const token = 'pat_unknown-0123456789';
    await expectRefusal(server, await server.callTool('read-note', token), {
      status: 401,
      error: 'invalid_token',
      scope: 'a',
      token,
    });
    expectReason(server, 'credential_unknown');
  });

  it.each([
    ['null', () => null],
    ['undefined', async () => undefined],
    ['an error that says so', () => Promise.reject(Object.assign(new Error('revoked'), { code: 'invalid_token' }))],
  ])('refuses a credential about which verify says %s', async (_what, answer) => {
    credentials.answer = answer as never;
    await expectRefusal(server, await server.callTool('ping', undefined, {}, KEY), { status: 401, token: API_KEY });
    expectReason(server, 'credential_unknown');
  });

  it.each([
    ['true', true, 'result is true or false'],
    ['a text', 'alice', 'result is text'],
    ['a list', [], 'result is a list'],
    ['a caller without a subject', { scopes: ['a'] }, 'subject is absent'],
    ['an empty subject', { subject: '', scopes: ['a'] }, 'subject is absent'],
    ['a subject that is a number', { subject: 7, scopes: ['a'] }, 'subject is a number'],
    ['a client that is a number', { subject: 'alice', clientId: 7, scopes: [] }, 'clientId is a number'],
    ['an unknown kind', { subject: 'alice', scopes: [], kind: 'robot' }, 'kind is text'],
    ['a time in text', { subject: 'alice', scopes: [], expiresAt: '2030-01-01' }, 'exp is text'],
    ['a time that is not finite', { subject: 'alice', scopes: [], expiresAt: Number.NaN }, 'exp is NaN'],
    ['claims that are a list', { subject: 'alice', scopes: [], claims: [] }, 'claims is a list'],
    ['claims that cannot be copied', { subject: 'alice', scopes: [], claims: { f: () => 1 } }, 'claims is an object'],
    ['a caller bound to a key', { subject: 'alice', scopes: [], claims: { cnf: { jkt: 'x' } } }, 'bound to a key'],
    ['a caller who inherits its members', Object.create({ subject: 'alice', scopes: ['a'] }), 'subject is absent'],
  ])('refuses a credential for which verify returns %s, and says what was seen', async (_what, result, words) => {
    credentials.answer = () => result as never;
    await expectRefusal(server, await server.callTool('ping', undefined, {}, KEY), { status: 401, token: API_KEY });
    expectReason(server, 'credential_rejected');
    expect(server.log.join('\n')).toContain(words);
  });

  it('grants nothing for invalid scopes', async () => {
    for (const scopes of [undefined, 7, { a: true }, ['a b', 7, null]]) {
      credentials.answer = () => ({ subject: 'alice', scopes }) as never;
      resetRecorded(server);
      const refused = await server.callTool('read-note', undefined, {}, KEY);
      await expectRefusal(server, refused, { status: 403, error: 'insufficient_scope', scope: 'a' });
    }
  });

  it('LIB-08: answers 503 if verify fails, and says which credential without a trace of it', async () => {
    credentials.answer = (credential) => {
      throw new Error(`no connection for ${credential}`);
    };
    for (const headers of [KEY, bearer(ACCESS_TOKEN)]) {
      resetRecorded(server);
      const response = await server.callTool('ping', undefined, {}, headers);
      expect(response.headers.get('retry-after')).toBe('5');
      await expectRefusal(server, response, { status: 503, token: Object.values(headers)[0]!.replace('Bearer ', '') });
      expectReason(server, 'credential_unavailable');
      server.clock.now += 60_000;
    }
    expect(server.log.join('\n')).toContain('The function verify of the credential "pat" failed');
  });

  it('lets verify refuse in its own words', async () => {
    credentials.answer = () => {
      throw new McpAuthError('access_denied', 'policy_denied');
    };
    await expectRefusal(server, await server.callTool('ping', undefined, {}, KEY), { status: 403 });
    expectReason(server, 'policy_denied');
  });

  it('LIB-25: does not share what verify returned', async () => {
    const claims = { plan: 'free' };
    const scopes = ['a'];
    credentials.answer = () => ({ subject: 'alice', scopes, claims });
    const response = await fetch(`${server.origin}/callers`, { headers: KEY });
    expect(response.status).toBe(200);
    claims.plan = 'team';
    scopes.push('b');
    expect(seen[0]).toMatchObject({ claims: { plan: 'free' }, scopes: ['a'] });
    expect(Object.isFrozen(seen[0]?.claims)).toBe(true);
  });

  it('tells verify which resource is called', async () => {
    const resources: string[] = [];
    credentials.answer = (_credential, { resource }) => {
      resources.push(resource);
      return { subject: 'alice', scopes: [] };
    };
    await server.callTool('ping', undefined, {}, KEY);
    expect(resources).toEqual([server.resource]);
  });

  it('LIB-07: keeps answers private, and says by which fields they differ', async () => {
    for (const headers of [KEY, bearer(ACCESS_TOKEN), bearer(await server.mint({ scope: 'a' }))]) {
      const { headers: sent } = await fetch(`${server.origin}/callers`, { headers });
      expect(sent.get('cache-control')).toBe('private');
      expect(sent.get('vary')?.toLowerCase()).toBe('authorization, x-api-key, x-gateway');
    }
  });

  it('tells events by which credential a caller came', async () => {
    const events: McpAuthEvent[] = [];
    const subscription = server.app.get(McpAuthService).events$.subscribe((event) => events.push(event));
    await server.callTool('ping', undefined, {}, KEY);
    await server.callTool('ping', undefined, {}, { 'x-api-key': 'unknown-key-0123456789' });
    subscription.unsubscribe();
    const decisions = events.filter(({ type }) => type === 'authenticated' || type === 'refused');
    expect(decisions).toMatchObject([
      { type: 'authenticated', issuer: 'credential:api-key', clientId: 'script', scopes: ['a'] },
      { type: 'refused', code: 'authorization_required', reason: 'credential_unknown', status: 401 },
    ]);
    expectNoTrace(API_KEY, { events: JSON.stringify(events) });
  });

  it('McpAuthService.verify() verifies Bearer credentials as the guard does', async () => {
    const service = server.app.get(McpAuthService);
    expect(await service.verify(ACCESS_TOKEN)).toMatchObject({ credential: 'pat', subject: 'alice' });
    await expect(service.verify('pat_unknown')).rejects.toMatchObject({ code: 'invalid_token' });
    await expect(service.verify(API_KEY)).rejects.toMatchObject({ code: 'invalid_token' });
  });
});
