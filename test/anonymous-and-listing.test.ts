import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { McpController, Prompt, Resource, ResourceTemplate, Tool } from '@rekog/mcp-nest';
import { Authorize, Public, RequireScopes } from 'nestjs-mcp-auth';
import { expectRefusal, expectServed, resetRecorded, messagesOf } from './support/expectations.js';
import { sendMcp2026 } from './support/mcp-2026.js';
import { startNotesServer, type NotesServer } from './support/notes-server.js';
import { PLATFORMS } from './support/platforms.js';
import { sendRaw } from './support/raw-http.js';

const ran: string[] = [];
const note = (name: string): object => {
  ran.push(name);
  return { content: [{ type: 'text', text: name }] };
};

@McpController()
class MixedTools {
  @Tool({ name: 'search', description: 'For anybody' })
  @Public()
  search(): object {
    return note('search');
  }

  @Tool({ name: 'save', description: 'Needs a', _meta: { 'x-own': true } })
  @RequireScopes('a')
  save(): object {
    return note('save');
  }

  @Resource({ uri: 'notes://open', name: 'open' })
  @Public()
  open(): object {
    ran.push('notes://open');
    return { contents: [] };
  }

  @Resource({ uri: 'notes://secret', name: 'secret' })
  @RequireScopes('secret')
  secret(): object {
    ran.push('notes://secret');
    return { contents: [] };
  }

  @ResourceTemplate({ uriTemplate: 'notes://by-id/{id}', name: 'by-id' })
  @RequireScopes('by-id')
  byId(): object {
    ran.push('notes://by-id');
    return { contents: [] };
  }

  @Prompt({ name: 'summary', description: 'Needs a' })
  @RequireScopes('a')
  summary(): object {
    ran.push('summary');
    return { messages: [] };
  }

  @Prompt({ name: 'staff', description: 'For nobody' })
  @Authorize(() => false)
  staff(): object {
    ran.push('staff');
    return { messages: [] };
  }
}

const start = (platform: (typeof PLATFORMS)[number], options: object, transport = {}): Promise<NotesServer> =>
  startNotesServer(platform, {
    issuer: { alg: 'ES256' },
    controllers: [MixedTools],
    // What the server itself says; it does not know that its lists differ by caller.
    cacheHints: { 'tools/list': { cacheScope: 'public', ttlMs: 60_000 } },
    options,
    transport,
  });

const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });

