import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { setImmediate } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, Inject, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { map, firstValueFrom, type Subscription } from 'rxjs';
import { McpAuthError, McpAuthGuard, McpAuthService, type McpAuthEvent, type PolicyContext } from 'nestjs-mcp-auth';
import { expectNoTrace, expectRefusal, resetRecorded } from './support/expectations.js';
import { givenTool } from './support/given-tool.js';
import { startNotesServer, type NotesServer } from './support/notes-server.js';
import { PLATFORMS } from './support/platforms.js';

type EventOf<Type extends McpAuthEvent['type']> = Extract<McpAuthEvent, { type: Type }>;

/** Events that come at any time, and have tests of their own. */
const OTHERS: ReadonlySet<McpAuthEvent['type']> = new Set(['keys-refreshed', 'completed']);

const OPEN_TOOL = givenTool('open-tool', { isPublic: true });

const NO_TRACE = { traceId: undefined, spanId: undefined, traceSource: undefined };

/** Finds out late that it needs more. */
const LATE = givenTool('late', { scopes: ['a'] }, () => {
  throw McpAuthError.insufficientScope('z');
});

@Controller('own')
class OwnController {
  @Get()
  get(): string {
    return 'reached';
  }
}

/** Comes before that of the module, and throws what that would have answered. */
@Injectable()
class OwnGuard implements CanActivate {
  constructor(@Inject(McpAuthGuard) private readonly guard: McpAuthGuard) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    if (context.getClass() === OwnController) await this.guard.authorize(context);
    return true;
  }
}

