import type { Server } from 'node:http';
import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { trace, type Attributes } from '@opentelemetry/api';
import { McpAuthError, McpAuthService, type McpAuthEvent } from 'nestjs-mcp-auth';
import { McpAuthOpenTelemetryModule, type McpAuthOpenTelemetryOptions } from 'nestjs-mcp-auth/opentelemetry';
import { expectNoTrace } from '../support/expectations.js';
import { givenTool } from '../support/given-tool.js';
import { closeAtOnce, startNotesServer, type NotesServer, type NotesServerSettings } from '../support/notes-server.js';
import { PLATFORMS, type Platform } from '../support/platforms.js';
import { bearer } from '../support/rpc.js';
import { sdk2Endpoint } from '../support/sdk-endpoints.js';
import { openSession } from '../support/sessions.js';
import { instrument, Telemetry } from '../support/telemetry.js';
import { until } from '../support/until.js';

/** The span that was active in the tool `meet`, for each caller. */
const meeting: string[] = [];
let isOpen = false;

/** Waits for the others, so that requests overlap. */
const MEET = givenTool('meet', {}, async () => {
  meeting.push(trace.getActiveSpan()!.spanContext().spanId);
  await until(() => isOpen);
  return { content: [] };
});

const MESSAGE = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'ping', arguments: {} } };
const JSON_RPC = {
  'content-type': 'application/json',
  accept: 'application/json, text/event-stream',
  'mcp-protocol-version': '2025-11-25',
};

async function start(
  platform: Platform,
  options?: McpAuthOpenTelemetryOptions,
  settings: NotesServerSettings = {},
): Promise<NotesServer> {
  const server = await startNotesServer(platform, {
    imports: [(options ? McpAuthOpenTelemetryModule.forRoot(options) : McpAuthOpenTelemetryModule) as never],
    options: { allowAnonymous: true },
    tools: [
      MEET,
      givenTool('late', { scopes: ['a'] }, () => {
        throw McpAuthError.insufficientScope('z');
      }),
      givenTool('open-tool', { isPublic: true }),
      givenTool('broken', {}, () => ({ isError: true, content: [] })),
    ],
    controllers: [sdk2Endpoint('sdk2', [])],
    ...settings,
  });
  // The library asks the server questions at the start, which need no spans here.
  instrument(server.app.getHttpServer() as Server);
  return server;
}

