import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, Inject, Post, Req, Res, type OnModuleDestroy } from '@nestjs/common';
import { InMemoryTaskStore } from '@modelcontextprotocol/sdk/experimental/tasks/stores/in-memory.js';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { McpAuthService } from 'nestjs-mcp-auth';
import { expectRefusal, messagesOf } from '../support/expectations.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { bearer, rpcTo } from '../support/rpc.js';

/** Tasks of the SDK, kept apart by whoever calls: what the store takes for the session is the principal. */
class TasksOfPrincipals extends InMemoryTaskStore {
  constructor(private readonly caller: McpAuthService) {
    super();
  }

  #key(): string {
    const { authInfo } = this.caller;
    if (!authInfo) throw new Error('no caller');
    return authInfo.principalKey;
  }

  override createTask(
    ...[params, id, request]: Parameters<InMemoryTaskStore['createTask']>
  ): ReturnType<InMemoryTaskStore['createTask']> {
    return super.createTask(params, id, request, this.#key());
  }

  override getTask(taskId: string): ReturnType<InMemoryTaskStore['getTask']> {
    return super.getTask(taskId, this.#key());
  }

  override getTaskResult(taskId: string): ReturnType<InMemoryTaskStore['getTaskResult']> {
    return super.getTaskResult(taskId, this.#key());
  }

  override updateTaskStatus(
    ...[taskId, status, message]: Parameters<InMemoryTaskStore['updateTaskStatus']>
  ): ReturnType<InMemoryTaskStore['updateTaskStatus']> {
    return super.updateTaskStatus(taskId, status, message, this.#key());
  }

  override listTasks(cursor?: string): ReturnType<InMemoryTaskStore['listTasks']> {
    return super.listTasks(cursor, this.#key());
  }
}

type PlatformRequest = IncomingMessage & { readonly raw?: IncomingMessage; readonly body?: unknown };
type PlatformResponse = ServerResponse & { readonly raw?: ServerResponse };

@Controller('tasks-mcp')
class TasksEndpoint implements OnModuleDestroy {
  readonly #store: TasksOfPrincipals;

  constructor(@Inject(McpAuthService) caller: McpAuthService) {
    this.#store = new TasksOfPrincipals(caller);
  }

  /** The store has a timer for each task, which would keep the process for as long as the task may live. */
  onModuleDestroy(): void {
    this.#store.cleanup();
  }

  @Post()
  async post(@Req() request: PlatformRequest, @Res() response: PlatformResponse): Promise<void> {
    const tasks = { list: {}, cancel: {}, requests: { tools: { call: {} } } };
    const server = new McpServer({ name: 'tasks', version: '1' }, { capabilities: { tasks }, taskStore: this.#store });
    server.experimental.tasks.registerToolTask(
      'slow',
      { execution: { taskSupport: 'required' } },
      {
        createTask: async ({ taskStore }) => ({ task: await taskStore.createTask({ ttl: 60_000 }) }),
        getTask: async ({ taskId, taskStore }) => taskStore.getTask(taskId),
        getTaskResult: async ({ taskId, taskStore }) => (await taskStore.getTaskResult(taskId)) as never,
      },
    );
    const transport = new StreamableHTTPServerTransport({ enableJsonResponse: true });
    await server.connect(transport as never);
    await transport.handleRequest(request.raw ?? request, response.raw ?? response, request.body);
  }
}

describe.each(PLATFORMS)('6. Tasks, on %s', (platform) => {
  let server: NotesServer;
  beforeAll(async () => {
    server = await startNotesServer(platform, { issuer: { alg: 'ES256' }, controllers: [TasksEndpoint] });
  });
  afterAll(() => server.close());

  async function send(method: string, params: object, token?: string): Promise<Response> {
    return rpcTo(`${server.origin}/tasks-mcp`)(method, params, bearer(token));
  }

  async function ask(method: string, params: object, token: string): Promise<Record<string, unknown>> {
    const [message] = messagesOf(await (await send(method, params, token)).text());
    return message as Record<string, unknown>;
  }

  it('SEP2663-AUTH-a: lets nobody see, end or list the tasks of another, and says the same of one that is not there', async () => {
    const alice = await server.mint({ sub: 'alice' });
    const bob = await server.mint({ sub: 'bob' });
    const created = await ask('tools/call', { name: 'slow', arguments: {}, task: { ttl: 60_000 } }, alice);
    const { taskId } = (created as { result: { task: { taskId: string } } }).result.task;

    expect(await ask('tasks/get', { taskId }, alice)).toMatchObject({ result: { taskId, status: 'working' } });
    expect(await ask('tasks/list', {}, alice)).toMatchObject({ result: { tasks: [{ taskId }] } });
    for (const method of ['tasks/get', 'tasks/result', 'tasks/cancel']) {
      const ofAnother = await ask(method, { taskId }, bob);
      const ofNobody = await ask(method, { taskId: 'x'.repeat(taskId.length) }, bob);
      expect(ofAnother).toMatchObject({ error: { code: -32_602 } });
      expect(JSON.stringify(ofAnother).replaceAll(taskId, '')).toBe(
        JSON.stringify(ofNobody).replaceAll(/x+(?=["\s.])/g, ''),
      );
    }
    expect(await ask('tasks/list', {}, bob)).toMatchObject({ result: { tasks: [] } });
    expect(await ask('tasks/get', { taskId }, await server.mint({ sub: 'alice', jti: 'refreshed' }))).toMatchObject({
      result: { taskId },
    });
    await expectRefusal(server, await send('tasks/get', { taskId }), { status: 401 });
  });
});
