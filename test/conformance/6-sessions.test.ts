import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Payload } from '@nestjs/microservices';
import { McpController, Tool } from '@rekog/mcp-nest';
import { AuthInfo, type McpAuthInfo } from 'nestjs-mcp-auth';
import { z } from 'zod';
import { answerOf, expectRefusal, expectServed, resetRecorded } from '../support/expectations.js';
import { sendMcp2026 } from '../support/mcp-2026.js';
import { LoopbackServer } from '../support/loopback-server.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { INITIALIZE, openSession as openSessionAt } from '../support/sessions.js';

const upstream = { seen: [] as string[], url: '' };
const handles = new Map<string, string>();

@McpController()
class HandleTools {
  @Tool({ name: 'open-handle', description: 'Opens something, and returns its handle' })
  open(@AuthInfo() auth: McpAuthInfo): object {
    const handle = randomUUID();
    handles.set(`${auth.principalKey}:${handle}`, 'state');
    return { handle };
  }

  @Tool({ name: 'use-handle', description: 'Uses it', parameters: z.object({ handle: z.string() }) })
  use(@Payload() { handle }: { handle: string }, @AuthInfo() auth: McpAuthInfo): object {
    return { found: handles.has(`${auth.principalKey}:${handle}`) };
  }

  @Tool({ name: 'ask-upstream', description: 'Passes on all it was given' })
  async ask(@AuthInfo() auth: McpAuthInfo): Promise<object> {
    await fetch(upstream.url, {
      method: 'POST',
      headers: { 'x-caller': JSON.stringify(auth) },
      body: JSON.stringify({ ...auth }),
    });
    return { done: true };
  }
}

