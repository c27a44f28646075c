import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TestIssuer } from 'nestjs-mcp-auth/testing';
import { expectRefusal, resetRecorded } from '../support/expectations.js';
import { McpCaller, readUntil, type RpcReply } from '../support/mcp-caller.js';
import type { NotesServer } from '../support/notes-server.js';
import { ASKERS, startWithTwoIssuers, tokenOf } from '../support/owners.js';
import { PLATFORMS } from '../support/platforms.js';
import { stateEndpoint, SharedStores } from '../support/state-endpoints.js';

const ENDPOINTS = [
  { path: 'sessions-json', sessions: true, json: true },
  { path: 'sessions-stream', sessions: true, json: false },
  { path: 'stateless-json', sessions: false, json: true },
  { path: 'stateless-stream', sessions: false, json: false },
] as const;

const NOT_FOUND = { code: -32_602, message: 'Failed to retrieve task: Task not found' };
const RELATED = 'io.modelcontextprotocol/related-task';

describe.each(PLATFORMS)('state of SDK 1 with one store for all, on %s', (platform) => {
  const shared = new SharedStores();
  let server: NotesServer;
  let other: TestIssuer;
  let close: () => Promise<void>;
  beforeAll(async () => {
    ({ server, other, close } = await startWithTwoIssuers(platform, {
      options: { scopes: { operations: { tools: { report: ['reports'] } } } },
      controllers: ENDPOINTS.map((endpoint) => stateEndpoint(endpoint.path, endpoint, shared)),
    }));
  });
  afterAll(async () => {
    await close();
    shared.taskStore.cleanup();
  });

  describe.each(ENDPOINTS)('$path', ({ path, sessions, json }) => {
    // Listing all tasks takes a request for each ten that are there.
    beforeAll(() => shared.taskStore.cleanup());

    const callerWith = (token: string | undefined): McpCaller => new McpCaller(`${server.origin}/${path}`, token);
    const alice = async (): Promise<McpCaller> =>
      callerWith(await server.mint({ sub: 'alice', scope: 'reports' })).open();

    describe.each(ASKERS)('asked by $name', (asker) => {
      /** In the session of alice, where it is hers; in a session of their own otherwise. */
      const join = async (owner: McpCaller): Promise<McpCaller> => {
        const token = await tokenOf(asker, server, other, 'reports');
        return asker.isOwner ? owner.as(token) : callerWith(token).open();
      };

      it.each(['tasks/get', 'tasks/result', 'tasks/cancel'])('LIB-23: %s', async (method) => {
        const owner = await alice();
        const taskId = await owner.createTask(method === 'tasks/cancel' ? 'slow' : 'report');
        const caller = await join(owner);
        shared.asked.length = 0;
        const reply = await caller.ask(method, { taskId });
        if (asker.isOwner) {
          expect(reply.error).toBeUndefined();
          if (method === 'tasks/result')
            expect(reply.result).toMatchObject({ content: [{ text: 'the report of alice' }] });
          else expect(reply.result).toMatchObject({ taskId });
          return;
        }
        expect(shared.asked).toEqual([]);
        const unknown = await caller.ask(method, { taskId: 'x'.repeat(32) });
        expect(reply).toEqual({ jsonrpc: '2.0', id: reply.id, error: NOT_FOUND });
        expect({ ...reply, id: 0 }).toEqual({ ...unknown, id: 0 });
        expect(await owner.ask('tasks/get', { taskId })).toMatchObject({
          result: { status: method === 'tasks/cancel' ? 'working' : 'completed' },
        });
      });

      it('LIB-23: tasks/list', async () => {
        const owner = await alice();
        const taskId = await owner.createTask('report');
        const caller = await join(owner);
        const own = await caller.createTask('slow');
        // The store hands out ten at a time.
        const ids = (await allTasks(caller)).map((task) => task.taskId);
        expect(ids).toContain(own);
        expect(ids.includes(taskId)).toBe(asker.isOwner);
      });

      // To the owner nothing would be answered here: the answer is queued for the task.
      const itIsRefused = asker.isOwner ? undefined : it;
      itIsRefused?.('LIB-23: a request related to the task', async () => {
        const owner = await alice();
        const taskId = await owner.createTask('slow');
        const caller = await join(owner);
        shared.asked.length = 0;
        const params = { name: 'say', arguments: {}, _meta: { [RELATED]: { taskId } } };
        const response = await caller.send('tools/call', params);
        const reply = (await response.json()) as RpcReply;
        expect(reply.error).toEqual(NOT_FOUND);
        expect(shared.asked).toEqual([]);
      });

      if (!json) {
        it('MCP-25-SES-05: Last-Event-ID', async () => {
          const owner = await alice();
          const caller = await join(owner);
          // The first event of a stream has nothing but an id.
          for (const which of [0, 1]) {
            const text = await (await owner.send('tools/call', { name: 'say', arguments: {} })).text();
            const id = [...text.matchAll(/^id: (.*)$/gm)][which]?.[1] ?? '';
            shared.asked.length = 0;
            const response = await caller.resume(id);
            if (asker.isOwner) {
              expect(await readUntil(response, 'said for alice')).toContain('said for alice');
              expect(shared.asked).toEqual([`events after ${id}`]);
              continue;
            }
            resetRecorded(server);
            const foreign = await expectRefusal(server, response, { status: 404, transport: 'session_not_found' });
            const unknown = await expectRefusal(server, await caller.resume('nobody-was-sent-this'), {
              status: 404,
              transport: 'session_not_found',
            });
            expect(foreign.body).toEqual(unknown.body);
            expect(shared.asked).toEqual([]);
          }
        });
      }

      if (sessions) {
        it.each(['POST', 'GET', 'DELETE'])('MCP-25-SES-02: %s in the session', async (method) => {
          const owner = await alice();
          const caller = owner.as(await tokenOf(asker, server, other, 'reports'));
          const request = (): Promise<Response> =>
            method === 'POST' ? caller.send('ping', {}) : fetch(caller.url, { method, headers: caller.headers() });
          const response = await request();
          if (asker.isOwner) {
            expect(response.status).toBe(200);
            await response.body?.cancel();
            return;
          }
          resetRecorded(server);
          const foreign = await expectRefusal(server, response, { status: 404, transport: 'session_not_found' });
          caller.session = 'no-such-session';
          const unknown = await expectRefusal(server, await request(), { status: 404, transport: 'session_not_found' });
          expect({ ...foreign.body, id: 0 }).toEqual({ ...unknown.body, id: 0 });
          expect((await owner.ask('ping', {})).result).toEqual({});
        });
      }
    });

    it('SEP2575-SEC-a: tells nobody of a task without a token, nor which scope it needs', async () => {
      const owner = await alice();
      const taskId = await owner.createTask('report');
      for (const [method, params] of [
        ['tasks/get', { taskId }],
        ['tasks/result', { taskId }],
        ['tasks/cancel', { taskId }],
        ['tasks/list', {}],
      ] as const) {
        resetRecorded(server);
        await expectRefusal(server, await owner.as(undefined).send(method, params), { status: 401 });
      }
    });

    it('OA21-5.2-a: asks for a task what the tool asks that has created it', async () => {
      const owner = await alice();
      const taskId = await owner.createTask('report');
      const without = owner.as(await server.mint({ sub: 'alice', scope: '' }));
      for (const method of ['tasks/get', 'tasks/result', 'tasks/cancel']) {
        resetRecorded(server);
        const refusal = { status: 403, error: 'insufficient_scope', scope: 'reports' } as const;
        await expectRefusal(server, await without.send(method, { taskId }), refusal);
      }
      expect((await owner.ask('tasks/result', { taskId })).result).toMatchObject({
        content: [{ text: 'the report of alice' }],
      });
    });

    it.each([[undefined], [null], [7], [['x']], [{}], ['']])(
      'LIB-23: takes %j for the id of no task',
      async (taskId) => {
        const caller = await alice();
        shared.asked.length = 0;
        for (const method of ['tasks/get', 'tasks/result', 'tasks/cancel', 'tasks/update']) {
          expect((await caller.ask(method, { taskId })).error).toEqual(NOT_FOUND);
        }
        expect(shared.asked).toEqual([]);
      },
    );
  });
});

async function allTasks(caller: McpCaller): Promise<{ taskId: string }[]> {
  const tasks: { taskId: string }[] = [];
  let cursor: unknown;
  do {
    const { result } = await caller.ask('tasks/list', cursor === undefined ? {} : { cursor });
    tasks.push(...(result?.['tasks'] as { taskId: string }[]));
    cursor = result?.['nextCursor'];
  } while (cursor !== undefined);
  return tasks;
}
