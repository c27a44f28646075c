import { randomUUID } from 'node:crypto';
import { All, Controller, Get, Post, Query, Req, Res, type Type } from '@nestjs/common';
import {
  InMemoryTaskMessageQueue,
  InMemoryTaskStore,
} from '@modelcontextprotocol/sdk/experimental/tasks/stores/in-memory.js';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js';
import { StreamableHTTPServerTransport, type EventStore } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js';
import type { PlatformRequest, PlatformResponse } from './platforms.js';

/** The stores that all servers and sessions share, like a database. */
export class SharedStores {
  /** What the tools did, and the tasks and events that the MCP framework requested from the stores. */
  readonly asked: string[] = [];
  readonly taskStore = new TasksOfNobody(this.asked);
  readonly taskMessageQueue = new InMemoryTaskMessageQueue();
  readonly eventStore = new EventsOfNobody(this.asked);
}

/** A task store that many servers share. It ignores sessions. */
class TasksOfNobody extends InMemoryTaskStore {
  constructor(private readonly asked: string[]) {
    super();
  }

  override createTask(
    ...[params, id, request]: Parameters<InMemoryTaskStore['createTask']>
  ): ReturnType<InMemoryTaskStore['createTask']> {
    return super.createTask(params, id, request);
  }

  override getTask(taskId: string): ReturnType<InMemoryTaskStore['getTask']> {
    this.asked.push(`task ${taskId}`);
    return super.getTask(taskId);
  }

  override getTaskResult(taskId: string): ReturnType<InMemoryTaskStore['getTaskResult']> {
    return super.getTaskResult(taskId);
  }

  override updateTaskStatus(
    ...[taskId, status, message]: Parameters<InMemoryTaskStore['updateTaskStatus']>
  ): ReturnType<InMemoryTaskStore['updateTaskStatus']> {
    return super.updateTaskStatus(taskId, status, message);
  }

  override listTasks(cursor?: string): ReturnType<InMemoryTaskStore['listTasks']> {
    return super.listTasks(cursor);
  }
}

/** An event store that keeps events in order. */
class EventsOfNobody implements EventStore {
  constructor(private readonly asked: string[]) {}

  readonly #events: { id: string; streamId: string; message: JSONRPCMessage }[] = [];

  async storeEvent(streamId: string, message: JSONRPCMessage): Promise<string> {
    const id = `Ereignis-Ü-${randomUUID()}`;
    this.#events.push({ id, streamId, message });
    return id;
  }

  async getStreamIdForEventId(eventId: string): Promise<string | undefined> {
    return this.#events.find(({ id }) => id === eventId)?.streamId;
  }

  async replayEventsAfter(
    lastEventId: string,
    { send }: { send: (eventId: string, message: JSONRPCMessage) => Promise<void> },
  ): Promise<string> {
    this.asked.push(`events after ${lastEventId}`);
    const at = this.#events.findIndex(({ id }) => id === lastEventId);
    const streamId = this.#events[at]?.streamId ?? '';
    for (const event of this.#events.slice(at + 1)) {
      if (event.streamId === streamId) await send(event.id, event.message);
    }
    return streamId;
  }
}

/**
 * Creates a server with version 1 of the official SDK. Tools: `report`, a task with its caller in the result; `slow`, a task
 * that does not finish; `say`, which sends a notification for its caller and then answers.
 */
function createServer({ taskStore, taskMessageQueue, asked }: SharedStores): McpServer {
  const tasks = { list: {}, cancel: {}, requests: { tools: { call: {} } } };
  const server = new McpServer(
    { name: 'state', version: '1' },
    { capabilities: { logging: {}, tools: {}, tasks }, taskStore, taskMessageQueue },
  );
  server.experimental.tasks.registerToolTask(
    'report',
    { execution: { taskSupport: 'required' } },
    {
      createTask: async ({ taskStore: store, authInfo }) => {
        const task = await store.createTask({ ttl: 60_000 });
        const caller = (authInfo as { subject?: string } | undefined)?.subject ?? 'nobody';
        asked.push(`report for ${caller}`);
        await store.storeTaskResult(task.taskId, 'completed', {
          content: [{ type: 'text', text: `the report of ${caller}` }],
        });
        return { task };
      },
      getTask: async ({ taskId, taskStore: store }) => store.getTask(taskId),
      getTaskResult: async ({ taskId, taskStore: store }) => (await store.getTaskResult(taskId)) as never,
    },
  );
  server.experimental.tasks.registerToolTask(
    'slow',
    { execution: { taskSupport: 'required' } },
    {
      createTask: async ({ taskStore: store }) => ({ task: await store.createTask({ ttl: 60_000 }) }),
      getTask: async ({ taskId, taskStore: store }) => store.getTask(taskId),
      getTaskResult: async ({ taskId, taskStore: store }) => (await store.getTaskResult(taskId)) as never,
    },
  );
  server.registerTool('say', {}, async ({ sendNotification, authInfo }) => {
    const caller = String((authInfo as { subject?: string } | undefined)?.subject);
    asked.push(`say for ${caller}`);
    await sendNotification({ method: 'notifications/message', params: { level: 'info', data: `for ${caller} only` } });
    return { content: [{ type: 'text', text: `said for ${caller}` }] };
  });
  return server;
}

export interface StateEndpointSettings {
  readonly sessions: boolean;
  /** Whether answers are JSON instead of event streams. Only event streams can be resumed. */
  readonly json: boolean;
}

/** A Streamable HTTP endpoint that keeps tasks and events. */
export function stateEndpoint(path: string, { sessions, json }: StateEndpointSettings, shared: SharedStores): Type {
  const transports = new Map<string, StreamableHTTPServerTransport>();

  const open = async (): Promise<StreamableHTTPServerTransport> => {
    const transport: StreamableHTTPServerTransport = new StreamableHTTPServerTransport({
      ...(sessions && {
        sessionIdGenerator: randomUUID,
        onsessioninitialized: (id) => void transports.set(id, transport),
      }),
      enableJsonResponse: json,
      eventStore: shared.eventStore,
    });
    await createServer(shared).connect(transport as never);
    return transport;
  };

  @Controller(path)
  class StateEndpoint {
    @All()
    async handle(@Req() request: PlatformRequest, @Res() response: PlatformResponse): Promise<void> {
      response.hijack?.();
      const known = transports.get(String(request.headers['mcp-session-id']));
      const transport = known ?? (await open());
      await transport.handleRequest(request.raw ?? request, response.raw ?? response, request.body ?? undefined);
    }
  }
  return StateEndpoint;
}

/** The HTTP+SSE transport of 2024-11-05: the stream is at `path`, and messages are sent to `path`/messages. */
export function sseEndpoint(path: string, shared: SharedStores): Type {
  const transports = new Map<string, SSEServerTransport>();

  @Controller(path)
  class SseEndpoint {
    @Get()
    async open(@Res() response: PlatformResponse): Promise<void> {
      response.hijack?.();
      const transport = new SSEServerTransport(`/${path}/messages`, response.raw ?? response);
      transports.set(transport.sessionId, transport);
      await createServer(shared).connect(transport as never);
    }

    @Post('messages')
    async message(
      @Req() request: PlatformRequest,
      @Res() response: PlatformResponse,
      @Query('sessionId') session: unknown,
    ): Promise<void> {
      response.hijack?.();
      const raw = response.raw ?? response;
      const transport = transports.get(String(session));
      if (transport) await transport.handlePostMessage(request.raw ?? request, raw, request.body);
      else raw.writeHead(400).end('no transport');
    }
  }
  return SseEndpoint;
}