describe.each(PLATFORMS)('the span attributes of nestjs-mcp-auth/opentelemetry, on %s', (platform) => {
  let telemetry: Telemetry;
  let server: NotesServer;
  beforeAll(async () => {
    telemetry = Telemetry.start();
    server = await start(platform);
  });
  afterAll(async () => {
    await server.close();
    await telemetry.stop();
  });
  beforeEach(() => telemetry.resetSpans());

  /** The attributes of the only span. */
  const only = async (): Promise<Attributes> => {
    const spans = await telemetry.spans(1);
    expect(spans).toHaveLength(1);
    return spans[0]!.attributes;
  };
  const principalOf = async (token: string): Promise<string> =>
    (await server.app.get(McpAuthService).verify(token)).principalKey;

  it('say who called what, and how it ended', async () => {
    const token = await server.mint({ sub: 'alice', client_id: 'app', scope: 'a b' });
    await (await server.callTool('broken', token)).text();
    expect(await only()).toEqual({
      'mcp_auth.decision': 'admitted',
      'mcp_auth.resource': server.resource,
      'mcp_auth.issuer': server.issuer.issuer,
      'mcp_auth.client.id': 'app',
      'mcp_auth.scopes': ['a', 'b'],
      'user.hash': await principalOf(token),
      'mcp.method.name': 'tools/call',
      'gen_ai.operation.name': 'execute_tool',
      'gen_ai.tool.name': 'broken',
      'mcp_auth.outcome': 'tool-error',
      'error.type': 'tool_error',
    });
  });

  it('name what the request is about, as the client sent it', async () => {
    const token = await server.mint();
    await (await server.rpc('resources/read', { uri: 'notes://1' }, bearer(token))).text();
    expect(await only()).toMatchObject({ 'mcp.method.name': 'resources/read', 'mcp.resource.uri': 'notes://1' });
    telemetry.resetSpans();
    await (await server.rpc('prompts/get', { name: 'made-up' }, bearer(token))).text();
    expect(await only()).toMatchObject({ 'mcp.method.name': 'prompts/get', 'gen_ai.prompt.name': 'made-up' });
    telemetry.resetSpans();
    await (await fetch(`${server.origin}/plain`, { headers: bearer(token) })).text();
    expect(Object.keys(await only()).filter((name) => !name.startsWith('mcp_auth.'))).toEqual(['user.hash']);
  });

  it('say why a request was refused, without a caller whom nobody has verified', async () => {
    await server.callTool('ping', await server.mint({ client_id: 'app', aud: 'account' }));
    expect(await only()).toEqual({
      'mcp_auth.decision': 'refused',
      'mcp_auth.reason': 'audience_rejected',
      'mcp_auth.error.code': 'invalid_token',
      'mcp_auth.resource': server.resource,
      'mcp.method.name': 'tools/call',
      'gen_ai.operation.name': 'execute_tool',
      'gen_ai.tool.name': 'ping',
    });
    telemetry.resetSpans();
    const token = await server.mint({ client_id: 'app', scope: 'a' });
    await server.callTool('write-note', token);
    expect(await only()).toMatchObject({
      'mcp_auth.reason': 'scope_missing',
      'mcp_auth.client.id': 'app',
      'user.hash': await principalOf(token),
    });
  });

  it('say that a caller is anonymous', async () => {
    await (await server.callTool('open-tool')).text();
    const attributes = await only();
    expect(attributes).toMatchObject({ 'mcp_auth.decision': 'anonymous', 'mcp_auth.outcome': 'ok' });
    expect(attributes).not.toHaveProperty('user.hash');
  });

  it('never give the data of one caller to the span of another, while requests overlap', async () => {
    meeting.length = 0;
    isOpen = false;
    const users = Array.from({ length: 12 }, (_, at) => `user-${at}`);
    const tokens = await Promise.all(users.map((sub) => server.mint({ sub, client_id: `client of ${sub}` })));
    const answers = tokens.map((token, at) =>
      server.callTool('meet', token, {}, { 'x-test-id': users[at]! }).then((response) => response.text()),
    );
    await until(() => meeting.length === users.length);
    // Refused requests between them, and those of another endpoint.
    for (const [at, token] of tokens.entries()) {
      await server.callTool('forbidden', token, {}, { 'x-test-id': users[at]! });
      await setImmediate();
    }
    isOpen = true;
    await Promise.all(answers);
    const spans = await telemetry.spans(2 * users.length);
    expect(new Set(meeting).size).toBe(users.length);
    for (const { attributes } of spans) {
      const at = users.indexOf(String(attributes['test.id']));
      expect(attributes['user.hash']).toBe(await principalOf(tokens[at]!));
      expect(attributes['mcp_auth.client.id']).toBe(`client of ${users[at]}`);
    }
    const ends = spans.map(
      ({ attributes }) => `${String(attributes['gen_ai.tool.name'])} ${String(attributes['mcp_auth.outcome'])}`,
    );
    expect([...new Set(ends)].toSorted()).toEqual(['forbidden undefined', 'meet ok']);
  });

  it('say that the client closed the connection, before the span ends', async () => {
    meeting.length = 0;
    isOpen = false;
    const abort = new AbortController();
    const answer = fetch(server.resource, {
      method: 'POST',
      headers: { ...bearer(await server.mint()), ...JSON_RPC },
      body: JSON.stringify({ ...MESSAGE, params: { name: 'meet', arguments: {} } }),
      signal: abort.signal,
    }).then((response) => response.text());
    await Promise.all([expect(answer).rejects.toThrow(), until(() => meeting.length === 1).then(() => abort.abort())]);
    expect(await only()).toMatchObject({ 'mcp_auth.outcome': 'aborted', 'error.type': 'aborted' });
    isOpen = true;
  });

  it('belong to the span that events name, whatever the client sends', async () => {
    const heard: McpAuthEvent[] = [];
    const subscription = server.app.get(McpAuthService).events$.subscribe((event) => heard.push(event));
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    const params = { name: 'ping', arguments: {}, _meta: { traceparent } };
    await (await server.rpc('tools/call', params, { ...bearer(await server.mint()), traceparent })).text();
    const [span] = await telemetry.spans(1);
    subscription.unsubscribe();
    const { traceId, spanId } = span!.spanContext();
    const traces = heard.flatMap((event) =>
      'traceId' in event ? [[event.traceId, event.spanId, event.traceSource]] : [],
    );
    expect(traces).toEqual([
      [traceId, spanId, 'active-span'],
      [traceId, spanId, 'active-span'],
    ]);
  });

  it('hold nothing of a token', async () => {
    const token = await server.mint({ email: 'alice@example.com' });
    for (const name of ['ping', token]) await (await server.callTool(name, token)).text();
    await server.callTool('ping', `${token}x`);
    const text = JSON.stringify(
      (await telemetry.spans(3)).map(({ name, attributes, events }) => [name, attributes, events]),
    );
    expectNoTrace(token, { spans: text });
    expect(text).not.toContain('alice@example.com');
  });

  it('follow the official SDK, too', async () => {
    const token = await server.mint({ aud: server.resource });
    const response = await fetch(`${server.origin}/sdk2`, {
      method: 'POST',
      headers: { ...bearer(token), ...JSON_RPC },
      body: JSON.stringify(MESSAGE),
    });
    await response.text();
    expect(await only()).toMatchObject({ 'gen_ai.tool.name': 'ping', 'mcp_auth.outcome': 'ok' });
  });
});