describe.each(PLATFORMS)('events, on %s', (platform) => {
  let server: NotesServer;
  let heard: McpAuthEvent[];
  let subscription: Subscription;

  const service = (): McpAuthService => server.app.get(McpAuthService);
  const of = <Type extends McpAuthEvent['type']>(type: Type): EventOf<Type>[] =>
    heard.filter((event): event is EventOf<Type> => event.type === type);
  const only = <Type extends McpAuthEvent['type']>(type: Type): EventOf<Type> => {
    expect(of(type)).toHaveLength(1);
    return of(type)[0]!;
  };

  /** A policy that takes its time before dispatch. */
  const decideLate = ({ request }: PolicyContext): boolean => {
    if (request) server.clock.now += 250;
    return true;
  };

  beforeAll(async () => {
    server = await startNotesServer(platform, {
      options: { allowAnonymous: true, scopes: { operations: { resources: { 'notes://{id}': ['a'] } } } },
      tools: [OPEN_TOOL, LATE, givenTool('decided-late', { policies: [decideLate] })],
      controllers: [OwnController],
      providers: [{ provide: APP_GUARD, useClass: OwnGuard }],
    });
  });
  afterAll(() => server.close());
  beforeEach(() => {
    resetRecorded(server);
    heard = [];
    subscription = service().events$.subscribe((event) => void (event.type === 'completed' || heard.push(event)));
  });
  afterEach(() => {
    subscription.unsubscribe();
    server.issuer.recover();
  });

  it('tell of a request that was let in: who, for what, with which scopes, and when', async () => {
    const token = await server.mint({ sub: 'alice', client_id: 'app', scope: 'a b' });
    const { principalKey } = await service().verify(token);
    await server.callTool('read-note', token);
    expect(only('authenticated')).toEqual({
      type: 'authenticated',
      time: server.clock.now,
      issuer: server.issuer.issuer,
      clientId: 'app',
      principalKey,
      scopes: ['a', 'b'],
      resource: server.resource,
      operations: ['tools/call read-note'],
      messages: [{ method: 'tools/call', kind: 'tool', name: 'read-note', isDeclared: true }],
      ...NO_TRACE,
      durationMs: 0,
    });
  });

  it('name a route by method and path, without the query', async () => {
    const token = await server.mint();
    await fetch(`${server.origin}/plain?access_token=${token}`, { headers: { authorization: `Bearer ${token}` } });
    expect(only('authenticated')).toMatchObject({ operations: ['GET /plain'], messages: [] });
  });

  it('say how long the decision took, and nothing of that for a refusal that a handler throws', async () => {
    const token = await server.mint({ scope: 'a' });
    await (await server.callTool('decided-late', token)).text();
    expect(only('authenticated').durationMs).toBe(250);
    await (await server.callTool('late', token)).text();
    await (await server.callTool('ping', 'bad')).text();
    expect(of('refused').map(({ durationMs }) => durationMs)).toEqual([undefined, 0]);
  });

  it('say which names the application declares, whatever the client sends', async () => {
    const token = await server.mint({ scope: 'a' });
    for (const name of ['ping', 'made-up', 'constructor']) await (await server.callTool(name, token)).text();
    await server.rpc('resources/read', { uri: 'notes://1' }, { authorization: `Bearer ${token}` });
    await server.rpc('own/method', {}, { authorization: `Bearer ${token}` });
    for (const uri of ['notes://{id}', 'notes://{any}', 'notes://made-up']) {
      const params = { ref: { type: 'ref/resource', uri }, argument: { name: 'id', value: '' } };
      await server.rpc('completion/complete', params, { authorization: `Bearer ${token}` });
    }
    expect(of('authenticated').flatMap(({ messages }) => messages)).toEqual([
      { method: 'tools/call', kind: 'tool', name: 'ping', isDeclared: true },
      { method: 'tools/call', kind: 'tool', name: 'made-up', isDeclared: false },
      { method: 'tools/call', kind: 'tool', name: 'constructor', isDeclared: false },
      { method: 'resources/read', kind: 'resource', name: 'notes://1', isDeclared: false },
      { method: 'own/method', kind: undefined, name: undefined, isDeclared: false },
      { method: 'completion/complete', kind: 'resource-template', name: 'notes://{id}', isDeclared: true },
      { method: 'completion/complete', kind: 'resource-template', name: 'notes://{any}', isDeclared: false },
      { method: 'completion/complete', kind: 'resource-template', name: 'notes://made-up', isDeclared: false },
    ]);
  });

  it('tell of a request that was let in without a caller', async () => {
    await server.callTool('open-tool');
    expect(heard).toEqual([
      {
        type: 'anonymous',
        time: server.clock.now,
        resource: server.resource,
        operations: ['tools/call open-tool'],
        messages: [{ method: 'tools/call', kind: 'tool', name: 'open-tool', isDeclared: true }],
        ...NO_TRACE,
        durationMs: 0,
      },
    ]);
  });

  it('tell of a refused token, whose names nobody has verified', async () => {
    const token = await server.mint({ client_id: 'app', aud: 'account' });
    await expectRefusal(server, await server.callTool('write-note', token), {
      status: 401,
      error: 'invalid_token',
      scope: 'a b',
      token,
    });
    expect(heard).toEqual([
      {
        type: 'refused',
        time: server.clock.now,
        code: 'invalid_token',
        reason: 'audience_rejected',
        status: 401,
        resource: server.resource,
        operations: ['tools/call write-note'],
        messages: [{ method: 'tools/call', kind: 'tool', name: 'write-note', isDeclared: true }],
        ...NO_TRACE,
        durationMs: 0,
        issuer: server.issuer.issuer,
        clientId: 'app',
        principalKey: undefined,
        isVerified: false,
        scopesNeeded: ['a', 'b'],
      },
    ]);
  });

  it('name no issuer that is not trusted', async () => {
    await server.callTool('ping', await server.mint({ iss: 'https://evil.example' }));
    expect(only('refused')).toMatchObject({
      reason: 'issuer_unknown',
      issuer: undefined,
      clientId: undefined,
      isVerified: false,
    });
  });

  it('tell of a verified caller who lacks scopes, and of the step-up when they come back with them', async () => {
    const caller = { sub: 'bob', client_id: 'app' };
    await server.callTool('write-note', await server.mint({ ...caller, scope: 'a' }));
    const refused = only('refused');
    expect(refused).toMatchObject({
      code: 'insufficient_scope',
      status: 403,
      clientId: 'app',
      isVerified: true,
      scopesNeeded: ['a', 'b'],
    });
    expect(refused.principalKey).toEqual(expect.any(String));
    server.clock.now += 7_000;
    await server.callTool('ping', await server.mint({ ...caller, scope: 'a' }));
    await server.callTool('write-note', await server.mint({ ...caller, client_id: 'other', scope: 'a b' }));
    expect(of('step-up')).toEqual([]);
    for (let i = 0; i < 2; i++) await server.callTool('write-note', await server.mint({ ...caller, scope: 'a b' }));
    expect(only('step-up')).toEqual({
      type: 'step-up',
      time: server.clock.now,
      issuer: server.issuer.issuer,
      clientId: 'app',
      principalKey: refused.principalKey,
      scopes: ['a', 'b'],
      resource: server.resource,
      operations: ['tools/call write-note'],
      messages: [{ method: 'tools/call', kind: 'tool', name: 'write-note', isDeclared: true }],
      ...NO_TRACE,
      scopesNeeded: ['a', 'b'],
      afterMs: 7_000,
    });
  });

  it('forget a caller who takes longer than ten minutes to step up', async () => {
    await server.callTool('write-note', await server.mint({ sub: 'carol', scope: 'a' }));
    server.clock.now += 600_001;
    await server.callTool('write-note', await server.mint({ sub: 'carol', scope: 'a b' }));
    expect(of('step-up')).toEqual([]);
  });

  it('tell once of a refusal that a handler raises, and of the call it served', async () => {
    const token = await server.mint({ sub: 'dave', client_id: 'app', scope: 'a' });
    const response = await server.callTool('late', token);
    await response.text();
    // The keys may be fetched in the background at any time.
    expect(heard.map(({ type }) => type).filter((type) => type !== 'keys-refreshed')).toEqual([
      'authenticated',
      'refused',
    ]);
    expect(only('refused')).toMatchObject({
      code: 'insufficient_scope',
      operations: ['tools/call late'],
      clientId: 'app',
      isVerified: true,
      scopesNeeded: ['z'],
    });
    expect(server.log.filter((line) => line.startsWith('Refused'))).toHaveLength(1);
  });

  it('tell once of a refusal that a guard of the application passes on', async () => {
    await fetch(`${server.origin}/own`);
    expect(only('refused')).toMatchObject({ reason: 'no_credentials', operations: ['GET /own'] });
    expect(server.log.filter((line) => line.startsWith('Refused'))).toHaveLength(1);
  });

  it('tell of keys that were fetched, of an issuer that cannot be reached, once, and of its recovery', async () => {
    await server.callTool('ping', await server.mint());
    server.issuer.fail('error');
    server.clock.now += 7 * 3_600_000;
    const began = server.clock.now;
    for (let i = 0; i < 3; i++) {
      await server.callTool('ping', await server.mint());
      server.clock.now += 3_000;
    }
    expect(only('issuer-unreachable')).toEqual({
      type: 'issuer-unreachable',
      time: began,
      issuer: server.issuer.issuer,
      what: 'keys',
      error: expect.stringMatching(/GET http.*status 500/),
    });
    server.issuer.recover();
    server.clock.now += 3_000;
    heard.length = 0;
    await server.callTool('ping', await server.mint());
    expect(only('issuer-recovered')).toMatchObject({
      issuer: server.issuer.issuer,
      what: expect.stringMatching(/keys|metadata/),
      afterMs: server.clock.now - began,
    });
    expect(only('keys-refreshed')).toMatchObject({
      issuer: server.issuer.issuer,
      keys: expect.any(Number),
      added: 0,
      removed: 0,
    });
  });

  it('count the keys that came and went', async () => {
    await server.callTool('ping', await server.mint());
    await server.issuer.rotateKeys();
    server.clock.now += 60_000;
    heard.length = 0;
    await server.callTool('ping', await server.mint());
    expect(only('keys-refreshed').added).toBe(1);
  });

  it('are frozen, all the way down', async () => {
    await server.callTool('ping', await server.mint({ scope: 'a' }));
    const event = only('authenticated');
    expect([event, event.scopes, event.operations].map((value) => Object.isFrozen(value))).toEqual([true, true, true]);
  });

  it('hold nothing of a token, good or bad, and no claim that is not theirs', async () => {
    const tokens = [
      await server.mint({ email: 'alice@example.com', scope: 'a' }),
      await server.mint({ aud: 'https://other.example', email: 'alice@example.com' }),
      await server.mint({ exp: 1, email: 'alice@example.com' }),
      'opaque-token-of-alice',
    ];
    for (const token of tokens)
      for (const tool of ['ping', 'write-note', 'forbidden']) await server.callTool(tool, token);
    expect(heard.length).toBeGreaterThanOrEqual(12);
    const text = JSON.stringify(heard);
    for (const token of tokens) expectNoTrace(token, { events: text, log: server.log.join('\n') });
    for (const other of ['alice@example.com', 'other.example']) expect(text).not.toContain(other);
  });

  it('hold no token that a client has put where none belongs', async () => {
    const token = await server.mint();
    const headers = { authorization: `Bearer ${token}` };
    await server.callTool(token, token);
    await server.callTool(`x ${token}`);
    await fetch(`${server.origin}/plain/${token}`, { headers });
    await fetch(`${server.origin}/own?${token}`);
    await server.callTool('ping', await server.mint({ aud: 'x', client_id: token }));
    expect(heard.length).toBeGreaterThanOrEqual(4);
    expectNoTrace(token, { events: JSON.stringify(heard), log: server.log.join('\n') });
  });

  it('shorten what clients choose', async () => {
    const batch = Array.from({ length: 60 }, (_, id) => ({
      jsonrpc: '2.0',
      id,
      method: 'tools/call',
      params: { name: 'x'.repeat(1_000) },
    }));
    const token = await server.mint();
    const headers = {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
    };
    await fetch(server.resource, { method: 'POST', headers, body: JSON.stringify(batch) });
    expect(JSON.stringify(heard).length).toBeLessThan(12_000);
    expect(heard.length).toBeGreaterThan(0);
  });

  describe('with a subscriber that throws', () => {
    it.each<[what: string, subscribing: () => Subscription]>([
      [
        'as a function',
        () =>
          service().events$.subscribe(() => {
            throw new Error('broken subscriber');
          }),
      ],
      [
        'as an observer',
        () =>
          service().events$.subscribe({
            next: () => {
              throw new Error('broken subscriber');
            },
          }),
      ],
      [
        'as a function that fails later',
        () =>
          service().events$.subscribe(async () => {
            throw new Error('broken subscriber');
          }),
      ],
      [
        'in an operator',
        () =>
          service()
            .events$.pipe(
              map(() => {
                throw new Error('broken subscriber');
              }),
            )
            .subscribe(() => undefined),
      ],
      [
        'behind an operator',
        () =>
          service()
            .events$.pipe(map(String))
            .subscribe(() => {
              throw new Error('broken subscriber');
            }),
      ],
    ])('%s, requests go on, others are told, and so is the log', async (_what, subscribing) => {
      const broken = subscribing();
      try {
        const response = await server.callTool('ping', await server.mint());
        expect(response.status).toBe(200);
        await setImmediate();
        only('authenticated');
        expect(server.log.join('\n')).toContain('A subscriber to events$ failed: Error');
      } finally {
        broken.unsubscribe();
      }
    });
  });

  it('are an observable like any other', async () => {
    const next = firstValueFrom(service().events$.pipe(map(({ type }) => type)));
    await server.callTool('ping');
    expect(await next).toBe('refused');
  });

  it('come through node:diagnostics_channel as the same objects', async () => {
    const published: unknown[] = [];
    const listen = (event: unknown): void => void published.push(event);
    subscribe('nestjs-mcp-auth:refused', listen);
    try {
      await server.callTool('ping', 'bad');
      expect(published).toHaveLength(1);
      expect(published[0]).toBe(only('refused'));
    } finally {
      unsubscribe('nestjs-mcp-auth:refused', listen);
    }
  });
});