describe.each(PLATFORMS)('6. Sessions, handles and streams, on %s', (platform) => {
  let server: NotesServer;
  let alice: string;
  let bob: string;
  beforeAll(async () => {
    server = await startNotesServer(platform, {
      issuer: { alg: 'ES256' },
      transport: { statefulMode: true },
      controllers: [HandleTools],
    });
    alice = await server.mint({ sub: 'alice', scope: 'a' });
    bob = await server.mint({ sub: 'bob', scope: 'a' });
  });
  afterAll(() => server.close());
  beforeEach(() => resetRecorded(server));

  const as = (token: string | undefined, session?: string): Record<string, string> => ({
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
    ...(session !== undefined && { 'mcp-session-id': session }),
  });

  const openSession = (token: string): Promise<string> => openSessionAt(server, token);

  const ping = (token: string | undefined, session?: string): Promise<Response> =>
    server.rpc('tools/call', { name: 'ping', arguments: {} }, as(token, session));

  const resultOf = (response: Response): Promise<Record<string, unknown>> => answerOf(response);

  it('MCP-25-SES-01: takes a session id for no authentication', async () => {
    const session = await openSession(alice);
    await expectRefusal(server, await ping(undefined, session), { status: 401 });
    const expired = await server.mint({ sub: 'alice', exp: 1 });
    await expectRefusal(server, await ping(expired, session), { status: 401, error: 'invalid_token' });
  });

  it('MCP-25-SES-02: answers another principal as if there were no such session', async () => {
    const session = await openSession(alice);
    const another = await expectRefusal(server, await ping(bob, session), {
      status: 404,
      transport: 'session_not_found',
    });
    const none = await expectRefusal(server, await ping(bob, randomUUID()), {
      status: 404,
      transport: 'session_not_found',
    });
    expect({ ...another.body, id: 0 }).toEqual({ ...none.body, id: 0 });
    await expectServed(server, await ping(alice, session), 'ping');
  });

  it('MCP-25-SES-02: keeps the session for the same user with another token, and with another client', async () => {
    const session = await openSession(alice);
    const refreshed = { scope: 'a b' };
    const registeredAnew = { scope: 'a b', client_id: 'another-client' };
    for (const claims of [refreshed, registeredAnew]) {
      resetRecorded(server);
      await expectServed(server, await ping(await server.mint({ sub: 'alice', ...claims }), session), 'ping');
    }
  });

  it('MCP-25-SES-02: keeps the session of a client that acts for itself to this client', async () => {
    const client = { sub: undefined, client_id: 'machine' };
    const session = await openSession(await server.mint(client));
    await expectServed(server, await ping(await server.mint({ ...client, scope: 'a' }), session), 'ping');
    resetRecorded(server);
    const other = await server.mint({ ...client, client_id: 'another-machine' });
    await expectRefusal(server, await ping(other, session), { status: 404, transport: 'session_not_found' });
  });

  it('MCP-25-SES-03: has session ids that nobody guesses, and takes names of its own language for none', async () => {
    const ids = await Promise.all(Array.from({ length: 20 }, () => openSession(alice)));
    expect(new Set(ids).size).toBe(20);
    expect(ids.every((id) => /^[\x21-\x7E]{32,}$/.test(id))).toBe(true);
    for (const id of ['__proto__', 'constructor', 'toString']) {
      await expectRefusal(server, await ping(alice, id), { status: 404, transport: 'session_not_found' });
    }
  });

  it('MCP-25-SES-04: lets only its owner end a session, after which it is gone', async () => {
    const session = await openSession(alice);
    const end = (token: string | undefined): Promise<Response> =>
      fetch(server.resource, {
        method: 'DELETE',
        headers: { 'mcp-protocol-version': '2025-11-25', ...as(token, session) },
      });
    expect((await end(bob)).status).toBe(404);
    await expectServed(server, await ping(alice, session), 'ping');
    resetRecorded(server);
    expect((await end(alice)).status).toBe(200);
    await expectRefusal(server, await ping(alice, session), { status: 404, transport: 'session_not_found' });
    await expectRefusal(server, await ping(undefined, session), { status: 401 });
  });

  it('MCP-25-SES-05: replays no events to another principal', async () => {
    const session = await openSession(alice);
    const headers = { accept: 'text/event-stream', 'mcp-protocol-version': '2025-11-25', 'last-event-id': '1' };
    const response = await fetch(server.resource, { headers: { ...headers, ...as(bob, session) } });
    expect({ status: response.status, text: await response.text() }).toMatchObject({ status: 404 });
  });

  it('MCP-26-SES-06: gives a 2026-07-28 request no session, whatever its header says', async () => {
    const session = await openSession(alice);
    const headers = { 'mcp-session-id': session, 'last-event-id': '1' };
    const response = await sendMcp2026(server, 'tools/call', { name: 'whoami', arguments: {} }, bob, headers);
    expect((await resultOf(response))['subject']).toBe('bob');
    expect(response.headers.get('mcp-session-id')).toBeNull();
    resetRecorded(server);
    await expectRefusal(server, await sendMcp2026(server, 'ping', {}, undefined, headers), { status: 401 });
  });

  it('MCP-26-SUB-01: ends a stream with the token that opened it', async () => {
    const token = await server.mint({ sub: 'alice', exp: Math.floor(server.clock.now / 1000) + 30 });
    const session = await openSession(token);
    const response = await fetch(server.resource, {
      headers: { accept: 'text/event-stream', 'mcp-protocol-version': '2025-11-25', ...as(token, session) },
    });
    expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
    const ended = response.text();
    server.clock.now += 31_000;
    expect(typeof (await ended)).toBe('string');
    expect((await ping(token, session)).status).toBe(200);
  });

  it('MCP-SBP-05: gives handlers a key to bind state to its principal', async () => {
    const { handle } = await resultOf(await callIn(alice, 'open-handle'));
    expect(await resultOf(await callIn(alice, 'use-handle', { handle }))).toEqual({ found: true });
    expect(await resultOf(await callIn(bob, 'use-handle', { handle }))).toEqual({ found: false });
    const again = await server.mint({ sub: 'alice', jti: 'another' });
    expect(await resultOf(await callIn(again, 'use-handle', { handle }))).toEqual({ found: true });
  });

  it('MCP-26-ELIC-01: takes the user from the token, whatever the client says of itself', async () => {
    const params = {
      name: 'whoami',
      arguments: { sub: 'admin' },
      _meta: { sub: 'admin', user: 'admin', clientInfo: { user: 'admin' } },
    };
    const caller = await resultOf(await server.rpc('tools/call', params, as(alice, await openSession(alice))));
    expect(caller).toMatchObject({ subject: 'alice', clientId: 'test-client' });
  });

  it('MCP-26-RS-03: hands no token on with what a handler passes on', async () => {
    const canary = await LoopbackServer.start((request, response) => {
      upstream.seen.push(JSON.stringify(request.headers));
      request.on('data', (chunk: Buffer) => upstream.seen.push(chunk.toString()));
      request.on('end', () => response.end());
    });
    upstream.url = canary.origin;
    await resultOf(await callIn(alice, 'ask-upstream'));
    await canary.close();
    expect(upstream.seen.join()).toContain('"subject":"alice"');
    expect(upstream.seen.join()).not.toContain(alice.split('.')[1]);
  });

  it('MCP-26-RS-04: lets nothing out before the token was found good', async () => {
    for (const method of ['tools/list', 'initialize', 'server/discover', 'tools/call']) {
      const response = await server.rpc(
        method,
        { ...INITIALIZE, name: 'write-note', arguments: {} },
        as('not.a.token'),
      );
      expect(response.headers.get('mcp-session-id')).toBeNull();
      const { text } = await expectRefusal(server, response, {
        status: 401,
        error: 'invalid_token',
        ...(method === 'tools/call' && { scope: 'a b' }),
      });
      expect(text).not.toMatch(/note|whoami/);
    }
  });

  async function callIn(token: string, name: string, args: object = {}): Promise<Response> {
    return server.rpc('tools/call', { name, arguments: args }, as(token, await openSession(token)));
  }
});