it.each(PLATFORMS)(
  'spans of callers with sessions hold their own data, and their own late refusals, on %s',
  async (platform) => {
    const telemetry = Telemetry.start();
    const server = await start(platform, {}, { transport: { statefulMode: true } });
    try {
      const users = ['alice', 'bob', 'carol'];
      const sessions = await Promise.all(
        users.map(async (sub) => {
          const token = await server.mint({ sub, client_id: sub, scope: 'a' });
          return { sub, token, session: await openSession(server, token) };
        }),
      );
      telemetry.resetSpans();
      meeting.length = 0;
      isOpen = false;
      const send = ({ sub, token, session }: (typeof sessions)[number], name: string): Promise<string> =>
        server
          .callTool(name, token, {}, { 'mcp-session-id': session, 'x-test-id': sub })
          .then((response) => response.text());
      const answers = sessions.map((one) => send(one, 'meet'));
      await until(() => meeting.length === users.length);
      answers.push(...sessions.map((one) => send(one, 'late')));
      isOpen = true;
      await Promise.all(answers);
      for (const { attributes } of await telemetry.spans(2 * users.length)) {
        expect(attributes['mcp_auth.client.id']).toBe(attributes['test.id']);
        const isLate = attributes['gen_ai.tool.name'] === 'late';
        expect(attributes['mcp_auth.reason']).toBe(isLate ? 'scope_missing' : undefined);
      }
    } finally {
      await closeAtOnce(server);
      await telemetry.stop();
    }
  },
);

describe('the options of McpAuthOpenTelemetryModule', () => {
  it.each<[McpAuthOpenTelemetryOptions, Attributes, number]>([
    [{ principal: 'none' }, { 'mcp_auth.decision': 'admitted' }, 1],
    [{ spanAttributes: false }, {}, 1],
    [{ metrics: false }, { 'mcp_auth.decision': 'admitted', 'user.hash': expect.any(String) as never }, 0],
  ])('%j', async (options, expected, count) => {
    const telemetry = Telemetry.start();
    const server = await start('express', options);
    try {
      await (await server.callTool('ping', await server.mint())).text();
      const [span] = await telemetry.spans(1);
      const { 'mcp_auth.decision': decision, 'user.hash': user } = span!.attributes;
      const seen = { ...(decision && { 'mcp_auth.decision': decision }), ...(user && { 'user.hash': user }) };
      expect(seen).toEqual(expected);
      expect(await telemetry.sum('mcp_auth.decisions')).toBe(count);
    } finally {
      await server.close();
      await telemetry.stop();
    }
  });
});
