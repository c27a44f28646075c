import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { expectRefusal, resetRecorded } from '../support/expectations.js';
import { givenTool } from '../support/given-tool.js';
import { McpCaller, readUntil } from '../support/mcp-caller.js';
import { closeAtOnce, startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { stateEndpoint, SharedStores } from '../support/state-endpoints.js';

const say = { name: 'say', arguments: {} };

describe.each(PLATFORMS)('state where anonymous callers are let in, on %s', (platform) => {
  const shared = new SharedStores();
  let server: NotesServer;
  let alice: McpCaller;
  let anonymous: McpCaller;
  beforeAll(async () => {
    server = await startNotesServer(platform, {
      issuer: { alg: 'ES256' },
      path: '/notes',
      resourcePath: '/mcp',
      options: { allowAnonymous: true },
      controllers: [stateEndpoint('mcp', { sessions: true, json: false }, shared)],
      // Says that the tool of the endpoint is for anybody.
      tools: [givenTool('say', { isPublic: true })],
    });
    alice = await new McpCaller(server.resource, await server.mint({ sub: 'alice' })).open();
    anonymous = await new McpCaller(server.resource, undefined).open();
  });
  afterAll(async () => {
    await closeAtOnce(server);
    shared.taskStore.cleanup();
  });
  beforeEach(() => {
    resetRecorded(server);
    shared.asked.length = 0;
  });

  const NOT_FOUND = { status: 404, transport: 'session_not_found' } as const;
  const lastIdOf = async (caller: McpCaller): Promise<string> => {
    const text = await (await caller.send('tools/call', say)).text();
    return /^id: (.*)$/m.exec(text)?.[1] ?? '';
  };

  it('MCP-25-SES-02: keeps sessions with a token and sessions without one apart', async () => {
    await expectRefusal(server, await alice.as(undefined).send('tools/call', say), NOT_FOUND);
    await expectRefusal(server, await anonymous.as(alice.token).send('tools/call', say), NOT_FOUND);
    const end = (caller: McpCaller): Promise<Response> =>
      fetch(caller.url, { method: 'DELETE', headers: caller.headers() });
    await expectRefusal(server, await end(alice.as(undefined)), NOT_FOUND);
    expect(shared.asked).toEqual([]);
    expect((await anonymous.send('tools/call', say)).status).toBe(200);
  });

  it('MCP-25-SES-05: keeps events with a token and events without one apart', async () => {
    const [hers, theirs] = [await lastIdOf(alice), await lastIdOf(anonymous)];
    shared.asked.length = 0;
    await expectRefusal(server, await anonymous.resume(hers), NOT_FOUND);
    await expectRefusal(server, await alice.resume(theirs), NOT_FOUND);
    expect(shared.asked).toEqual([]);
    expect(await readUntil(await alice.resume(hers), 'said for alice')).toContain('said for alice');
  });

  it('SEP2575-SEC-a: has no tasks for anonymous callers', async () => {
    const taskId = await alice.createTask('slow');
    for (const method of ['tasks/get', 'tasks/result', 'tasks/cancel', 'tasks/list']) {
      resetRecorded(server);
      await expectRefusal(server, await anonymous.send(method, { taskId }), { status: 401 });
    }
    const related = { ...say, _meta: { 'io.modelcontextprotocol/related-task': { taskId } } };
    shared.asked.length = 0;
    expect(await (await anonymous.send('tools/call', related)).json()).toMatchObject({ error: { code: -32_602 } });
    expect(shared.asked).toEqual([]);
  });
});