describe.each(PLATFORMS)('anonymous callers, on %s', (platform) => {
  let server: NotesServer;
  beforeAll(async () => {
    server = await start(platform, {
      allowAnonymous: true,
      scopes: { required: ['base'], operations: { tools: { ping: ['p'] } } },
    });
  });
  afterAll(() => server.close());
  beforeEach(() => {
    resetRecorded(server);
    ran.length = 0;
  });

  it('use what is public, in both protocol eras', async () => {
    expect((await server.callTool('search')).status).toBe(200);
    expect((await sendMcp2026(server, 'tools/call', { name: 'search', arguments: {} })).status).toBe(200);
    expect((await server.rpc('resources/read', { uri: 'notes://open' })).status).toBe(200);
    expect(ran).toEqual(['search', 'search', 'notes://open']);
  });

  it.each(['initialize', 'tools/list', 'resources/list', 'resources/templates/list', 'prompts/list', 'ping'])(
    'may send %s',
    async (method) => {
      const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 't', version: '1' } };
      expect((await server.rpc(method, method === 'initialize' ? params : {})).status).toBe(200);
    },
  );

  it.each([
    ['a protected tool', 'tools/call', { name: 'save' }, 'base a'],
    ['a tool that declares nothing', 'tools/call', { name: 'whoami' }, 'base'],
    ['a tool that the options protect', 'tools/call', { name: 'ping' }, 'base p'],
    ['a tool nobody knows', 'tools/call', { name: 'no-such-tool' }, 'base'],
    ['a tool without a name', 'tools/call', {}, 'base'],
    ['a protected resource', 'resources/read', { uri: 'notes://secret' }, 'base secret'],
    ['a protected resource in another spelling', 'resources/read', { uri: 'NOTES://SECRET/' }, 'base secret'],
    ['a resource of a template', 'resources/read', { uri: 'x://by-id/7?q=1' }, 'base by-id'],
    ['a subscription to one', 'resources/subscribe', { uri: 'notes://secret' }, 'base secret'],
    ['a protected prompt', 'prompts/get', { name: 'summary' }, 'base a'],
    ['its completion', 'completion/complete', { ref: { type: 'ref/prompt', name: 'summary' } }, 'base a'],
    [
      'a completion for a template',
      'completion/complete',
      { ref: { type: 'ref/resource', uri: 'notes://by-id/{id}' } },
      'base by-id',
    ],
    [
      'a list of subscriptions',
      'subscriptions/listen',
      { notifications: { resourceSubscriptions: ['notes://open', 'notes://secret'] } },
      'base secret',
    ],
    ['an unknown method', 'foo/bar', {}, 'base'],
    ['a task', 'tasks/get', { taskId: '1' }, 'base'],
  ])('are challenged for %s, before dispatch and with all its scopes', async (_what, method, params, scope) => {
    await expectRefusal(server, await server.rpc(method, params), { status: 401, scope });
    expect(ran).toEqual([]);
  });

  it('are challenged for a batch with one protected call in it', async () => {
    const calls = ['search', 'save'].map((name, id) => ({
      jsonrpc: '2.0',
      id,
      method: 'tools/call',
      params: { name },
    }));
    const headers = ['Content-Type: application/json', 'Accept: application/json, text/event-stream'];
    const response = await sendRaw(server.origin, { path: '/mcp', headers, body: JSON.stringify(calls) });
    await expectRefusal(server, response, { status: 401, scope: 'base a' });
    expect(ran).toEqual([]);
  });

  it('are challenged on other routes, also with a body as for MCP', async () => {
    const response = await fetch(`${server.origin}/plain/scoped`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' }),
    });
    await expectRefusal(server, response, { status: 401, scope: 'base a b' });
  });

  it('do not become anonymous with a bad token, or with another scheme', async () => {
    const expired = await server.mint({ exp: 1 });
    await expectRefusal(server, await server.callTool('search', expired), { status: 401, error: 'invalid_token' });
    const basic = await server.callTool('search', undefined, {}, { authorization: 'Basic eDp5' });
    await expectRefusal(server, basic, { status: 401 });
  });

  it('are known where they bring a token, whatever its scopes', async () => {
    expect((await server.callTool('search', await server.mint({ scope: '' }))).status).toBe(200);
    const response = await server.callTool('save', await server.mint({ scope: 'a' }));
    await expectRefusal(server, response, { status: 403, error: 'insufficient_scope', scope: 'base a' });
  });
});