describe.each(PLATFORMS)('events about sessions, on %s', (platform) => {
  it('tell who asked for a session that is not there, or not theirs, besides the refusal', async () => {
    const server = await startNotesServer(platform, { transport: { statefulMode: true } });
    try {
      const heard: McpAuthEvent[] = [];
      server.app.get(McpAuthService).events$.subscribe((event) => void (OTHERS.has(event.type) || heard.push(event)));
      const as = async (sub: string, session?: string): Promise<Record<string, string>> => ({
        authorization: `Bearer ${await server.mint({ sub, client_id: 'app' })}`,
        ...(session !== undefined && { 'mcp-session-id': session }),
      });
      const initialize = {
        protocolVersion: '2025-11-25',
        capabilities: {},
        clientInfo: { name: 'test', version: '1.0.0' },
      };
      const opened = await server.rpc('initialize', initialize, await as('alice'));
      await opened.text();
      const session = opened.headers.get('mcp-session-id')!;
      await server.rpc('tools/list', {}, await as('bob', session));
      await server.rpc('tools/list', {}, await as('bob', 'made-up'));
      expect(
        heard.map((event) => [event.type, 'reason' in event && event.reason, 'clientId' in event && event.clientId]),
      ).toEqual([
        ['authenticated', false, 'app'],
        ['refused', 'session_of_another', 'app'],
        ['session-refused', 'session_of_another', 'app'],
        ['refused', 'session_unknown', 'app'],
        ['session-refused', 'session_unknown', 'app'],
      ]);
      expect(JSON.stringify(heard)).not.toContain(session);
    } finally {
      await server.close();
    }
  });
});