describe.each(PLATFORMS)('lists, on %s', (platform) => {
  let server: NotesServer;
  const open = async (listing: string, transport = {}): Promise<void> => {
    server = await start(platform, { scopes: { listing } }, transport);
  };
  afterEach(() => server.close());

  async function listed(method: string, scope: string): Promise<string[]> {
    const response = await server.rpc(method, {}, bearer(await server.mint({ scope })));
    const [{ result }] = messagesOf(await response.text()) as [{ result: Record<string, { name: string }[]> }];
    return Object.values(result).flatMap((entries) => (Array.isArray(entries) ? entries.map(({ name }) => name) : []));
  }

  it('show everything by default, so that a client finds what a step-up would unlock', async () => {
    await open('show');
    expect(await listed('tools/list', '')).toEqual(expect.arrayContaining(['search', 'save', 'forbidden', 'admin']));
  });

  it('hide what the caller may not use', async () => {
    await open('hide');
    expect(await listed('tools/list', 'a')).toEqual(expect.arrayContaining(['search', 'save', 'read-note']));
    const without = await listed('tools/list', '');
    expect(without).toContain('search');
    for (const name of ['save', 'read-note', 'admin', 'forbidden']) expect(without).not.toContain(name);
    expect(await listed('prompts/list', 'a')).toEqual(['summary']);
    expect(await listed('resources/list', 'secret')).toEqual(['open', 'secret']);
    expect(await listed('resources/list', '')).toEqual(['open']);
    expect(await listed('resources/templates/list', '')).toEqual([]);
  });

  it('hide only what no scope would unlock', async () => {
    await open('obtainable');
    const tools = await listed('tools/list', '');
    expect(tools).toEqual(expect.arrayContaining(['search', 'save', 'admin']));
    expect(tools).not.toContain('forbidden');
    expect(await listed('prompts/list', '')).toEqual(['summary']);
  });

  it('are filtered as a stream of events, too', async () => {
    await open('hide', { enableJsonResponse: false });
    const response = await server.rpc('tools/list', {}, bearer(await server.mint({ scope: '' })));
    expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
    expect(await response.text()).not.toContain('write-note');
  });

  it('MCP-26-CACHE-01: are private where they differ by caller, and hiding replaces no check', async () => {
    await open('hide');
    const token = await server.mint({ scope: '' });
    const response = await sendMcp2026(server, 'tools/list', {}, token);
    const [message] = messagesOf(await response.text()) as [
      { result: { cacheScope: string; tools: { name: string }[] } },
    ];
    expect(message.result.cacheScope).toBe('private');
    expect(message.result.tools.map(({ name }) => name)).not.toContain('save');
    const hidden = await server.callTool('save', token);
    await expectRefusal(server, hidden, { status: 403, error: 'insufficient_scope', scope: 'a' });
  });

  it('stay public where they are the same for every caller', async () => {
    await open('show');
    const response = await sendMcp2026(server, 'tools/list', {}, await server.mint({ scope: '' }));
    expect(messagesOf(await response.text())).toMatchObject([{ result: { cacheScope: 'public' } }]);
  });

  it('say what each tool needs where clients look for it', async () => {
    await open('show');
    const response = await server.rpc('tools/list', {}, bearer(await server.mint()));
    const [{ result }] = messagesOf(await response.text()) as [
      { result: { tools: { name: string; _meta: object }[] } },
    ];
    const metaOf = (tool: string): object | undefined => result.tools.find(({ name }) => name === tool)?._meta;
    expect(metaOf('save')).toEqual({ 'x-own': true, securitySchemes: [{ type: 'oauth2', scopes: ['a'] }] });
    expect(metaOf('write-note')).toEqual({ securitySchemes: [{ type: 'oauth2', scopes: ['a', 'b'] }] });
  });
});

describe.each(PLATFORMS)('clients that act on tool results, on %s', (platform) => {
  let server: NotesServer;
  beforeAll(async () => {
    const challenge = (request: unknown): string => {
      const { headers } = request as { headers: Record<string, string> };
      return headers['user-agent'] === 'openai-mcp' ? 'tool-result' : 'http';
    };
    server = await start(platform, { challenge, allowAnonymous: true });
  });
  afterAll(() => server.close());
  beforeEach(() => resetRecorded(server));

  it.each([
    ['without a token', undefined, 'Bearer scope="a", '],
    ['without the scope', { scope: '' }, 'Bearer error="insufficient_scope", '],
    ['with an expired token', { exp: 1 }, 'Bearer error="invalid_token", '],
  ])('find the challenge %s', async (_what, claims, challenge) => {
    const token = claims && (await server.mint(claims));
    const asChatGpt = await server.callTool('save', token, {}, { 'user-agent': 'openai-mcp' });
    expect(asChatGpt.status).toBe(200);
    expect(await asChatGpt.json()).toMatchObject({
      jsonrpc: '2.0',
      result: { isError: true, _meta: { 'mcp/www_authenticate': [expect.stringContaining(challenge)] } },
    });
    const asOthers = await server.callTool('save', token);
    expect([401, 403]).toContain(asOthers.status);
    expect(asOthers.headers.get('www-authenticate')).toContain(challenge);
    expect(ran).not.toContain('save');
  });

  it('serves them what is public', async () => {
    resetRecorded(server);
    await expectServed({ ...server, ran: server.ran }, await server.callTool('ping', await server.mint()), 'ping');
  });
});
